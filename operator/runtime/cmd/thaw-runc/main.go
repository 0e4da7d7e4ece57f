// thaw-runc is an OCI runtime that is runc, and restores the containers of pods that Thaw's agent vouches for.
// See hack/design/0001-node-contract.md.
package main

import (
	"fmt"
	"os"
	"syscall"
	"time"

	"thaw.dev/runtime/internal/contract"
	"thaw.dev/runtime/internal/wrapper"
)

func main() {
	node := contract.Node{}
	runc, err := wrapper.FindRunc(node)
	if err != nil {
		fmt.Fprintln(os.Stderr, "thaw-runc:", err)
		os.Exit(1)
	}
	limit := 20 * time.Second
	if d, err := time.ParseDuration(os.Getenv("THAW_GRANT_TIMEOUT")); err == nil {
		limit = d
	}
	w := &wrapper.Wrapper{Node: node, Runc: runc, GrantTimeout: limit, Exec: syscall.Exec}
	os.Exit(w.Run(os.Args[1:]))
}
