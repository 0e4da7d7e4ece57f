// Package logs passes a function's output on to the container's, and keeps the end of the current invocation's.
package logs

// TailSize is what Lambda returns of an invocation's log.
const TailSize = 4 << 10

// tail keeps the last bytes written to it.
type tail struct{ b []byte }

func (t *tail) write(p []byte) {
	if len(p) > TailSize {
		p = p[len(p)-TailSize:]
	}
	t.b = append(t.b, p...)
	if over := len(t.b) - TailSize; over > 0 {
		t.b = append(t.b[:0], t.b[over:]...)
	}
}

func (t *tail) reset() { t.b = t.b[:0] }

func (t *tail) bytes() []byte { return append([]byte(nil), t.b...) }
