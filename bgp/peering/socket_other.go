//go:build !linux

package peering

import (
	"errors"
	"net/netip"
)

var errOnlyLinux = errors.New("only known how on Linux")

func setMD5(int, netip.Prefix, string) error { return errMD5{errOnlyLinux} }

func sendTTL(int, bool) error { return errOnlyLinux }

func leastTTL(int, bool) error { return errOnlyLinux }
