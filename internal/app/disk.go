package app

import "syscall"

// diskFree says how many octets of the disk that a folder lies on are free for this user, and how many there are.
func diskFree(dir string) (free, size uint64, err error) {
	var st syscall.Statfs_t
	if err := syscall.Statfs(dir, &st); err != nil {
		return 0, 0, err
	}
	return st.Bavail * uint64(st.Bsize), st.Blocks * uint64(st.Bsize), nil
}
