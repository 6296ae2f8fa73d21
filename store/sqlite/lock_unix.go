//go:build linux || darwin || freebsd || netbsd || openbsd || dragonfly

package sqlite

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

// lockFolder takes the writer lock of a folder. The kernel releases it with the process, however that ends, so a crash
// leaves nothing to clean up.
func lockFolder(dir string) (*os.File, error) {
	path := filepath.Join(dir, lockName)
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("store folder %s cannot be written, choose a folder that this user may write: %w", dir, err)
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		defer func() { _ = f.Close() }()
		if !errors.Is(err, syscall.EWOULDBLOCK) {
			return nil, fmt.Errorf("store folder %s cannot be locked: %w", dir, err)
		}
		return nil, &InUseError{Dir: dir, PID: readPID(f)}
	}
	// The number is for the error message of the next one; the lock does not rest on it.
	text := strconv.Itoa(os.Getpid()) + "\n"
	if err := f.Truncate(0); err == nil {
		_, err = f.WriteAt([]byte(text), 0)
		if err == nil {
			return f, nil
		}
	}
	return nil, errors.Join(fmt.Errorf("store folder %s: %s cannot be written", dir, lockName), f.Close())
}

// readPID is the number the holder wrote, or "" when there is none.
func readPID(f *os.File) string {
	var b [20]byte
	n, _ := f.ReadAt(b[:], 0)
	text := strings.TrimSpace(string(b[:n]))
	if _, err := strconv.Atoi(text); err != nil {
		return ""
	}
	return text
}
