// Package sockets ends the connections of a container that no other pod could continue: those with the pod's own address.
package sockets

import (
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"unsafe"
)

// Linux's numbers, the same on every architecture that Go has; its syscall package is older than these calls.
const (
	sysPidfdOpen  = 434
	sysPidfdGetfd = 438
	soDomain      = 39
)

// States of TCP in which nothing is connected, as tcp_info tells them.
const (
	tcpClose  = 7
	tcpListen = 10
)

// Disconnect ends every connection beyond loopback of a container's processes, which init is pid 1 of, and names them, as
// "tcp 10.244.0.7:41002 → 10.96.0.1:443". Loopback stays: both ends are in the dump, the runtime client's wait among them.
//
// A copy of the process's own descriptor is connected to nothing (connect(2), AF_UNSPEC). That needs no option of the
// kernel's, unlike SOCK_DESTROY, and leaves alone what other containers of the pod have open. The peer sees a reset; the function
// has an unconnected socket, on which everything fails at once, before the dump and after a restore.
//
// Nothing can be opened meanwhile where the caller has frozen the container, as containerd does before every checkpoint.
func Disconnect(proc string, init int) ([]string, error) {
	pids, err := members(proc, init)
	if err != nil {
		return nil, err
	}
	var ended []string
	seen := map[string]bool{}
	for _, pid := range pids {
		names, err := disconnectAll(proc, pid, seen)
		if err != nil {
			return nil, fmt.Errorf("process %d: %w", pid, err)
		}
		ended = append(ended, names...)
	}
	slices.Sort(ended)
	return ended, nil
}

// members is every process of the PID namespace that init is the first of.
func members(proc string, init int) ([]int, error) {
	namespace := func(pid string) (string, error) { return os.Readlink(filepath.Join(proc, pid, "ns/pid")) }
	ours, err := namespace(strconv.Itoa(init))
	if err != nil {
		return nil, err
	}
	entries, err := os.ReadDir(proc)
	if err != nil {
		return nil, err
	}
	var pids []int
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		if theirs, err := namespace(e.Name()); err == nil && theirs == ours {
			pids = append(pids, pid)
		}
	}
	return pids, nil
}

func disconnectAll(proc string, pid int, seen map[string]bool) ([]string, error) {
	folder := filepath.Join(proc, strconv.Itoa(pid), "fd")
	fds, err := os.ReadDir(folder)
	if err != nil {
		return nil, ignoreGone(err)
	}
	handle, _, errno := syscall.Syscall(sysPidfdOpen, uintptr(pid), 0, 0)
	if errno != 0 {
		return nil, ignoreGone(fmt.Errorf("pidfd_open: %w", errno))
	}
	defer syscall.Close(int(handle))
	var ended []string
	for _, e := range fds {
		// "socket:[inode]"; processes share sockets.
		what, err := os.Readlink(filepath.Join(folder, e.Name()))
		if err != nil || seen[what] || !strings.HasPrefix(what, "socket:") {
			continue
		}
		seen[what] = true
		n, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		fd, _, errno := syscall.Syscall(sysPidfdGetfd, handle, uintptr(n), 0)
		if errno == syscall.EBADF || errno == syscall.ESRCH {
			continue // closed meanwhile
		}
		if errno != 0 {
			return nil, fmt.Errorf("pidfd_getfd: %w", errno)
		}
		name, err := disconnect(int(fd))
		syscall.Close(int(fd))
		if err != nil {
			return nil, err
		}
		if name != "" {
			ended = append(ended, name)
		}
	}
	return ended, nil
}

// ignoreGone forgives that a process ended meanwhile.
func ignoreGone(err error) error {
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ESRCH) {
		return nil
	}
	return err
}

// disconnect ends a socket's connection, if it has one beyond loopback, and names it.
func disconnect(fd int) (string, error) {
	domain, err := syscall.GetsockoptInt(fd, syscall.SOL_SOCKET, soDomain)
	if err != nil || domain != syscall.AF_INET && domain != syscall.AF_INET6 {
		return "", nil
	}
	kind, err := syscall.GetsockoptInt(fd, syscall.SOL_SOCKET, syscall.SO_TYPE)
	if err != nil {
		return "", err
	}
	local, peer := address(syscall.Getsockname(fd)), address(syscall.Getpeername(fd))
	protocol, connected := "udp", peer.IsValid()
	if kind == syscall.SOCK_STREAM {
		protocol, connected = "tcp", tcpConnected(fd)
	}
	// A peer is not known while TCP still connects; the local address is, by then.
	if !connected || local.Addr().IsLoopback() {
		return "", nil
	}
	var nothing [16]byte // sa_family 0 is AF_UNSPEC
	if _, _, errno := syscall.Syscall(syscall.SYS_CONNECT, uintptr(fd), uintptr(unsafe.Pointer(&nothing)), unsafe.Sizeof(nothing)); errno != 0 {
		return "", fmt.Errorf("cannot end its connection %s %s → %s: %w", protocol, local, peer, errno)
	}
	return fmt.Sprintf("%s %s → %s", protocol, local, peer), nil
}

func tcpConnected(fd int) bool {
	var info [8]byte // the first byte of tcp_info is the state
	size := uint32(len(info))
	_, _, errno := syscall.Syscall6(syscall.SYS_GETSOCKOPT, uintptr(fd), syscall.IPPROTO_TCP, syscall.TCP_INFO,
		uintptr(unsafe.Pointer(&info)), uintptr(unsafe.Pointer(&size)), 0)
	return errno == 0 && info[0] != tcpClose && info[0] != tcpListen
}

// address is an IPv4 or IPv6 address with its port; the zero value when there is none.
func address(sa syscall.Sockaddr, err error) netip.AddrPort {
	if err != nil {
		return netip.AddrPort{}
	}
	switch a := sa.(type) {
	case *syscall.SockaddrInet4:
		return netip.AddrPortFrom(netip.AddrFrom4(a.Addr), uint16(a.Port))
	case *syscall.SockaddrInet6:
		return netip.AddrPortFrom(netip.AddrFrom16(a.Addr).Unmap(), uint16(a.Port))
	}
	return netip.AddrPort{}
}
