// Package runtimeapi is the Lambda Runtime API of one function process, and the control API through which the agent and
// the gateway reach it. Both speak to one state machine.
package runtimeapi

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"time"

	"thaw.dev/runtime/internal/logs"
)

// Phase is what the function is at.
type Phase string

// init ─► snapshot-ready ─► restoring ─► ready ⇄ busy
//
//	│           └─ parked in invocation/next ─►┘
//	└─ without SnapStart ────────────────────►┘     any ─► failed (init or restore), exited (process or time is up)
const (
	Init          Phase = "init"
	SnapshotReady Phase = "snapshot-ready"
	Restoring     Phase = "restoring"
	Ready         Phase = "ready"
	Busy          Phase = "busy"
	Failed        Phase = "failed"
	Exited        Phase = "exited"
)

// RestoreLimit is what Lambda gives a restore and its hooks.
const RestoreLimit = 10 * time.Second

// lastLines is how much of the output explains a process that ended in its initialisation.
const lastLines = 1500

// outOfMemory is what Lambda's reports call the end of a process that used more memory than the function has.
const outOfMemory = "Runtime.OutOfMemory"

// Failure is an error in Lambda's shape.
type Failure struct {
	Type    string   `json:"errorType"`
	Message string   `json:"errorMessage"`
	Stack   []string `json:"stackTrace,omitempty"`
}

// Config is what does not change in a machine's life.
type Config struct {
	SnapStart    bool
	RestoreLimit time.Duration
	Platform     logs.Platform
	Memory       Memory
	Began        time.Time
}

// Memory is what the container's memory has seen.
type Memory interface {
	// MaxMB is the most that has been used, in MB; asked often while an invocation runs.
	MaxMB() int
	// Kills is how many processes the kernel has killed because it was used up.
	Kills() int
}

// Machine is the state of a function process. Nothing in it ticks while the process waits to be dumped: CRIU lets the monotonic clock
// go on after the restore where it stopped, so that a timer of then would end what has only begun now.
type Machine struct {
	cfg Config

	mu        sync.Mutex
	changed   chan struct{} // closed and replaced at every change
	finished  chan struct{} // closed when the process can serve no more
	phase     Phase
	atRestore bool // the runtime waits in restore/next, not in invocation/next
	initMs    float64
	failure   *Failure // why failed or exited
	stopping  bool

	restoreBegan time.Time
	restoreTimer *time.Timer
	restoreMs    float64 // of the container, before the hooks
	hooksMs      float64
	restoreErr   *apiError

	current   *invocation
	finishing bool // the last invocation's log is being closed
	lastID    string
	served    bool // one invocation at least
}

// New makes the machine of a process that has just begun.
func New(cfg Config) *Machine {
	return &Machine{cfg: cfg, phase: Init, changed: make(chan struct{}), finished: make(chan struct{})}
}

// Finished is closed when the process can serve no more.
func (m *Machine) Finished() <-chan struct{} { return m.finished }

// Failure is why; nil when the process was asked to stop, or lives.
func (m *Machine) Failure() *Failure {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.failure
}

// Initialising says whether the process has not come to its first restore/next or invocation/next yet.
func (m *Machine) Initialising() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.phase == Init
}

// FailedInit says whether it was the initialisation that failed: then somebody will ask for the reason.
func (m *Machine) FailedInit() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.phase == Failed && m.restoreErr == nil
}

// to changes the phase. The caller holds the lock.
func (m *Machine) to(p Phase) {
	if (p == Failed || p == Exited) && m.phase != Failed && m.phase != Exited {
		close(m.finished)
	}
	m.phase = p
	close(m.changed)
	m.changed = make(chan struct{})
}

// until waits with the lock held for done to be true, and gives it up in between; false when ctx ended first.
func (m *Machine) until(ctx context.Context, done func() bool) bool {
	for !done() {
		changed := m.changed
		m.mu.Unlock()
		select {
		case <-changed:
		case <-ctx.Done():
		}
		m.mu.Lock()
		if ctx.Err() != nil {
			return false
		}
	}
	return true
}

func (m *Machine) over() bool { return m.phase == Failed || m.phase == Exited }

// initialised notes the end of the initialisation, once.
func (m *Machine) initialised(next Phase) {
	m.initMs = ms(time.Since(m.cfg.Began))
	m.cfg.Platform.InitDone(m.initMs, logs.Outcome{Status: logs.Success})
	m.to(next)
}

// State is the answer to GET /v1/state.
type State struct {
	Phase  Phase    `json:"phase"`
	InitMs float64  `json:"initMs"`
	Error  *Failure `json:"error"`
}

// State waits, until ctx ends, for the machine to leave init or restoring.
func (m *Machine) State(ctx context.Context) State {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.until(ctx, func() bool { return m.phase != Init && m.phase != Restoring })
	return State{m.phase, m.initMs, m.failure}
}

// InitError is the runtime's word that its initialisation failed. As on Lambda, older runtimes mean a restore's hooks by it.
func (m *Machine) InitError(f Failure) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	switch m.phase {
	case Init:
		m.failInit(f)
	case Restoring:
		m.failHook(f)
	default:
		return m.notAllowed("InitError")
	}
	return nil
}

func (m *Machine) failInit(f Failure) {
	m.initMs = ms(time.Since(m.cfg.Began))
	m.failure = &f
	m.cfg.Platform.InitDone(m.initMs, logs.Outcome{Status: logs.Error, ErrorType: f.Type})
	m.to(Failed)
}

// RestoreNext is where a runtime with hooks waits to be dumped; it returns after the restore.
func (m *Machine) RestoreNext(ctx context.Context) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.phase != Init || !m.cfg.SnapStart {
		return m.notAllowed("RestoreReady")
	}
	m.atRestore = true
	m.initialised(SnapshotReady)
	m.until(ctx, func() bool { return m.phase != SnapshotReady })
	if m.phase != Restoring {
		return errGone
	}
	return nil
}

// Restore releases the runtime and waits for its after-restore hooks, which it gives the milliseconds of. The container's
// own restore, which is over, took restoreMs.
func (m *Machine) Restore(ctx context.Context, restoreMs float64) (float64, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	switch {
	case m.phase == Init:
		return 0, notReady("the function is still initialising")
	case m.phase == SnapshotReady && m.atRestore:
		m.restoreBegan, m.restoreMs = time.Now(), restoreMs
		m.restoreTimer = time.AfterFunc(m.cfg.RestoreLimit, m.restoreTimedOut)
		m.cfg.Platform.RestoreStart()
		m.to(Restoring)
	case m.phase == SnapshotReady:
		m.to(Ready)
	}
	m.until(ctx, func() bool { return m.phase != Restoring })
	switch {
	case m.restoreErr != nil:
		return 0, *m.restoreErr
	case m.over():
		return 0, notReady("the function has ended")
	case m.phase == Restoring:
		return 0, notReady("the function is still being restored")
	}
	return m.hooksMs, nil
}

// RestoreError is the runtime's word that an after-restore hook failed.
func (m *Machine) RestoreError(f Failure) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.phase != Restoring {
		return m.notAllowed("RestoreError")
	}
	m.failHook(f)
	return nil
}

func (m *Machine) failHook(f Failure) {
	e := apiError{400, "SnapStartException", f.Type + ": " + f.Message}
	m.failRestore(e, f, logs.Outcome{Status: logs.Error, ErrorType: f.Type})
}

func (m *Machine) restoreTimedOut() {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.phase != Restoring {
		return
	}
	e := apiError{408, "SnapStartTimeoutException", fmt.Sprintf("the restore hooks took longer than %.0f s", m.cfg.RestoreLimit.Seconds())}
	m.failRestore(e, Failure{Type: e.Type, Message: e.Message}, logs.Outcome{Status: logs.Timeout})
}

func (m *Machine) failRestore(e apiError, why Failure, o logs.Outcome) {
	m.restoreErr, m.failure = &e, &why
	m.restored(o)
	m.to(Failed)
}

// restored notes the end of the restore.
func (m *Machine) restored(o logs.Outcome) {
	m.restoreTimer.Stop()
	m.hooksMs = ms(time.Since(m.restoreBegan))
	m.cfg.Platform.RestoreDone(m.restoreMs+m.hooksMs, o)
}

// Next is where a runtime waits for work. Its first call ends the initialisation, or the restore.
func (m *Machine) Next(ctx context.Context) (*Request, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	switch {
	case m.phase == Init && m.cfg.SnapStart:
		m.initialised(SnapshotReady) // a runtime without hooks is dumped here
	case m.phase == Init:
		m.initialised(Ready)
	case m.phase == Restoring:
		m.restored(logs.Outcome{Status: logs.Success})
		m.to(Ready)
	case m.phase == SnapshotReady && m.atRestore, m.over(), m.phase == Busy && m.current.delivered && !m.settles(ctx, m.current):
		return nil, m.notAllowed("Ready")
	}
	ok := m.until(ctx, func() bool { return m.over() || m.phase == Busy && !m.current.delivered })
	if !ok || m.over() || ctx.Err() != nil { // a runtime that has hung up must not take the invocation with it
		return nil, errGone
	}
	m.current.delivered = true
	return &m.current.request, nil
}

// Stop says that the end of the process, when it comes, was asked for.
func (m *Machine) Stop() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.stopping = true
}

// ProcessEnded says that the function's process is gone; how is empty for exit status 0.
func (m *Machine) ProcessEnded(how string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	f := Failure{Type: "Runtime.ExitError", Message: "Runtime exited without providing a reason"}
	if how != "" {
		f.Message = "Runtime exited with error: " + how
	}
	switch {
	case m.over():
	case m.phase == Init && !m.stopping:
		if m.cfg.Memory.Kills() > 0 {
			f.Type = outOfMemory
		}
		// It ended without a word; its last lines are all that explains it.
		if last := strings.TrimSpace(string(m.cfg.Platform.Log.Tail())); last != "" {
			f.Message += "\n" + last[max(0, len(last)-lastLines):]
		}
		m.failInit(f)
	case m.phase == Restoring:
		m.failHook(f)
	case m.phase == Busy:
		m.failure = &f
		m.end(m.exit(m.current, f), Exited)
	default:
		if !m.stopping {
			m.failure = &f
		}
		m.to(Exited)
	}
}

// notAllowed is Lambda's answer to a call out of order.
func (m *Machine) notAllowed(to string) error {
	return apiError{403, "InvalidStateTransition", fmt.Sprintf("State transition from %s to %s failed for runtime. Error: State transition is not allowed", m.lambdaState(), to)}
}

// lambdaState is the phase in the words of Lambda's own errors.
func (m *Machine) lambdaState() string {
	switch {
	case m.phase == SnapshotReady && m.atRestore:
		return "RestoreReady"
	case m.phase == Failed && m.restoreErr != nil:
		return "RestoreError"
	}
	return map[Phase]string{
		Init: "Started", SnapshotReady: "Ready", Restoring: "Restoring", Ready: "Ready", Busy: "Running", Failed: "InitError", Exited: "Exited",
	}[m.phase]
}

// apiError is an error that an HTTP caller sees.
type apiError struct {
	Status  int    `json:"-"`
	Type    string `json:"errorType"`
	Message string `json:"errorMessage"`
}

func (e apiError) Error() string { return e.Type + ": " + e.Message }

func notReady(why string) error { return apiError{503, "NotReady", why} }

// errGone answers a runtime whose instance is over, or that has hung up.
var errGone = apiError{410, "Runtime.Gone", "this instance serves no more"}

func ms(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

// text is JSON of a value that cannot fail to be written.
func text(v any) []byte {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return b
}
