package runtimeapi

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"thaw.dev/runtime/internal/logs"
)

// MaxPayload is Lambda's limit of a response: 6 MB and a little for its own envelope.
const MaxPayload = 6<<20 + 100

// memoryTick is how often the memory in use is looked at while an invocation runs: what is freed again leaves no other trace.
const memoryTick = 100 * time.Millisecond

// Request is an invocation as the runtime will get it.
type Request struct {
	ID              string
	Event           []byte
	Timeout         time.Duration
	DeadlineMs      int64 // Unix; 0 for now and the timeout
	FunctionARN     string
	TraceID         string
	ClientContext   string
	CognitoIdentity string
	Start           string // how the instance came to be: warm, standby, slot, restore, cold
	RestoreMs       float64
	Sink            Sink // takes a response that is streamed; nil for one that is wanted whole
}

// Result is what became of it.
type Result struct {
	Payload       []byte
	ContentType   string
	FunctionError bool
	Exited        bool
	LogTail       []byte

	outcome  logs.Outcome
	timedOut string // what the log says of it
	note     string
	memoryMB int   // what the report says was used, when it is known better than by looking
	lost     error // the invocation did not run
}

type invocation struct {
	request   Request
	began     time.Time
	took      time.Duration
	delivered bool
	streaming bool // the runtime has begun to stream its response
	pieces    chan piece
	passed    int     // bytes of the response that went to the sink
	first     bool    // of this instance
	initMs    float64 // of the first invocation
	maxMemMB  int
	kills     int // for want of memory, before it began
	timer     *time.Timer
	result    Result
	done      chan struct{}
}

// Invoke runs one invocation to its end, also when its caller is gone: the function is in the middle of something.
func (m *Machine) Invoke(r Request) (Result, error) {
	i, err := m.accept(r)
	if err != nil {
		return Result{}, err
	}
	m.attend(i)
	p := m.cfg.Platform
	p.Log.Drain()
	if i.result.timedOut != "" {
		p.TimedOut(r.ID, i.result.timedOut)
	}
	if i.result.note != "" {
		p.Note(i.result.note)
	}
	p.Report(m.report(i))
	i.result.LogTail = p.Log.Tail()
	m.mu.Lock()
	defer m.mu.Unlock()
	m.finishing = false
	m.to(m.phase)
	return i.result, i.result.lost
}

// attend waits for the invocation's end, passes on what is streamed, and watches the memory.
func (m *Machine) attend(i *invocation) {
	tick := time.NewTicker(memoryTick)
	defer tick.Stop()
	for {
		select {
		case <-i.done:
			return
		case p := <-i.pieces:
			i.passed += len(p.bytes)
			i.request.Sink(p.contentType, p.bytes)
		case <-tick.C:
			m.cfg.Memory.MaxMB()
		}
	}
}

func (m *Machine) report(i *invocation) logs.Invocation {
	r := logs.Invocation{
		Outcome: i.result.outcome, ID: i.request.ID, TraceID: i.request.TraceID, Duration: i.took, Produced: i.passed + len(i.result.Payload), MaxMemMB: i.maxMemMB, Ended: i.result.Exited,
	}
	if i.request.Start == "cold" {
		r.InitMs = i.initMs
	} else if i.first {
		r.RestoreMs, r.BilledRestoreMs = i.request.RestoreMs, m.hooksMs
	}
	return r
}

func (m *Machine) accept(r Request) (*invocation, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.until(context.Background(), func() bool { return !m.finishing })
	switch {
	case m.phase == Busy:
		return nil, apiError{409, "Busy", "another invocation runs"}
	case m.phase != Ready && (m.phase != SnapshotReady || m.atRestore):
		return nil, notReady("the function is " + string(m.phase))
	}
	now := time.Now()
	if r.DeadlineMs == 0 {
		r.DeadlineMs = now.Add(r.Timeout).UnixMilli()
	}
	i := &invocation{request: r, began: now, kills: m.cfg.Memory.Kills(), pieces: make(chan piece), done: make(chan struct{})}
	i.timer = time.AfterFunc(r.Timeout, func() { m.timedOut(i) })
	if !m.served {
		i.first, i.initMs = true, m.initMs
	}
	m.served, m.current = true, i
	m.cfg.Platform.Log.Mark()
	m.cfg.Platform.Start(r.ID, r.TraceID)
	m.to(Busy)
	return i, nil
}

// end settles the current invocation. The caller holds the lock.
func (m *Machine) end(r Result, next Phase) {
	i := m.current
	i.timer.Stop()
	i.took = time.Since(i.began) // not when the last piece is taken
	if i.maxMemMB = r.memoryMB; i.maxMemMB == 0 {
		i.maxMemMB = m.cfg.Memory.MaxMB() // now: after a timeout the process is killed
	}
	r.Exited = next == Exited
	i.result = r
	m.lastID, m.current, m.finishing = i.request.ID, nil, true
	close(i.done)
	m.to(next)
}

func (m *Machine) timedOut(i *invocation) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.current != i {
		return
	}
	note := fmt.Sprintf("Task timed out after %.2f seconds", i.request.Timeout.Seconds())
	f := Failure{Type: "Sandbox.Timedout", Message: "RequestId: " + i.request.ID + " Error: " + note}
	m.failure = &f
	m.end(Result{Payload: text(f), FunctionError: true, outcome: logs.Outcome{Status: logs.Timeout}, timedOut: note}, Exited)
}

// exit is the result of an invocation whose process ended. One that the process never saw was not its doing, and can run elsewhere.
func (m *Machine) exit(i *invocation, f Failure) Result {
	outcome := logs.Outcome{Status: logs.Error, ErrorType: f.Type}
	if !i.delivered {
		return Result{lost: notReady("the function ended before it took the invocation: " + f.Message), outcome: outcome}
	}
	message := "RequestId: " + i.request.ID + " Error: " + f.Message
	r := Result{Payload: text(Failure{Type: f.Type, Message: message}), FunctionError: true, outcome: outcome, note: message + "\n" + f.Type}
	if m.cfg.Memory.Kills() > i.kills {
		// As on Lambda, only the report knows; what was used is what there was.
		r.outcome.ErrorType = outOfMemory
		r.memoryMB, _ = strconv.Atoi(m.cfg.Platform.MemoryMB)
	}
	return r
}

// Respond is the runtime's answer.
func (m *Machine) Respond(id string, payload []byte, contentType string) error {
	return m.settle(id, "InvocationResponse", Result{Payload: payload, ContentType: contentType, outcome: logs.Outcome{Status: logs.Success}})
}

// RespondError is the runtime's word that the function raised an error.
func (m *Machine) RespondError(id string, payload []byte, errorType string) error {
	return m.settle(id, "InvocationErrorResponse", Result{Payload: payload, FunctionError: true, outcome: logs.Outcome{Status: logs.Error, ErrorType: errorType}})
}

// RespondTooLarge settles an invocation whose answer exceeds the limit. The runtime's post counts as accepted: Lambda answers 413,
// of which awslambdaric dies, and with it the next invocation.
func (m *Machine) RespondTooLarge(id string, limit int) error {
	f := Failure{Type: "Function.ResponseSizeTooLarge", Message: fmt.Sprintf("Response payload size exceeded maximum allowed payload size (%d bytes).", limit)}
	return m.RespondFailure(id, f)
}

// RespondFailure settles an invocation whose answer could not be taken.
func (m *Machine) RespondFailure(id string, f Failure) error {
	return m.settle(id, "InvocationResponse", Result{Payload: text(f), FunctionError: true, outcome: logs.Outcome{Status: logs.Error, ErrorType: f.Type}, note: f.Message})
}

func (m *Machine) settle(id, to string, r Result) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.addressed(id, to); err != nil {
		return err
	}
	m.end(r, Ready)
	return nil
}

// addressed says what is wrong with a word about an invocation that is not the current one. The caller holds the lock.
func (m *Machine) addressed(id, to string) error {
	switch {
	case m.current != nil && m.current.delivered && m.current.request.ID == id:
		return nil
	case m.current == nil && (id == m.lastID || m.lastID == ""), m.current != nil && !m.current.delivered:
		return m.notAllowed(to)
	}
	return apiError{400, "InvalidRequestID", "Invalid request ID"}
}

// Reported waits until the log of the last invocation is closed.
func (m *Machine) Reported() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.until(context.Background(), func() bool { return !m.finishing })
}
