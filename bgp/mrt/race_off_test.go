//go:build !race

package mrt

// RaceDetector is whether the tests run under it: tests of one goroutine that read whole files are then left out.
const RaceDetector = false
