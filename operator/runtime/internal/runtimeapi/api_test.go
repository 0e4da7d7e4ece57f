package runtimeapi

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"thaw.dev/runtime/internal/logs"
)

// instance is a machine with both its servers, without a process: the test plays the runtime.
type instance struct {
	*testing.T
	m                *Machine
	runtime, control string
	token            string
	out              *bytes.Buffer
	memory           *fakeMemory
}

type fakeMemory struct{ kills atomic.Int32 }

func (m *fakeMemory) MaxMB() int { return 80 }
func (m *fakeMemory) Kills() int { return int(m.kills.Load()) }

func newInstance(t *testing.T, initType string) *instance {
	t.Helper()
	i := &instance{T: t, out: &bytes.Buffer{}, memory: &fakeMemory{}, token: filepath.Join(t.TempDir(), "token")}
	os.WriteFile(i.token, []byte("secret\n"), 0o600)
	i.m = New(Config{
		SnapStart: initType == "snap-start", RestoreLimit: 200 * time.Millisecond, Memory: i.memory, Began: time.Now(),
		Platform: logs.Platform{Log: logs.New(i.out, i.out), Version: "3", Runtime: "python", InitType: initType, MemoryMB: "256"},
	})
	for url, handler := range map[*string]http.Handler{&i.runtime: RuntimeHandler(i.m), &i.control: ControlHandler(i.m, i.token)} {
		s := httptest.NewServer(handler)
		t.Cleanup(s.CloseClientConnections)
		*url = s.URL
	}
	return i
}

type reply struct {
	status int
	header http.Header
	body   string
}

func call(method, url string, body io.Reader, headers ...string) reply {
	r, err := http.NewRequest(method, url, body)
	if err != nil {
		return reply{body: err.Error()}
	}
	for j := 0; j < len(headers); j += 2 {
		r.Header.Set(headers[j], headers[j+1])
	}
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		return reply{body: err.Error()}
	}
	defer res.Body.Close()
	b, _ := io.ReadAll(res.Body)
	return reply{res.StatusCode, res.Header, string(b)}
}

func (i *instance) rt(method, path, body string, headers ...string) reply {
	return call(method, i.runtime+"/2018-06-01/runtime/"+path, strings.NewReader(body), headers...)
}

func (i *instance) ctl(method, path, body string, headers ...string) reply {
	return call(method, i.control+"/v1/"+path, strings.NewReader(body), append(headers, "Authorization", "Bearer secret")...)
}

func (i *instance) phase(want Phase) {
	i.Helper()
	deadline := time.Now().Add(5 * time.Second)
	for {
		s := i.m.State(context.Background())
		if s.Phase == want {
			return
		}
		if time.Now().After(deadline) {
			i.Fatalf("phase %s, want %s", s.Phase, want)
		}
		time.Sleep(time.Millisecond)
	}
}

func (i *instance) want(what string, r reply, status int, parts ...string) {
	i.Helper()
	if r.status != status {
		i.Errorf("%s: %d %s, want %d", what, r.status, r.body, status)
	}
	for _, p := range parts {
		if !strings.Contains(r.body, p) {
			i.Errorf("%s: no %q in %s", what, p, r.body)
		}
	}
}

// logged looks for texts in what was logged.
func (i *instance) logged(parts ...string) {
	i.Helper()
	for _, p := range parts {
		if out := i.out.String(); !strings.Contains(out, p) {
			i.Errorf("no %q in the log %q", p, out)
		}
	}
}

// later makes a call that blocks.
func later(do func() reply) chan reply {
	c := make(chan reply, 1)
	go func() { c <- do() }()
	return c
}

// ready brings an on-demand instance to a runtime that takes one invocation after the other.
func (i *instance) ready(handler func(id, event string)) {
	go func() {
		for {
			r := i.rt("GET", "invocation/next", "")
			if r.status != 200 {
				return
			}
			handler(r.header.Get("Lambda-Runtime-Aws-Request-Id"), r.body)
		}
	}()
	i.phase(Ready)
}

func (i *instance) echo() {
	i.ready(func(id, event string) { i.rt("POST", "invocation/"+id+"/response", event) })
}

func TestSnapStartWithHooks(t *testing.T) {
	i := newInstance(t, "snap-start")
	waiting := later(func() reply { return i.ctl("GET", "state?wait=5", "") })
	next := later(func() reply { return i.rt("GET", "restore/next", "") })
	i.want("state", <-waiting, 200, `"phase":"snapshot-ready"`, `"error":null`)
	i.want("invoke before restore", i.ctl("POST", "invoke", "{}", "Thaw-Request-Id", "r"), 503, "NotReady")
	i.want("invocation/next beside restore/next", i.rt("GET", "invocation/next", ""), 403, "InvalidStateTransition")
	i.want("a second restore/next", i.rt("GET", "restore/next", ""), 403)
	restored := later(func() reply { return i.ctl("POST", "restore", "") })
	i.want("restore/next", <-next, 200)
	go i.rt("GET", "invocation/next", "")
	r := <-restored
	i.want("restore", r, 200)
	var hooks struct{ HooksMs *float64 }
	if json.Unmarshal([]byte(r.body), &hooks) != nil || hooks.HooksMs == nil {
		t.Error(r.body)
	}
	i.phase(Ready)
	i.want("restore again", i.ctl("POST", "restore", ""), 200, "hooksMs")
}

func TestSnapStartWithoutHooks(t *testing.T) {
	i := newInstance(t, "snap-start")
	go func() {
		r := i.rt("GET", "invocation/next", "")
		i.rt("POST", "invocation/"+r.header.Get("Lambda-Runtime-Aws-Request-Id")+"/response", "1")
	}()
	i.phase(SnapshotReady)
	i.want("invoke releases it", i.ctl("POST", "invoke", "{}", "Thaw-Request-Id", "r"), 200, "1")

	i = newInstance(t, "snap-start")
	go i.rt("GET", "invocation/next", "")
	i.phase(SnapshotReady)
	i.want("restore", i.ctl("POST", "restore", ""), 200, `"hooksMs":0`)
	i.phase(Ready)
}

func TestInvoke(t *testing.T) {
	i := newInstance(t, "on-demand")
	next := make(chan reply, 1)
	go func() {
		r := i.rt("GET", "invocation/next", "")
		next <- r
		i.rt("POST", "invocation/r1/response", `{"x":1}`, "Content-Type", "text/weird")
	}()
	i.phase(Ready)
	r := i.ctl("POST", "invoke", `{"in":1}`, "Thaw-Request-Id", "r1", "Thaw-Deadline-Ms", "1790000000000", "Thaw-Timeout-Ms", "5000", "Thaw-Function-Arn", "arn:x",
		"Thaw-Trace-Id", "Root=1", "Thaw-Client-Context", "{}", "Thaw-Cognito-Identity", "{1}", "Thaw-Log-Type", "Tail", "Thaw-Start", "restore", "Thaw-Restore-Ms", "143.2")
	i.want("invoke", r, 200, `{"x":1}`)
	if r.header.Get("Content-Type") != "text/weird" || r.header.Get("Thaw-Function-Error") != "" || r.header.Get("Thaw-Instance") != "" {
		t.Error(r.header)
	}
	tail, _ := base64.StdEncoding.DecodeString(r.header.Get("Thaw-Log-Tail"))
	for _, part := range []string{"START RequestId: r1 Version: 3\n", "END RequestId: r1\n", "REPORT RequestId: r1\t", "Memory Size: 256 MB\tMax Memory Used: 80 MB\tRestore Duration: 143.20 ms\tBilled Restore Duration: 0 ms\n"} {
		if !strings.Contains(string(tail), part) {
			t.Errorf("no %q in the tail %q", part, tail)
		}
	}
	n := <-next
	for name, want := range map[string]string{
		"Content-Type": "application/json", "Lambda-Runtime-Aws-Request-Id": "r1", "Lambda-Runtime-Deadline-Ms": "1790000000000",
		"Lambda-Runtime-Invoked-Function-Arn": "arn:x", "Lambda-Runtime-Trace-Id": "Root=1", "Lambda-Runtime-Client-Context": "{}", "Lambda-Runtime-Cognito-Identity": "{1}",
	} {
		if got := n.header.Get(name); got != want {
			t.Errorf("next: %s is %q, want %q", name, got, want)
		}
	}
	i.want("next", n, 200, `{"in":1}`)
}

func TestDeadlineIsFromNowWhenNobodySets(t *testing.T) {
	i := newInstance(t, "on-demand")
	deadline := make(chan int64, 1)
	go func() {
		var ms int64
		r := i.rt("GET", "invocation/next", "")
		fmt.Sscan(r.header.Get("Lambda-Runtime-Deadline-Ms"), &ms)
		deadline <- ms
		i.rt("POST", "invocation/r/response", "")
	}()
	i.phase(Ready)
	i.ctl("POST", "invoke", "", "Thaw-Request-Id", "r", "Thaw-Timeout-Ms", "60000")
	if left := time.Until(time.UnixMilli(<-deadline)); left < 50*time.Second || left > time.Minute {
		t.Error(left)
	}
}

func TestInitDurationIsInTheFirstReportOfAColdStart(t *testing.T) {
	i := newInstance(t, "on-demand")
	i.echo()
	i.ctl("POST", "invoke", "1", "Thaw-Request-Id", "r1", "Thaw-Start", "cold")
	i.ctl("POST", "invoke", "1", "Thaw-Request-Id", "r2", "Thaw-Start", "cold")
	if n := strings.Count(i.out.String(), "Init Duration"); n != 1 {
		t.Errorf("%d in %s", n, i.out)
	}
}

func TestOneInvocationAtATime(t *testing.T) {
	i := newInstance(t, "on-demand")
	hold := make(chan bool)
	i.ready(func(id, event string) { <-hold; i.rt("POST", "invocation/"+id+"/response", id) })
	first := later(func() reply { return i.ctl("POST", "invoke", "", "Thaw-Request-Id", "r1", "Thaw-Timeout-Ms", "9000") })
	i.phase(Busy)
	i.want("a second", i.ctl("POST", "invoke", "", "Thaw-Request-Id", "r2"), 409, `"Busy"`)
	hold <- true
	i.want("the first", <-first, 200, "r1")
	// At once after the answer, when the runtime may not be back in next yet.
	go func() { hold <- true }()
	i.want("the next", i.ctl("POST", "invoke", "", "Thaw-Request-Id", "r3"), 200, "r3")
}

func TestFunctionError(t *testing.T) {
	i := newInstance(t, "on-demand")
	i.ready(func(id, event string) {
		i.rt("POST", "invocation/"+id+"/error", `{"errorType":"ValueError"}`, errorTypeHeader, "ValueError")
	})
	r := i.ctl("POST", "invoke", "", "Thaw-Request-Id", "r1")
	i.want("invoke", r, 200, "ValueError")
	if r.header.Get("Thaw-Function-Error") != "Unhandled" || r.header.Get("Thaw-Instance") != "" {
		t.Error(r.header)
	}
	i.phase(Ready)
}

func TestCallsOutOfOrder(t *testing.T) {
	i := newInstance(t, "on-demand")
	for path, state := range map[string]string{"restore/error": "RestoreError", "invocation/r/response": "InvocationResponse", "invocation/r/error": "InvocationErrorResponse"} {
		want := `{"errorType":"InvalidStateTransition","errorMessage":"State transition from Started to ` + state + ` failed for runtime. Error: State transition is not allowed"}`
		if r := i.rt("POST", path, "{}"); r.status != 403 || r.body != want || r.header.Get("Content-Type") != "application/json" {
			t.Errorf("%s in init: %+v", path, r)
		}
	}
	i.want("restore/next without SnapStart", i.rt("GET", "restore/next", ""), 403)
	i.want("restore in init", i.ctl("POST", "restore", ""), 503)
	got := later(func() reply { return i.rt("GET", "invocation/next", "") })
	i.phase(Ready)
	i.want("init/error when ready", i.rt("POST", "init/error", "{}"), 403)
	invoked := later(func() reply { return i.ctl("POST", "invoke", "", "Thaw-Request-Id", "r1") })
	<-got
	i.want("another id", i.rt("POST", "invocation/r2/response", ""), 400, "InvalidRequestID")
	i.want("next before the response", i.rt("GET", "invocation/next", ""), 403)
	i.want("response", i.rt("POST", "invocation/r1/response", "1"), 202, `{"status":"OK"}`)
	i.want("response again", i.rt("POST", "invocation/r1/response", "2"), 403)
	i.want("error after it", i.rt("POST", "invocation/r1/error", "2"), 403)
	i.want("invoke", <-invoked, 200, "1")
}

func TestTimeout(t *testing.T) {
	i := newInstance(t, "on-demand")
	go i.rt("GET", "invocation/next", "")
	i.phase(Ready)
	r := i.ctl("POST", "invoke", "", "Thaw-Request-Id", "r1", "Thaw-Timeout-Ms", "20", "Thaw-Log-Type", "Tail")
	i.want("invoke", r, 200, `"errorType":"Sandbox.Timedout"`, `"errorMessage":"RequestId: r1 Error: Task timed out after 0.02 seconds"`)
	if r.header.Get("Thaw-Function-Error") != "Unhandled" || r.header.Get("Thaw-Instance") != "exited" {
		t.Error(r.header)
	}
	<-i.m.Finished()
	if f := i.m.Failure(); f == nil || f.Type != "Sandbox.Timedout" {
		t.Error(f)
	}
	i.want("response too late", i.rt("POST", "invocation/r1/response", "1"), 403)
	i.want("invoke after the end", i.ctl("POST", "invoke", "", "Thaw-Request-Id", "r2"), 503)
	i.logged("Z r1 Task timed out after 0.02 seconds\nEND RequestId: r1\n", "Max Memory Used: 80 MB\tStatus: timeout\n")
}

func TestProcessEndsInAnInvocation(t *testing.T) {
	i := newInstance(t, "on-demand")
	i.ready(func(id, event string) { i.m.ProcessEnded("exit status 3") })
	r := i.ctl("POST", "invoke", "", "Thaw-Request-Id", "r1")
	i.want("invoke", r, 200, `"errorType":"Runtime.ExitError"`, "RequestId: r1 Error: Runtime exited with error: exit status 3")
	if r.header.Get("Thaw-Function-Error") != "Unhandled" || r.header.Get("Thaw-Instance") != "exited" {
		t.Error(r.header)
	}
	if i.m.Failure() == nil {
		t.Error("no reason")
	}
	i.logged("\nRequestId: r1 Error: Runtime exited with error: exit status 3\nRuntime.ExitError\nEND RequestId: r1\nREPORT RequestId: r1\t", "Max Memory Used: 80 MB\tStatus: error\tError Type: Runtime.ExitError\n")
}

func TestAProcessThatUsesMoreMemoryThanThereIs(t *testing.T) {
	i := newInstance(t, "on-demand")
	i.memory.kills.Store(1) // somebody else's, before
	i.ready(func(id, event string) {
		i.memory.kills.Add(1)
		i.m.ProcessEnded("signal: killed")
	})
	r := i.ctl("POST", "invoke", "", "Thaw-Request-Id", "r1")
	i.want("invoke", r, 200, `"errorType":"Runtime.ExitError"`, "RequestId: r1 Error: Runtime exited with error: signal: killed")
	i.logged("RequestId: r1 Error: Runtime exited with error: signal: killed\nRuntime.ExitError\n", "Memory Size: 256 MB\tMax Memory Used: 256 MB\tStatus: error\tError Type: Runtime.OutOfMemory\n")

	i = newInstance(t, "snap-start")
	i.memory.kills.Store(1)
	i.m.ProcessEnded("signal: killed")
	i.want("state", i.ctl("GET", "state?wait=5", ""), 200, `"phase":"failed"`, `"errorType":"Runtime.OutOfMemory"`)
	i.logged("Phase: init\tStatus: error\tError Type: Runtime.OutOfMemory\n")
}

func TestAnInvocationThatTheProcessNeverSawCanRunElsewhere(t *testing.T) {
	i := newInstance(t, "on-demand")
	i.ready(func(id, event string) {
		i.rt("POST", "invocation/"+id+"/response", "")
		select {} // never asks again
	})
	i.ctl("POST", "invoke", "", "Thaw-Request-Id", "r1")
	second := later(func() reply { return i.ctl("POST", "invoke", "", "Thaw-Request-Id", "r2") })
	i.phase(Busy)
	i.m.ProcessEnded("")
	r := <-second
	i.want("invoke", r, 503, "NotReady")
	if r.header.Get("Thaw-Instance") != "exited" || r.header.Get("Thaw-Function-Error") != "" {
		t.Error(r.header)
	}
}

func TestProcessEndsIdle(t *testing.T) {
	i := newInstance(t, "on-demand")
	i.echo()
	i.m.ProcessEnded("signal: killed")
	i.want("state", i.ctl("GET", "state", ""), 200, `"phase":"exited"`, "signal: killed")

	i = newInstance(t, "on-demand")
	i.echo()
	i.m.Stop()
	i.m.ProcessEnded("signal: terminated")
	if f := i.m.Failure(); f != nil {
		t.Error("asked to stop, but failed:", f)
	}
}

func TestInitError(t *testing.T) {
	i := newInstance(t, "snap-start")
	waiting := later(func() reply { return i.ctl("GET", "state?wait=5", "") })
	time.Sleep(10 * time.Millisecond)
	i.want("init/error", i.rt("POST", "init/error", `{"errorType":"ImportError","errorMessage":"no module x","stackTrace":["a","b"]}`), 202, "OK")
	i.want("state", <-waiting, 200, `"phase":"failed"`, "ImportError", "no module x", `"stackTrace":["a","b"]`)
	i.m.ProcessEnded("exit status 1")
	if f := i.m.Failure(); f.Type != "ImportError" || !i.m.FailedInit() {
		t.Error(f)
	}
	if !strings.Contains(i.out.String(), "INIT_REPORT Init Duration: ") || !strings.Contains(i.out.String(), "Error Type: ImportError") {
		t.Error(i.out)
	}

	i = newInstance(t, "snap-start")
	i.want("init/error without JSON", i.rt("POST", "init/error", "oh no", errorTypeHeader, "Runtime.Odd"), 202)
	if f := i.m.Failure(); f.Type != "Runtime.Odd" || f.Message != "oh no" {
		t.Error(f)
	}
}

func TestProcessEndsInInit(t *testing.T) {
	i := newInstance(t, "snap-start")
	i.m.cfg.Platform.Log.Line("cannot open shared object")
	i.m.ProcessEnded("exit status 127")
	i.want("state", i.ctl("GET", "state?wait=5", ""), 200, `"phase":"failed"`, "Runtime.ExitError", `Runtime exited with error: exit status 127\ncannot open shared object`)
}

func restoring(t *testing.T) (*instance, chan reply) {
	i := newInstance(t, "snap-start")
	next := later(func() reply { return i.rt("GET", "restore/next", "") })
	i.phase(SnapshotReady)
	c := later(func() reply { return i.ctl("POST", "restore", "") })
	i.want("restore/next", <-next, 200)
	return i, c
}

func TestRestoreHookFails(t *testing.T) {
	i, restored := restoring(t)
	i.want("restore/error", i.rt("POST", "restore/error", `{"errorType":"KeyError","errorMessage":"'db'"}`), 202)
	i.want("restore", <-restored, 400, `"errorType":"SnapStartException"`, "KeyError: 'db'")
	i.want("invoke", i.ctl("POST", "invoke", "", "Thaw-Request-Id", "r"), 503)
	if i.m.FailedInit() || i.m.Failure().Type != "KeyError" {
		t.Error(i.m.Failure())
	}
	i.logged("\tStatus: error\tError Type: KeyError\n")
	i.want("restore/error again", i.rt("POST", "restore/error", "{}"), 403, "from RestoreError to RestoreError")
}

func TestARuntimeThatMeansItsHooksByAnInitError(t *testing.T) {
	i, restored := restoring(t)
	i.want("init/error", i.rt("POST", "init/error", `{"errorType":"KeyError","errorMessage":"'db'"}`), 202)
	i.want("restore", <-restored, 400, `"errorType":"SnapStartException"`, "KeyError: 'db'")
}

func TestTheRestoreIsReportedWhole(t *testing.T) {
	i := newInstance(t, "snap-start")
	next := later(func() reply { return i.rt("GET", "restore/next", "") })
	i.phase(SnapshotReady)
	i.logged("INIT_REPORT Init Duration: ")
	restored := later(func() reply { return i.ctl("POST", "restore", "", "Thaw-Restore-Ms", "1000") })
	<-next
	time.Sleep(5 * time.Millisecond) // the hooks
	i.echo()
	<-restored
	i.ctl("POST", "invoke", "1", "Thaw-Request-Id", "r1", "Thaw-Start", "restore", "Thaw-Restore-Ms", "1010")
	i.ctl("POST", "invoke", "1", "Thaw-Request-Id", "r2", "Thaw-Start", "warm", "Thaw-Restore-Ms", "1010")
	var whole float64
	var billed int
	_, report, _ := strings.Cut(i.out.String(), "RESTORE_REPORT Restore Duration: ")
	fmt.Sscanf(report, "%f ms", &whole)
	_, report, _ = strings.Cut(report, "Restore Duration: 1010.00 ms\tBilled Restore Duration: ")
	fmt.Sscanf(report, "%d ms", &billed)
	if whole < 1005 || billed < 5 || billed > 1000 || strings.Contains(report, "Restore Duration") {
		t.Errorf("restore %.2f ms, billed %d ms in %s", whole, billed, i.out)
	}
}

func TestRestoreHooksTakeTooLong(t *testing.T) {
	i, restored := restoring(t)
	i.want("restore", <-restored, 408, `"errorType":"SnapStartTimeoutException"`)
	<-i.m.Finished()
	i.want("next, too late", i.rt("GET", "invocation/next", ""), 403)
	i.logged("RESTORE_REPORT Restore Duration: ", " ms\tStatus: timeout\n")
}

func TestProcessEndsInRestore(t *testing.T) {
	i, restored := restoring(t)
	i.m.ProcessEnded("exit status 65")
	i.want("restore", <-restored, 400, "SnapStartException", "exit status 65")
}

func TestTheCallerMayHangUp(t *testing.T) {
	i := newInstance(t, "on-demand")
	hold := make(chan bool)
	i.ready(func(id, event string) { <-hold; i.rt("POST", "invocation/"+id+"/response", id) })
	ctx, cancel := context.WithCancel(context.Background())
	r, _ := http.NewRequestWithContext(ctx, "POST", i.control+"/v1/invoke", nil)
	r.Header.Set("Authorization", "Bearer secret")
	r.Header.Set("Thaw-Request-Id", "r1")
	gone := make(chan error)
	go func() { _, err := http.DefaultClient.Do(r); gone <- err }()
	i.phase(Busy)
	cancel()
	<-gone
	i.phase(Busy)
	hold <- true
	i.phase(Ready)
}

// A client whose connection breaks while it waits for work must not take the next invocation with it.
func TestTheRuntimeMayHangUpInNext(t *testing.T) {
	i := newInstance(t, "on-demand")
	ctx, cancel := context.WithCancel(context.Background())
	r, _ := http.NewRequestWithContext(ctx, "GET", i.runtime+"/2018-06-01/runtime/invocation/next", nil)
	gone := make(chan error)
	go func() { _, err := http.DefaultClient.Do(r); gone <- err }()
	i.phase(Ready)
	cancel()
	<-gone
	time.Sleep(20 * time.Millisecond)
	i.echo()
	i.want("invoke", i.ctl("POST", "invoke", "7", "Thaw-Request-Id", "r1"), 200, "7")
}

func TestStreamedResponse(t *testing.T) {
	i := newInstance(t, "on-demand")
	fail, body := false, ""
	i.ready(func(id, event string) {
		stream, w := io.Pipe()
		r, _ := http.NewRequest("POST", i.runtime+"/2018-06-01/runtime/invocation/"+id+"/response", stream)
		r.Header.Set("Lambda-Runtime-Function-Response-Mode", "streaming")
		r.Trailer = http.Header{errorTypeHeader: nil, errorBodyHeader: nil}
		go func() {
			for n := range 10 {
				fmt.Fprintf(w, "part %d\n", n)
			}
			if fail {
				r.Trailer.Set(errorTypeHeader, "Runtime.Streamed")
				r.Trailer.Set(errorBodyHeader, body)
			}
			w.Close()
		}()
		if res, err := http.DefaultClient.Do(r); err == nil {
			res.Body.Close()
		}
	})
	i.want("streamed", i.ctl("POST", "invoke", "", "Thaw-Request-Id", "r1"), 200, "part 0\n", "part 9\n")
	fail = true
	r := i.ctl("POST", "invoke", "", "Thaw-Request-Id", "r2")
	i.want("failed half-way", r, 200, "Runtime.Streamed")
	if r.header.Get("Thaw-Function-Error") == "" {
		t.Error(r.header)
	}
	body = base64.StdEncoding.EncodeToString([]byte(`{"errorType":"MyError","errorMessage":"half-way"}`))
	r = i.ctl("POST", "invoke", "", "Thaw-Request-Id", "r3")
	if i.want("failed half-way, and says why", r, 200); r.body != `{"errorType":"MyError","errorMessage":"half-way"}` {
		t.Error(r.body)
	}
}

func TestAResponseThatIsNotWhole(t *testing.T) {
	i := newInstance(t, "on-demand")
	i.ready(func(id, event string) {
		c, err := net.Dial("tcp", strings.TrimPrefix(i.runtime, "http://"))
		if err != nil {
			t.Error(err)
			return
		}
		fmt.Fprintf(c, "POST /2018-06-01/runtime/invocation/%s/response HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nhalf", id)
		c.Close()
	})
	r := i.ctl("POST", "invoke", "", "Thaw-Request-Id", "r1")
	i.want("invoke", r, 200, `"errorType":"Runtime.TruncatedResponse"`)
	if r.header.Get("Thaw-Function-Error") == "" {
		t.Error(r.header)
	}
	i.phase(Ready)
}

func TestAResponseModeThatLambdaDoesNotKnow(t *testing.T) {
	i := newInstance(t, "on-demand")
	posted := make(chan reply, 1)
	i.ready(func(id, event string) {
		posted <- i.rt("POST", "invocation/"+id+"/response", "1", "Lambda-Runtime-Function-Response-Mode", "dribbling")
	})
	i.want("invoke", i.ctl("POST", "invoke", "", "Thaw-Request-Id", "r1"), 200, "Runtime.InvalidResponseModeHeader")
	i.want("post", <-posted, 400, `"errorType":"InvalidFunctionResponseMode"`)
}

func TestPayloadLimits(t *testing.T) {
	i := newInstance(t, "on-demand")
	size := MaxPayload
	posted := make(chan reply, 2)
	i.ready(func(id, event string) {
		posted <- i.rt("POST", "invocation/"+id+"/response", strings.Repeat("x", size))
	})
	if r := i.ctl("POST", "invoke", "", "Thaw-Request-Id", "r1"); len(r.body) != MaxPayload {
		t.Errorf("%d bytes", len(r.body))
	}
	i.want("post", <-posted, 202)
	size++
	r := i.ctl("POST", "invoke", "", "Thaw-Request-Id", "r2")
	i.want("too large", r, 200, "Function.ResponseSizeTooLarge")
	if r.header.Get("Thaw-Function-Error") != "Unhandled" {
		t.Error(r.header)
	}
	i.want("post", <-posted, 202)
	i.want("event too large", i.ctl("POST", "invoke", strings.Repeat("x", size)), 413)
	i.phase(Ready)
}

func TestToken(t *testing.T) {
	i := newInstance(t, "on-demand")
	for _, given := range []string{"", "Bearer ", "Bearer wrong", "secret", "Basic secret", "Bearer secret2"} {
		for _, path := range []string{"GET state", "POST restore", "POST invoke", "GET nowhere"} {
			method, path, _ := strings.Cut(path, " ")
			if r := call(method, i.control+"/v1/"+path, nil, "Authorization", given); r.status != 401 {
				t.Errorf("%s with %q: %d", path, given, r.status)
			}
		}
	}
	// After a restore another pod's token is there.
	os.WriteFile(i.token, []byte("other"), 0o600)
	i.want("the old token", i.ctl("GET", "state", ""), 401)
	i.want("the new token", call("GET", i.control+"/v1/state", nil, "Authorization", "Bearer other"), 200)
	os.WriteFile(i.token, []byte("\n"), 0o600)
	i.want("an empty token", call("GET", i.control+"/v1/state", nil, "Authorization", "Bearer "), 401)
	os.Remove(i.token)
	i.want("no token", i.ctl("GET", "state", ""), 401)
}

func TestControlAnswersCloseTheConnection(t *testing.T) {
	i := newInstance(t, "on-demand")
	r, _ := http.NewRequest("GET", i.control+"/v1/state", nil)
	r.Header.Set("Authorization", "Bearer secret")
	res, err := http.DefaultClient.Do(r)
	if err != nil || !res.Close {
		t.Error(err, "the connection stays open, and would be dumped")
	}
}

func TestRequestIDs(t *testing.T) {
	i := newInstance(t, "on-demand")
	for _, id := range []string{"", "a/b", "..", "a b", strings.Repeat("a", 129)} {
		i.want(id, i.ctl("POST", "invoke", "", "Thaw-Request-Id", id), 400, "Thaw-Request-Id")
	}
}

func TestStateWaitEnds(t *testing.T) {
	i := newInstance(t, "on-demand")
	begin := time.Now()
	i.want("state", i.ctl("GET", "state?wait=0.05", ""), 200, `"phase":"init"`)
	if took := time.Since(begin); took < 50*time.Millisecond || took > 3*time.Second {
		t.Error(took)
	}
	i.want("state without wait", i.ctl("GET", "state", ""), 200, `"phase":"init"`)
}
