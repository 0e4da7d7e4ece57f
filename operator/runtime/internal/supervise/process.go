package supervise

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
)

// process is the function's. It is started by hand, not with os/exec: that one holds a pidfd, which older CRIU cannot dump, and
// waits for it, which we do for every orphan as well.
type process struct {
	pid   int
	rss   atomic.Int64 // kB at most, known when it has ended
	ended chan string  // how; "" for exit status 0
}

// A process that has mostKillable in its oomScore is the first that the kernel kills for want of memory.
const (
	oomScore     = "/proc/self/oom_score_adj"
	mostKillable = "1000"
)

// start runs a program in a process group of its own, so that all of it can be killed.
func start(args, env []string, stdout, stderr *os.File) (*process, error) {
	path, err := exec.LookPath(args[0])
	if err != nil {
		return nil, err
	}
	null, err := os.Open(os.DevNull)
	if err != nil {
		return nil, err
	}
	defer null.Close()
	for _, f := range []*os.File{stdout, stderr} {
		// Go made them non-blocking for itself; a program does not expect EAGAIN of its print.
		if err := syscall.SetNonblock(int(f.Fd()), false); err != nil {
			return nil, err
		}
	}
	// The kernel is to choose the function, not pid 1, when the container's memory is used up. A child inherits the value; where
	// it may not be set, the greater of the two dies, which is the function nearly always.
	before, _ := os.ReadFile(oomScore)
	os.WriteFile(oomScore, []byte(mostKillable), 0)
	pid, err := syscall.ForkExec(path, args, &syscall.ProcAttr{
		Env: env, Files: []uintptr{null.Fd(), stdout.Fd(), stderr.Fd()}, Sys: &syscall.SysProcAttr{Setpgid: true},
	})
	os.WriteFile(oomScore, before, 0)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	p := &process{pid: pid, ended: make(chan string, 1)}
	go p.reap()
	return p, nil
}

// reap waits for every child: pid 1 inherits the orphans of the whole container.
func (p *process) reap() {
	for {
		var status syscall.WaitStatus
		var usage syscall.Rusage
		pid, err := syscall.Wait4(-1, &status, 0, &usage)
		switch {
		case err == syscall.EINTR:
		case err != nil:
			return // no children left
		case pid == p.pid:
			p.rss.Store(usage.Maxrss)
			p.ended <- describe(status)
		}
	}
}

// describe says how a process ended in the words that Lambda uses.
func describe(s syscall.WaitStatus) string {
	switch {
	case s.Signaled():
		return "signal: " + s.Signal().String()
	case s.ExitStatus() != 0:
		return fmt.Sprintf("exit status %d", s.ExitStatus())
	}
	return ""
}

func (p *process) signal(s syscall.Signal) { syscall.Kill(p.pid, s) }

// kill ends the process and what it started.
func (p *process) kill() { syscall.Kill(-p.pid, syscall.SIGKILL) }

// maxMemoryMB is the most memory that the function's process has held.
func (p *process) maxMemoryMB() int {
	if kb := p.rss.Load(); kb > 0 {
		return megabytes(kb)
	}
	f, err := os.Open(fmt.Sprintf("/proc/%d/status", p.pid))
	if err != nil {
		return 0
	}
	defer f.Close()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		if v, ok := strings.CutPrefix(lines.Text(), "VmHWM:"); ok {
			kb, _ := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(v), " kB"), 10, 64)
			return megabytes(kb)
		}
	}
	return 0
}

func megabytes(kb int64) int { return int((kb + 1023) / 1024) }
