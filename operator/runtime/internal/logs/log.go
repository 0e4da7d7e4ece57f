package logs

import (
	"io"
	"os"
	"sync"
	"syscall"
)

// Log is where a function's output and the platform's own lines meet, in the order in which they came.
type Log struct {
	out, err io.Writer
	pipes    []*pipe

	mu   sync.Mutex
	tail tail
	buf  [32 << 10]byte
}

// New makes a log that passes output on to the container's two streams.
func New(stdout, stderr io.Writer) *Log { return &Log{out: stdout, err: stderr} }

// pipe is one stream of the function's.
type pipe struct {
	log *Log
	to  io.Writer
	raw syscall.RawConn
}

// Pipes makes the function's stdout and stderr. The caller gives the ends to the process, then closes its copies. Must
// not be called while the log is in use.
func (l *Log) Pipes() (stdout, stderr *os.File, err error) {
	if stdout, err = l.pipe(l.out); err != nil {
		return nil, nil, err
	}
	if stderr, err = l.pipe(l.err); err != nil {
		stdout.Close()
		return nil, nil, err
	}
	return stdout, stderr, nil
}

func (l *Log) pipe(to io.Writer) (*os.File, error) {
	r, w, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	raw, err := r.SyscallConn()
	if err != nil {
		return nil, err
	}
	p := &pipe{log: l, to: to, raw: raw}
	l.pipes = append(l.pipes, p)
	go p.copy(r)
	return w, nil
}

// copy passes on until the last writer is gone. Reading and passing on is one step under the log's lock, so that Drain finds
// either a byte in the pipe or its copy in the tail, never neither.
func (p *pipe) copy(r *os.File) {
	defer r.Close()
	for {
		var state int
		if p.raw.Read(func(fd uintptr) bool {
			state = p.step(int(fd))
			return state != empty
		}) != nil || state == ended {
			return
		}
	}
}

const (
	moved = iota
	empty
	ended
)

func (p *pipe) step(fd int) int {
	p.log.mu.Lock()
	defer p.log.mu.Unlock()
	for {
		n, err := syscall.Read(fd, p.log.buf[:])
		switch {
		case err == syscall.EINTR:
			continue
		case err == syscall.EAGAIN:
			return empty
		case err != nil || n == 0:
			return ended
		}
		p.to.Write(p.log.buf[:n])
		p.log.tail.write(p.log.buf[:n])
		return moved
	}
}

// drainSteps bounds Drain: a function that writes without end is not waited for.
const drainSteps = 64

// Drain takes over what the function has written so far: the last lines of an invocation are often still in the pipe when its
// response is here.
func (l *Log) Drain() {
	for _, p := range l.pipes {
		p.raw.Control(func(fd uintptr) {
			for i := 0; i < drainSteps && p.step(int(fd)) == moved; i++ {
			}
		})
	}
}

// Line writes a line of the platform's.
func (l *Log) Line(s string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	s += "\n"
	io.WriteString(l.out, s)
	l.tail.write([]byte(s))
}

// Mark starts a new tail.
func (l *Log) Mark() {
	l.Drain()
	l.mu.Lock()
	defer l.mu.Unlock()
	l.tail.reset()
}

// Tail is the end of what was written since the mark.
func (l *Log) Tail() []byte {
	l.Drain()
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.tail.bytes()
}
