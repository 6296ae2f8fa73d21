//go:build !race

package app

// raceDetector is whether the tests run under it, at five to ten times the price.
const raceDetector = false
