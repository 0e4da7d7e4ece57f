package logs

import (
	"bytes"
	"encoding/json"
	"strings"
	"sync"
	"testing"
	"time"
)

// buffer is a bytes.Buffer that several may use.
type buffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) { b.mu.Lock(); defer b.mu.Unlock(); return b.b.Write(p) }
func (b *buffer) String() string              { b.mu.Lock(); defer b.mu.Unlock(); return b.b.String() }

func TestWhatWasWrittenIsInTheTailAtOnce(t *testing.T) {
	var out, errs buffer
	l := New(&out, &errs)
	stdout, stderr, err := l.Pipes()
	if err != nil {
		t.Fatal(err)
	}
	defer stdout.Close()
	defer stderr.Close()
	for i := range 200 { // each round a race with the copying goroutines
		stdout.WriteString("before\n")
		l.Mark()
		l.Line("START")
		stdout.WriteString("hello\n")
		l.Drain()
		stderr.WriteString("oops\n")
		l.Drain()
		l.Line("END")
		if got := string(l.Tail()); got != "START\nhello\noops\nEND\n" {
			t.Fatalf("round %d: %q", i, got)
		}
	}
	if n := strings.Count(out.String(), "hello\n"); n != 200 {
		t.Errorf("%d lines reached stdout", n)
	}
	if got := errs.String(); got != strings.Repeat("oops\n", 200) {
		t.Errorf("stderr: %q", got)
	}
}

func TestTailIsTheEnd(t *testing.T) {
	var out buffer
	l := New(&out, &out)
	l.Mark()
	for range 1000 {
		l.Line("0123456789")
	}
	l.Line("REPORT")
	got := l.Tail()
	if len(got) != TailSize || !bytes.HasSuffix(got, []byte("\nREPORT\n")) {
		t.Errorf("%d bytes, ends %q", len(got), got[len(got)-20:])
	}
	l.Line(strings.Repeat("x", 2*TailSize))
	if got := l.Tail(); len(got) != TailSize || got[0] != 'x' {
		t.Errorf("%d bytes", len(got))
	}
}

func TestAFunctionThatNeverStopsWritingDoesNotHoldTheAnswer(t *testing.T) {
	var out buffer
	l := New(&out, &out)
	stdout, _, err := l.Pipes()
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		for b := bytes.Repeat([]byte("x"), 64<<10); ; {
			if _, err := stdout.Write(b); err != nil {
				return
			}
		}
	}()
	done := make(chan bool)
	go func() { l.Tail(); close(done) }()
	select {
	case <-done:
	case <-time.After(5 * time.Second):
		t.Error("waits for ever")
	}
	stdout.Close()
}

func platform(asJSON bool, do func(Platform)) string {
	var out buffer
	do(Platform{Log: New(&out, &out), JSON: asJSON, Version: "3", Runtime: "python", InitType: "snap-start", MemoryMB: "256"})
	return out.String()
}

func TestReport(t *testing.T) {
	for want, i := range map[string]Invocation{
		"REPORT RequestId: r\tDuration: 1.50 ms\tBilled Duration: 2 ms\tMemory Size: 256 MB\tMax Memory Used: 80 MB\n":                                                                          {Status: "success"},
		"REPORT RequestId: r\tDuration: 1.50 ms\tBilled Duration: 2 ms\tMemory Size: 256 MB\tMax Memory Used: 80 MB\tRestore Duration: 143.20 ms\tBilled Restore Duration: 144 ms\n":            {Status: "error", ErrorType: "ValueError", RestoreMs: 143.2},
		"REPORT RequestId: r\tDuration: 1.50 ms\tBilled Duration: 2 ms\tMemory Size: 256 MB\tMax Memory Used: 80 MB\tInit Duration: 2100.50 ms\tStatus: error\tError Type: Runtime.ExitError\n": {Status: "failure", ErrorType: "Runtime.ExitError", InitMs: 2100.5},
		"REPORT RequestId: r\tDuration: 1.50 ms\tBilled Duration: 2 ms\tMemory Size: 256 MB\tMax Memory Used: 80 MB\tStatus: timeout\n":                                                         {Status: "timeout", ErrorType: "Sandbox.Timedout"},
	} {
		i.ID, i.Duration, i.MaxMemMB = "r", 1500*time.Microsecond, 80
		if got := platform(false, func(p Platform) { p.Report(i) }); got != "END RequestId: r\n"+want {
			t.Errorf("\n got %q\nwant %q", got, want)
		}
	}
}

func TestEvents(t *testing.T) {
	out := platform(true, func(p Platform) {
		p.InitStart()
		p.InitDone(12.3456, "")
		p.RestoreStart()
		p.RestoreDone(1.5, "SnapStartException")
		p.Start("r")
		p.Note("r", "text only")
		p.Report(Invocation{ID: "r", Duration: time.Millisecond, Status: "success", RestoreMs: 143.2})
	})
	var types []string
	for line := range strings.Lines(out) {
		var e struct {
			Time, Type string
			Record     map[string]any
		}
		if err := json.Unmarshal([]byte(line), &e); err != nil || e.Time == "" || e.Record == nil {
			t.Errorf("%v: %s", err, line)
		}
		types = append(types, strings.TrimPrefix(e.Type, "platform."))
	}
	if got, want := strings.Join(types, " "), "initStart initReport restoreStart restoreRuntimeDone restoreReport start report"; got != want {
		t.Errorf("\n got %s\nwant %s", got, want)
	}
}

func TestAMemorySizeThatIsNoneDoesNotBreakTheLog(t *testing.T) {
	var out buffer
	p := Platform{Log: New(&out, &out), JSON: true, MemoryMB: `1}, "x": {`}
	p.Report(Invocation{ID: "r", Status: "success"})
	if !json.Valid([]byte(out.String())) {
		t.Error(out.String())
	}
}
