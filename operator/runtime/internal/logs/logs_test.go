package logs

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"slices"
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
	do(Platform{Log: New(&out, &out), JSON: asJSON, Function: "f", Version: "3", Runtime: "python", InitType: "snap-start", MemoryMB: "256"})
	return out.String()
}

func TestReport(t *testing.T) {
	const report = "REPORT RequestId: r\tDuration: 1.50 ms\tBilled Duration: 2 ms\tMemory Size: 256 MB\tMax Memory Used: 80 MB"
	for more, i := range map[string]Invocation{
		"": {Outcome: Outcome{Status: Success}},
		"\tRestore Duration: 143.20 ms\tBilled Restore Duration: 13 ms":             {Outcome: Outcome{Error, "ValueError"}, RestoreMs: 143.2, BilledRestoreMs: 12.1},
		"\tInit Duration: 2100.50 ms\tStatus: error\tError Type: Runtime.ExitError": {Outcome: Outcome{Error, "Runtime.ExitError"}, InitMs: 2100.5, Ended: true},
		"\tStatus: timeout": {Outcome: Outcome{Status: Timeout}, Ended: true},
	} {
		i.ID, i.Duration, i.MaxMemMB = "r", 1500*time.Microsecond, 80
		if got := platform(false, func(p Platform) { p.Report(i) }); got != "END RequestId: r\n"+report+more+"\n" {
			t.Errorf("\n got %q\nwant %q", got, report+more)
		}
	}
}

func TestLinesOfInitialisationAndRestore(t *testing.T) {
	good, bad := Outcome{Status: Success}, Outcome{Error, "Runtime.ExitError"}
	for want, do := range map[string]func(Platform){
		"INIT_START Runtime Version: python\tInitialization Type: snap-start\n":                            Platform.InitStart,
		"INIT_REPORT Init Duration: 12.35 ms\n":                                                            func(p Platform) { p.InitDone(12.346, good) },
		"INIT_REPORT Init Duration: 12.35 ms\tPhase: init\tStatus: error\tError Type: Runtime.ExitError\n": func(p Platform) { p.InitDone(12.346, bad) },
		"": func(p Platform) { p.InitType = "on-demand"; p.InitDone(12.346, good) },
		"RESTORE_START Runtime Version: python\n":                                                    Platform.RestoreStart,
		"RESTORE_REPORT Restore Duration: 512.00 ms\n":                                               func(p Platform) { p.RestoreDone(512, good) },
		"RESTORE_REPORT Restore Duration: 512.00 ms\tStatus: error\tError Type: Runtime.ExitError\n": func(p Platform) { p.RestoreDone(512, bad) },
		"RESTORE_REPORT Restore Duration: 512.00 ms\tStatus: timeout\n":                              func(p Platform) { p.RestoreDone(512, Outcome{Status: Timeout}) },
		"START RequestId: r Version: 3\n":                                                            func(p Platform) { p.Start("r", "Root=1") },
	} {
		if got := platform(false, do); got != want {
			t.Errorf("\n got %q\nwant %q", got, want)
		}
	}
}

func TestEvents(t *testing.T) {
	host, _ := os.Hostname()
	out := platform(true, func(p Platform) {
		p.InitStart()
		p.InitDone(12.3456, Outcome{Status: Success})
		p.RestoreStart()
		p.RestoreDone(1.5, Outcome{Error, "Runtime.ExitError"})
		p.Start("r", "Root=1")
		p.TimedOut("r", "text only")
		p.Note("text only")
		p.Report(Invocation{ID: "r", Outcome: Outcome{Status: Timeout}, Duration: time.Millisecond, Produced: 16, MaxMemMB: 80, RestoreMs: 143.2, BilledRestoreMs: 12.1})
	})
	instance := fmt.Sprintf(`"functionName":"f","functionVersion":"3",%%s"instanceId":%q,"instanceMaxMemory":256,%%s"runtimeVersion":"python"`, host)
	trace := `"tracing":{"type":"X-Amzn-Trace-Id","value":"Root=1"}`
	want := []string{
		`platform.initStart {` + fmt.Sprintf(instance, `"initializationType":"snap-start",`, `"phase":"init",`) + `}`,
		`platform.initRuntimeDone {"initializationType":"snap-start","phase":"init","status":"success"}`,
		`platform.initReport {"initializationType":"snap-start","metrics":{"durationMs":12.346},"phase":"init","status":"success"}`,
		`platform.restoreStart {` + fmt.Sprintf(instance, "", "") + `}`,
		`platform.restoreRuntimeDone {"errorType":"Runtime.ExitError","status":"error"}`,
		`platform.restoreReport {"errorType":"Runtime.ExitError","metrics":{"durationMs":1.5},"status":"error"}`,
		`platform.start {"requestId":"r",` + trace + `,"version":"3"}`,
		`platform.runtimeDone {"metrics":{"durationMs":1,"producedBytes":16},"requestId":"r","status":"timeout"}`,
		`platform.report {"metrics":{"billedDurationMs":1,"billedRestoreDurationMs":13,"durationMs":1,"maxMemoryUsedMB":80,"memorySizeMB":256,"restoreDurationMs":143.2},"requestId":"r","status":"timeout"}`,
	}
	var got []string
	for line := range strings.Lines(out) {
		var e struct {
			Time, Type string
			Record     json.RawMessage
		}
		if err := json.Unmarshal([]byte(line), &e); err != nil {
			t.Fatalf("%v: %s", err, line)
		}
		if _, err := time.Parse("2006-01-02T15:04:05.000Z", e.Time); err != nil {
			t.Error(err)
		}
		got = append(got, e.Type+" "+string(e.Record))
	}
	if !slices.Equal(got, want) {
		t.Errorf("\n got %s\nwant %s", strings.Join(got, "\n     "), strings.Join(want, "\n     "))
	}
}

func TestAMemorySizeThatIsNoneDoesNotBreakTheLog(t *testing.T) {
	var out buffer
	p := Platform{Log: New(&out, &out), JSON: true, MemoryMB: `1}, "x": {`}
	p.Report(Invocation{ID: "r"})
	for line := range strings.Lines(out.String()) {
		if !json.Valid([]byte(line)) {
			t.Error(line)
		}
	}
}
