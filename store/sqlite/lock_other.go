//go:build !(linux || darwin || freebsd || netbsd || openbsd || dragonfly)

package sqlite

import (
	"errors"
	"fmt"
	"os"
	"runtime"
)

// lockFolder refuses: two monitors on one store would destroy each other's series, and this system has no lock we have tried.
func lockFolder(dir string) (*os.File, error) {
	return nil, fmt.Errorf("store folder %s: writing a store on %s: %w", dir, runtime.GOOS, errors.ErrUnsupported)
}
