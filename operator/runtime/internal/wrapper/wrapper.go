// Package wrapper is thaw-runc: runc, except that the container of a pod the agent has granted something is given it.
package wrapper

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"syscall"
	"time"

	"thaw.dev/runtime/internal/contract"
	"thaw.dev/runtime/internal/oci"
)

// Wrapper serves one runc command line.
type Wrapper struct {
	Node         contract.Node
	Runc         string
	GrantTimeout time.Duration
	// RestoreLimit is how long a restore may take: then it is killed, and the container started cold.
	RestoreLimit time.Duration
	// Exec replaces this process.
	Exec func(path string, argv, env []string) error
	// Disconnect ends the connections of a container that its snapshot must not hold, and names them.
	Disconnect func(pid int) ([]string, error)
	// Mounts lists mount points in the order in which they were mounted, and Unmount takes one off.
	Mounts  func() ([]string, error)
	Unmount func(at string) error
}

// Run obeys a command line and gives the exit code, unless the process became runc.
func (w *Wrapper) Run(args []string) int {
	c := oci.Parse(args)
	var err error
	switch c.Name {
	case "create":
		err = w.create(c)
	case "start":
		err = w.start(c)
	case "checkpoint":
		err = w.checkpoint(c)
	case "delete":
		err = w.delete(c)
	default:
		err = w.passthrough(c)
	}
	if err == nil {
		return 0
	}
	if e, ok := err.(runcError); ok && e.quiet {
		return e.code
	}
	report(c, err)
	return 1
}

// passthrough becomes runc. Most commands end here, on every container start of the class, so nothing else happens first.
func (w *Wrapper) passthrough(c oci.Command) error {
	err := w.Exec(w.Runc, append([]string{"runc"}, c.Args...), os.Environ())
	if err != nil {
		return fmt.Errorf("exec %s: %w", w.Runc, err)
	}
	return nil
}

// runcError is runc's own failure. It has told why, in its log and on stderr, where containerd looks; quiet says so.
type runcError struct {
	command string
	code    int
	quiet   bool
}

func (e runcError) Error() string { return fmt.Sprintf("runc %s: exit status %d", e.command, e.code) }

// run is runc as a child, with the container's own standard streams. It dies with us, as runc itself does with containerd's shim.
func (w *Wrapper) run(name string, args []string) error {
	return w.runTo(os.Stderr, name, args, unwatched)
}

func unwatched(int) func() { return func() {} }

// runTo is run with another place for what runc writes to stderr, and something to do while it runs.
func (w *Wrapper) runTo(stderr io.Writer, name string, args []string, watch func(pid int) (stop func())) error {
	runtime.LockOSThread() // Pdeathsig is the thread's death
	defer runtime.UnlockOSThread()
	cmd := exec.Command(w.Runc, args...)
	cmd.Args[0] = "runc"
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	err := cmd.Start()
	if err == nil {
		stop := watch(cmd.Process.Pid)
		err = cmd.Wait()
		stop()
	}
	if exit, ok := err.(*exec.ExitError); ok {
		return runcError{command: name, code: max(exit.ExitCode(), 1)}
	}
	return err
}

// report says why, where runc would: the last error of the file that --log names is what containerd, the kubelet and so
// `kubectl describe` show.
func report(c oci.Command, err error) {
	msg := "thaw-runc " + c.Name + ": " + err.Error()
	fmt.Fprintln(os.Stderr, msg)
	path := c.GlobalFlag("log")
	if path == "" {
		return
	}
	f, e := os.OpenFile(path, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o644)
	if e != nil {
		return
	}
	defer f.Close()
	now := time.Now().Format(time.RFC3339)
	if c.GlobalFlag("log-format") == "json" {
		b, _ := json.Marshal(map[string]string{"level": "error", "msg": msg, "time": now})
		f.Write(append(b, '\n'))
	} else {
		fmt.Fprintf(f, "time=%q level=error msg=%q\n", now, msg)
	}
}

// lastError is the last error that runc wrote into its JSON log.
func lastError(log string) string {
	b, _ := os.ReadFile(log)
	var last string
	for line := range strings.Lines(string(b)) {
		var l struct{ Level, Msg string }
		if json.Unmarshal([]byte(line), &l) == nil && l.Level == "error" {
			last = l.Msg
		}
	}
	first, _, _ := strings.Cut(last, "\n")
	return first
}
