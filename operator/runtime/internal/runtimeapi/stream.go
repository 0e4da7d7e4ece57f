package runtimeapi

import (
	"bytes"
	"context"
	"io"
	"time"
)

// MaxStream is Lambda's limit of a response that is streamed to somebody who takes it so.
const MaxStream = 200 << 20

// pieceSize is the most of a streamed response that is passed on at a time.
const pieceSize = 32 << 10

// A runtime's calls are on several connections, and its end breaks them: what belongs together comes in any order, but soon.
const soon = 500 * time.Millisecond

// Sink takes a response piece by piece, as the runtime streams it; the first piece comes with the response's content type.
type Sink func(contentType string, piece []byte)

// stream is a response on its way from the runtime to the sink of its invocation.
type stream struct {
	i           *invocation
	contentType string
}

type piece struct {
	contentType string
	bytes       []byte
}

// OpenStream notes that the runtime has begun to stream its response.
func (m *Machine) OpenStream(id, contentType string) (*stream, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.addressed(id, "InvocationResponse"); err != nil {
		return nil, err
	}
	if m.current.streaming {
		return nil, m.notAllowed("InvocationResponse")
	}
	m.current.streaming = true
	m.to(m.phase) // Next may wait for it
	return &stream{m.current, contentType}, nil
}

// limit is how long the response may be.
func (s *stream) limit() int {
	if s.i.request.Sink == nil {
		return MaxPayload
	}
	return MaxStream
}

// take reads the response: to the sink when the invocation has one, else into memory. What comes after the invocation's end is nobody's.
func (s *stream) take(r io.Reader) ([]byte, error) {
	if s.i.request.Sink == nil {
		return readUpTo(r, s.limit())
	}
	buf := make([]byte, pieceSize)
	for total := 0; ; {
		n, err := r.Read(buf)
		if total += n; total > s.limit() {
			io.Copy(io.Discard, r)
			return nil, errTooLarge
		}
		if n > 0 && !s.pass(bytes.Clone(buf[:n])) || err == io.EOF {
			return nil, nil
		}
		if err != nil {
			return nil, err
		}
	}
}

// pass waits until the piece is taken; false when the invocation has ended, by its time for example.
func (s *stream) pass(p []byte) bool {
	select {
	case s.i.pieces <- piece{s.contentType, p}:
		return true
	case <-s.i.done:
		return false
	}
}

// awaitEnd gives an invocation whose response broke off a moment to end by what is the better reason: the end of its process,
// which also broke the connection.
func (m *Machine) awaitEnd(id string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	ctx, cancel := context.WithTimeout(context.Background(), soon)
	defer cancel()
	m.until(ctx, func() bool { return m.current == nil || m.current.request.ID != id })
}

// settles says whether the invocation ends without another word of the runtime's. The client for Node asks for the next invocation
// on one connection while the failure of a streamed response is still under way on another. The caller holds the lock.
func (m *Machine) settles(ctx context.Context, i *invocation) bool {
	begin, cancel := context.WithTimeout(ctx, soon)
	defer cancel()
	m.until(begin, func() bool { return m.current != i || i.streaming })
	m.until(ctx, func() bool { return m.current != i || !i.streaming })
	return m.current != i
}
