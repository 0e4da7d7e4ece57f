// thaw-init is pid 1 of a function's container: it serves the Lambda Runtime API to the process it starts, and that process to
// Thaw's agent and gateway. See hack/design/0001-node-contract.md.

//go:debug multipathtcp=0
package main

import (
	"fmt"
	"os"
	"time"

	"thaw.dev/runtime/internal/runtimeapi"
	"thaw.dev/runtime/internal/supervise"
)

func main() {
	if len(os.Args) < 2 {
		fmt.Fprintln(os.Stderr, "usage: thaw-init PROGRAM [ARGUMENT...]")
		os.Exit(2)
	}
	s := supervise.Supervisor{
		Environ:         os.Environ(),
		TokenFile:       "/.thaw/pod/token",
		TerminationFile: "/dev/termination-log",
		RuntimeAddress:  runtimeapi.RuntimeAddress,
		ControlAddress:  runtimeapi.ControlAddress,
		RestoreLimit:    runtimeapi.RestoreLimit,
		Linger:          time.Second,
	}
	os.Exit(s.Run(os.Args[1:]))
}
