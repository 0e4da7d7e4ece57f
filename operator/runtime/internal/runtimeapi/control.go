package runtimeapi

import (
	"context"
	"crypto/subtle"
	"encoding/base64"
	"net/http"
	"os"
	"strconv"
	"strings"
	"time"
)

// ControlAddress is where the agent and the gateway find an instance: the pod's address.
const ControlAddress = ":8270"

// defaultTimeout is Lambda's, for callers that name none.
const defaultTimeout = 3 * time.Second

// ControlHandler is the control API. The token is read at every call: after a restore another pod's is there.
func ControlHandler(m *Machine, tokenFile string) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /v1/state", func(w http.ResponseWriter, r *http.Request) {
		seconds, _ := strconv.ParseFloat(r.URL.Query().Get("wait"), 64)
		ctx, cancel := context.WithTimeout(r.Context(), time.Duration(seconds*float64(time.Second)))
		defer cancel()
		answer(w, http.StatusOK, m.State(ctx))
	})
	mux.HandleFunc("POST /v1/restore", func(w http.ResponseWriter, r *http.Request) {
		restoreMs, _ := strconv.ParseFloat(r.Header.Get("Thaw-Restore-Ms"), 64)
		hooks, err := m.Restore(r.Context(), restoreMs)
		if err != nil {
			answerError(w, err)
			return
		}
		answer(w, http.StatusOK, map[string]float64{"hooksMs": hooks})
	})
	mux.HandleFunc("POST /v1/invoke", func(w http.ResponseWriter, r *http.Request) { invoke(m, w, r) })
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		// An open connection would be part of a dump, and has an address that the next pod does not.
		w.Header().Set("Connection", "close")
		if !authorized(r, tokenFile) {
			answerError(w, apiError{401, "Unauthorized", "the token is not this instance's"})
			return
		}
		mux.ServeHTTP(w, r)
	})
}

func authorized(r *http.Request, tokenFile string) bool {
	b, err := os.ReadFile(tokenFile)
	token := strings.TrimSpace(string(b))
	given, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	return err == nil && token != "" && ok && subtle.ConstantTimeCompare([]byte(token), []byte(given)) == 1
}

// validID says whether a request's id can be a part of a path, as runtimes will use it.
func validID(id string) bool {
	return id != "" && len(id) <= 128 && strings.Trim(id, "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ-_") == ""
}

func invoke(m *Machine, w http.ResponseWriter, r *http.Request) {
	event, err := readAll(r)
	if err != nil {
		answerError(w, apiError{413, "RequestTooLargeException", "the event is larger than 6 MB, or ended early"})
		return
	}
	h := r.Header
	if !validID(h.Get("Thaw-Request-Id")) {
		answerError(w, apiError{400, "InvalidRequest", "Thaw-Request-Id must be an identifier, such as a UUID"})
		return
	}
	request := Request{
		ID: h.Get("Thaw-Request-Id"), Event: event, Timeout: defaultTimeout, FunctionARN: h.Get("Thaw-Function-Arn"), TraceID: h.Get("Thaw-Trace-Id"),
		ClientContext: h.Get("Thaw-Client-Context"), CognitoIdentity: h.Get("Thaw-Cognito-Identity"), Start: h.Get("Thaw-Start"),
	}
	if n, err := strconv.ParseInt(h.Get("Thaw-Timeout-Ms"), 10, 64); err == nil && n > 0 {
		request.Timeout = time.Duration(n) * time.Millisecond
	}
	request.DeadlineMs, _ = strconv.ParseInt(h.Get("Thaw-Deadline-Ms"), 10, 64)
	request.RestoreMs, _ = strconv.ParseFloat(h.Get("Thaw-Restore-Ms"), 64)
	streamed := frames{w: w}
	if h.Get(modeHeader) == streaming {
		request.Sink = streamed.piece
	}
	result, err := m.Invoke(request)
	tail := ""
	if h.Get("Thaw-Log-Type") == "Tail" {
		tail = base64.StdEncoding.EncodeToString(result.LogTail)
	}
	if streamed.begun {
		streamed.end(result, tail)
		return
	}
	out := w.Header()
	if result.Exited {
		out.Set("Thaw-Instance", "exited")
	}
	if err != nil {
		answerError(w, err)
		return
	}
	if out.Set("Content-Type", "application/json"); result.ContentType != "" {
		out.Set("Content-Type", result.ContentType)
	}
	if result.FunctionError {
		out.Set("Thaw-Function-Error", unhandled)
	}
	if tail != "" {
		out.Set("Thaw-Log-Tail", tail)
	}
	out.Set("Content-Length", strconv.Itoa(len(result.Payload)))
	w.Write(result.Payload)
}
