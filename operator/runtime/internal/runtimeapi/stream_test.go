package runtimeapi

import (
	"context"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
)

// response is a streamed response as a runtime sends it.
type response struct {
	*io.PipeWriter
	body    *io.PipeReader
	request *http.Request
	failure http.Header // trailers, if it fails
	done    chan struct{}
	reply   reply // known when done
}

// posted waits for the answer to the runtime.
func (s *response) posted() reply {
	<-s.done
	return s.reply
}

// Read is the body as the client sends it; at its end the trailers are known, and not sooner.
func (s *response) Read(b []byte) (int, error) {
	n, err := s.body.Read(b)
	if err == io.EOF {
		for name := range s.failure {
			s.request.Trailer.Set(name, s.failure.Get(name))
		}
	}
	return n, err
}

// stream begins to answer an invocation piece by piece.
func (i *instance) stream(id string) *response {
	r, w := io.Pipe()
	s := &response{PipeWriter: w, body: r, done: make(chan struct{})}
	post, _ := http.NewRequest("POST", i.runtime+"/2018-06-01/runtime/invocation/"+id+"/response", struct{ io.Reader }{s})
	post.Header.Set(responseModeHeader, "streaming")
	post.Header.Set("Content-Type", "text/event-stream")
	post.Trailer = http.Header{errorTypeHeader: nil, errorBodyHeader: nil}
	s.request = post
	go func() {
		defer close(s.done)
		res, err := http.DefaultClient.Do(post)
		if err != nil {
			s.reply.body = err.Error()
			return
		}
		defer res.Body.Close()
		b, _ := io.ReadAll(res.Body)
		s.reply = reply{res.StatusCode, res.Header, string(b)}
	}()
	return s
}

// fail ends it with an error.
func (s *response) fail(kind, body string) {
	s.failure = http.Header{errorTypeHeader: {kind}, errorBodyHeader: {base64.StdEncoding.EncodeToString([]byte(body))}}
	s.Close()
}

// streamed is what a caller who wants the response as it comes gets.
type streamed struct {
	*http.Response
	t    *testing.T
	stop context.CancelFunc
}

func (i *instance) invokeStreaming(headers ...string) chan *streamed {
	ctx, stop := context.WithCancel(context.Background())
	i.Cleanup(stop)
	r, _ := http.NewRequestWithContext(ctx, "POST", i.control+"/v1/invoke", nil)
	for name, value := range map[string]string{"Authorization": "Bearer secret", "Thaw-Request-Id": "r1", modeHeader: streaming, "Thaw-Log-Type": "Tail"} {
		r.Header.Set(name, value)
	}
	for j := 0; j < len(headers); j += 2 {
		r.Header.Set(headers[j], headers[j+1])
	}
	c := make(chan *streamed, 1)
	go func() {
		res, err := http.DefaultClient.Do(r)
		if err != nil {
			i.Error(err)
		}
		c <- &streamed{res, i.T, stop}
	}()
	return c
}

// piece reads the next piece; "" at the end.
func (a *streamed) piece() string {
	a.t.Helper()
	var length [4]byte
	if _, err := io.ReadFull(a.Body, length[:]); err != nil {
		a.t.Fatal(err)
	}
	b := make([]byte, binary.BigEndian.Uint32(length[:]))
	if _, err := io.ReadFull(a.Body, b); err != nil {
		a.t.Fatal(err)
	}
	return string(b)
}

// ending reads all that is left.
func (a *streamed) ending() (rest int, e ending) {
	a.t.Helper()
	for p := a.piece(); p != ""; p = a.piece() {
		rest += len(p)
	}
	if err := json.NewDecoder(a.Body).Decode(&e); err != nil {
		a.t.Fatal(err)
	}
	return rest, e
}

// begun is an invocation that has streamed one piece, which has arrived.
func begun(t *testing.T, headers ...string) (*instance, *response, *streamed) {
	t.Helper()
	i := newInstance(t, "on-demand")
	got := make(chan *response, 1)
	i.ready(func(id, event string) {
		got <- i.stream(id)
		select {} // the test says what it does next
	})
	invoked := i.invokeStreaming(headers...)
	s := <-got
	io.WriteString(s, "first")
	a := <-invoked
	if p := a.piece(); p != "first" || a.StatusCode != 200 || a.Header.Get(modeHeader) != streaming || a.Header.Get("Content-Type") != "text/event-stream" {
		t.Fatalf("%q of %d %v", p, a.StatusCode, a.Header)
	}
	return i, s, a
}

func TestAResponseIsPassedOnAsItComes(t *testing.T) {
	i, s, a := begun(t)
	for _, p := range []string{"second", "third"} {
		io.WriteString(s, p)
		if got := a.piece(); got != p {
			t.Errorf("%q", got)
		}
	}
	s.Close()
	rest, e := a.ending()
	if tail, _ := base64.StdEncoding.DecodeString(e.LogTail); rest != 0 || e.FunctionError != "" || e.Exited || !strings.Contains(string(tail), "REPORT RequestId: r1") {
		t.Errorf("%d %+v", rest, e)
	}
	i.phase(Ready)
	i.logged("START RequestId: r1", "END RequestId: r1\nREPORT RequestId: r1\t")
}

func TestAnErrorHalfWay(t *testing.T) {
	i, s, a := begun(t)
	s.fail("MyError", `{"errorType":"MyError","errorMessage":"half-way"}`)
	if _, e := a.ending(); e.FunctionError != "Unhandled" || e.Error != `{"errorType":"MyError","errorMessage":"half-way"}` || e.Exited {
		t.Errorf("%+v", e)
	}
	i.phase(Ready)
}

func TestAnErrorBeforeTheFirstPiece(t *testing.T) {
	i := newInstance(t, "on-demand")
	i.ready(func(id, event string) {
		s := i.stream(id)
		s.fail("MyError", `{"errorType":"MyError"}`)
		s.posted()
	})
	r := i.ctl("POST", "invoke", "", "Thaw-Request-Id", "r1", modeHeader, streaming)
	i.want("invoke", r, 200, `{"errorType":"MyError"}`)
	if r.header.Get("Thaw-Function-Error") != "Unhandled" || r.header.Get(modeHeader) != "" {
		t.Error(r.header)
	}
}

func TestATimeoutHalfWay(t *testing.T) {
	i, s, a := begun(t, "Thaw-Timeout-Ms", "300")
	_, e := a.ending()
	if e.FunctionError != "Unhandled" || !strings.Contains(e.Error, "Sandbox.Timedout") || !e.Exited {
		t.Errorf("%+v", e)
	}
	<-i.m.Finished()
	s.Close()
	i.want("too late", s.posted(), 403)
	i.logged("Task timed out after 0.30 seconds\nEND RequestId: r1\n", "Status: timeout")
}

// A process that ends breaks its connections, which may be seen before its end is.
func TestAProcessThatEndsHalfWay(t *testing.T) {
	for _, kills := range []int32{0, 1} {
		i, s, a := begun(t)
		i.memory.kills.Add(kills)
		s.CloseWithError(io.ErrClosedPipe)
		s.posted()
		i.m.ProcessEnded("signal: killed")
		if _, e := a.ending(); !strings.Contains(e.Error, "Runtime.ExitError") || !e.Exited {
			t.Errorf("%+v", e)
		}
		i.logged(map[int32]string{0: "Error Type: Runtime.ExitError", 1: "Error Type: Runtime.OutOfMemory"}[kills])
	}
}

func TestAResponseThatBreaksOff(t *testing.T) {
	i, s, a := begun(t)
	s.CloseWithError(io.ErrClosedPipe)
	if _, e := a.ending(); !strings.Contains(e.Error, "Runtime.TruncatedResponse") || e.Exited {
		t.Errorf("%+v", e)
	}
	i.phase(Ready)
}

func TestTheCallerMayHangUpHalfWay(t *testing.T) {
	i, s, a := begun(t)
	a.stop()
	for range 100 {
		fmt.Fprint(s, strings.Repeat("x", 100<<10))
	}
	i.phase(Busy)
	s.Close()
	s.posted()
	i.m.Reported()
	i.phase(Ready)
	i.logged("REPORT RequestId: r1")
}

func TestACallerWhoWantsItWholeGetsItWhole(t *testing.T) {
	i := newInstance(t, "on-demand")
	size := MaxPayload
	i.ready(func(id, event string) {
		s := i.stream(id)
		fmt.Fprint(s, strings.Repeat("x", size))
		s.Close()
		s.posted()
	})
	r := i.ctl("POST", "invoke", "", "Thaw-Request-Id", "r1")
	if len(r.body) != MaxPayload || r.header.Get("Content-Type") != "text/event-stream" {
		t.Errorf("%d bytes, %v", len(r.body), r.header)
	}
	size++
	i.want("too large", i.ctl("POST", "invoke", "", "Thaw-Request-Id", "r2"), 200, "Function.ResponseSizeTooLarge")
}

func TestAResponseInOnePieceForACallerWhoWouldTakeItStreamed(t *testing.T) {
	i := newInstance(t, "on-demand")
	i.echo()
	r := i.ctl("POST", "invoke", "7", "Thaw-Request-Id", "r1", modeHeader, streaming)
	if i.want("invoke", r, 200, "7"); r.header.Get(modeHeader) != "" {
		t.Error(r.header)
	}
}

func TestTheLimitOfAStream(t *testing.T) {
	_, s, a := begun(t, "Thaw-Timeout-Ms", "60000")
	written := make(chan error, 1)
	go func() {
		megabyte := make([]byte, 1<<20)
		for range MaxStream >> 20 {
			if _, err := s.Write(megabyte); err != nil {
				written <- err
				return
			}
		}
		written <- s.Close()
	}()
	_, e := a.ending()
	if err := <-written; err != nil || !strings.Contains(e.Error, "Function.ResponseSizeTooLarge") || !strings.Contains(e.Error, "209715200 bytes") {
		t.Errorf("%v %+v", err, e)
	}
	if r := s.posted(); r.status != 202 {
		t.Errorf("%+v", r)
	}
}

// The client for Node does not wait for the answer to a failed response before it asks for the next invocation.
func TestARuntimeThatAsksForWorkWhileItsLastWordIsUnderWay(t *testing.T) {
	i, s, a := begun(t)
	next := later(func() reply { return i.rt("GET", "invocation/next", "") })
	i.want("a second response", i.rt("POST", "invocation/r1/response", "2", responseModeHeader, "streaming"), 403)
	s.fail("MyError", `{"errorType":"MyError"}`)
	a.ending()
	i.phase(Ready)
	second := later(func() reply { return i.ctl("POST", "invoke", "again", "Thaw-Request-Id", "r2") })
	i.want("next", <-next, 200, "again")
	i.rt("POST", "invocation/r2/response", "1")
	i.want("invoke", <-second, 200, "1")
}
