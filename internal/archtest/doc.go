// Package archtest holds the rules of the architecture as tests: which package may import what, what the pure packages must
// not do, what must be documented, and what no tracked file may contain. It has no code outside its tests.
//
// The rules are pure functions over what was loaded (imports_test.go, source_test.go, files_test.go); archtest_test.go applies
// them to this repository and rules_test.go shows each of them a case that it must refuse. A rule about a package that does
// not exist yet waits for it.
package archtest
