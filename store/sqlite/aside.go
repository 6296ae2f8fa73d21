package sqlite

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// maxAside bounds how many stores are kept aside in one folder.
const maxAside = 10_000

// SetAside moves the store of a folder, and the files named beside it, into a new folder below it, before-1 or the next that is free, and
// gives that folder's path; "" when there is nothing to move. Nothing is deleted. A folder that another process writes gives *InUseError.
func SetAside(dir string, beside ...string) (to string, err error) {
	names := append([]string{FileName, FileName + "-wal", FileName + "-shm"}, beside...)
	found := false
	for _, n := range names {
		found = found || fileExists(filepath.Join(dir, n))
	}
	if !found {
		return "", nil
	}
	lock, err := lockFolder(dir)
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, lock.Close()) }()
	for n := 1; ; n++ {
		to = filepath.Join(dir, fmt.Sprintf("before-%d", n))
		if err = os.Mkdir(to, 0o700); err == nil {
			break
		}
		if !errors.Is(err, os.ErrExist) || n == maxAside {
			return "", fmt.Errorf("setting the store of %s aside: %w", dir, err)
		}
	}
	for _, n := range names {
		if err := os.Rename(filepath.Join(dir, n), filepath.Join(to, n)); err != nil && !errors.Is(err, os.ErrNotExist) {
			return "", fmt.Errorf("setting the store of %s aside: %w", dir, err)
		}
	}
	if err := errors.Join(syncFolder(to), syncFolder(dir)); err != nil {
		return "", fmt.Errorf("setting the store of %s aside: %w", dir, err)
	}
	return to, nil
}
