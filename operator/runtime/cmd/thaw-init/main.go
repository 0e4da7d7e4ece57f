// thaw-init is pid 1 of a function's container: it serves the Lambda Runtime API to the process it starts, and that process to
// Thaw's agent and gateway. See hack/design/0001-node-contract.md.

// CRIU cannot dump a listener of MPTCP; and without the other two Go holds the cgroup's CPU limit open, a file of the pod
// that was dumped, and looks at it by a timer.

//go:debug multipathtcp=0
//go:debug containermaxprocs=0
//go:debug updatemaxprocs=0
package main

import (
	"fmt"
	"os"
	"runtime"
	"time"

	"thaw.dev/runtime/internal/runtimeapi"
	"thaw.dev/runtime/internal/supervise"
)

func main() {
	if len(os.Args) < 2 {
		fmt.Fprintln(os.Stderr, "usage: thaw-init PROGRAM [ARGUMENT...]")
		os.Exit(2)
	}
	// One invocation at a time is passed on. A thread less is one less to dump and to restore.
	runtime.GOMAXPROCS(2)
	s := supervise.Supervisor{
		Environ:         os.Environ(),
		TokenFile:       "/.thaw/pod/token",
		TerminationFile: "/dev/termination-log",
		CredentialsFile: "/.thaw/pod/credentials.json",
		CredentialsDir:  "/.thaw/credentials",
		RuntimeAddress:  runtimeapi.RuntimeAddress,
		ControlAddress:  runtimeapi.ControlAddress,
		RestoreLimit:    runtimeapi.RestoreLimit,
		Linger:          time.Second,
	}
	os.Exit(s.Run(os.Args[1:]))
}
