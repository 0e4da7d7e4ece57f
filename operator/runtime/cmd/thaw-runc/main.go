// thaw-runc is an OCI runtime that is runc, and restores the containers of pods that Thaw's agent vouches for.
// See hack/design/0001-node-contract.md.
package main

import (
	"fmt"
	"os"
	"syscall"
	"time"

	"thaw.dev/runtime/internal/contract"
	"thaw.dev/runtime/internal/sockets"
	"thaw.dev/runtime/internal/wrapper"
)

func main() {
	node := contract.Node{}
	runc, err := wrapper.FindRunc(node)
	if err != nil {
		fmt.Fprintln(os.Stderr, "thaw-runc:", err)
		os.Exit(1)
	}
	w := &wrapper.Wrapper{
		Node: node, Runc: runc,
		GrantTimeout: duration("THAW_GRANT_TIMEOUT", 20*time.Second),
		RestoreLimit: duration("THAW_RESTORE_TIMEOUT", 30*time.Second),
		Exec:         syscall.Exec,
		Mounts:       wrapper.Mounts,
		Unmount:      wrapper.Unmount,
		Disconnect:   func(pid int) ([]string, error) { return sockets.Disconnect("/proc", pid) },
	}
	os.Exit(w.Run(os.Args[1:]))
}

// duration is what containerd's environment says, such as "5s", or otherwise.
func duration(name string, otherwise time.Duration) time.Duration {
	if d, err := time.ParseDuration(os.Getenv(name)); err == nil && d > 0 {
		return d
	}
	return otherwise
}
