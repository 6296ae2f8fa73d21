// Package app wires the parts of corewatch into the commands of cmd/corewatch, and owns their lifecycle.
package app

import (
	"runtime/debug"

	"github.com/corewatch/corewatch/detect"
)

// Version is the software's version; the build sets it.
var version = "0.1.0-dev"

// commit is set by the build; otherwise it is what the Go toolchain recorded.
var commit = ""

// Version is the version and the commit it was built from.
func Version() (v, rev string) {
	rev = commit
	if rev == "" {
		if bi, ok := debug.ReadBuildInfo(); ok {
			for _, s := range bi.Settings {
				if s.Key == "vcs.revision" {
					rev = s.Value
				}
			}
		}
	}
	if len(rev) > 12 {
		rev = rev[:12]
	}
	if rev == "" {
		rev = "unknown commit"
	}
	return version, rev
}

// Software is the form used in the method field of every incident.
func Software() string {
	v, rev := Version()
	return "corewatch " + v + " (" + rev + ")"
}

// VersionInfo is what `corewatch version --json` prints.
type VersionInfo struct {
	Version string            `json:"version"`
	Commit  string            `json:"commit"`
	Method  string            `json:"method"`
	Schemas map[string]string `json:"schemas"`
}

// Info describes this build.
func Info() VersionInfo {
	v, rev := Version()
	return VersionInfo{v, rev, detect.MethodName + " " + detect.MethodVersion, map[string]string{"incident": "1", "decode": "1"}}
}
