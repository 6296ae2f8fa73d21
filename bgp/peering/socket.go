package peering

import (
	"net"
	"syscall"
	"time"
)

// keepAlives find a host that is gone where the hold time is 0 and nobody sends anything.
var keepAlives = net.KeepAliveConfig{Enable: true, Idle: 30 * time.Second, Interval: 10 * time.Second, Count: 6}

// controlled makes the hook of a socket that is about to be bound or connected.
func controlled(set func(fd int) error) func(network, address string, raw syscall.RawConn) error {
	return func(_, _ string, raw syscall.RawConn) (err error) {
		cerr := raw.Control(func(fd uintptr) { err = set(int(fd)) })
		if cerr != nil {
			return cerr
		}
		return err
	}
}

// onlyNear makes a connection drop packets that came over a router.
func onlyNear(conn net.Conn, six bool) (err error) {
	c, ok := conn.(syscall.Conn)
	if !ok {
		return syscall.EINVAL
	}
	raw, err := c.SyscallConn()
	if err != nil {
		return err
	}
	return controlled(func(fd int) error { return leastTTL(fd, six) })("", "", raw)
}

// errMD5 is the error of a system that has no TCP MD5, or forbids it.
type errMD5 struct{ error }

// Unwrap gives the system's own.
func (e errMD5) Unwrap() error { return e.error }

// Error says what to do.
func (e errMD5) Error() string {
	return "the system refuses it (" + e.error.Error() + "); Linux with CONFIG_TCP_MD5SIG is needed"
}
