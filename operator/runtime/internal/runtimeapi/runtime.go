package runtimeapi

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strconv"
)

// RuntimeAddress is where the function finds its Runtime API: loopback, so that both ends of the connection it waits on are
// inside the dump.
const RuntimeAddress = "127.0.0.1:9001"

// RuntimeHandler is the Runtime API, version 2018-06-01.
func RuntimeHandler(m *Machine) http.Handler {
	mux := http.NewServeMux()
	const base = "/2018-06-01/runtime/"
	mux.HandleFunc("GET "+base+"restore/next", func(w http.ResponseWriter, r *http.Request) {
		if err := m.RestoreNext(r.Context()); err != nil {
			answerError(w, err)
		}
	})
	mux.HandleFunc("POST "+base+"restore/error", func(w http.ResponseWriter, r *http.Request) { accepted(w, m.RestoreError(failure(r))) })
	mux.HandleFunc("POST "+base+"init/error", func(w http.ResponseWriter, r *http.Request) { accepted(w, m.InitError(failure(r))) })
	mux.HandleFunc("GET "+base+"invocation/next", func(w http.ResponseWriter, r *http.Request) {
		i, err := m.Next(r.Context())
		if err != nil {
			answerError(w, err)
			return
		}
		h := w.Header()
		h.Set("Content-Type", "application/json")
		h.Set("Lambda-Runtime-Aws-Request-Id", i.ID)
		h.Set("Lambda-Runtime-Deadline-Ms", strconv.FormatInt(i.DeadlineMs, 10))
		for name, value := range map[string]string{
			"Lambda-Runtime-Invoked-Function-Arn": i.FunctionARN, "Lambda-Runtime-Trace-Id": i.TraceID,
			"Lambda-Runtime-Client-Context": i.ClientContext, "Lambda-Runtime-Cognito-Identity": i.CognitoIdentity,
		} {
			if value != "" {
				h.Set(name, value)
			}
		}
		h.Set("Content-Length", strconv.Itoa(len(i.Event)))
		w.Write(i.Event)
	})
	mux.HandleFunc("POST "+base+"invocation/{id}/response", func(w http.ResponseWriter, r *http.Request) { accepted(w, respond(m, r)) })
	mux.HandleFunc("POST "+base+"invocation/{id}/error", func(w http.ResponseWriter, r *http.Request) {
		body, _ := readAll(r)
		accepted(w, m.RespondError(r.PathValue("id"), body, r.Header.Get(errorTypeHeader)))
	})
	return mux
}

const errorTypeHeader = "Lambda-Runtime-Function-Error-Type"

// A runtime that streams says so, and tells of a failure half-way in trailers.
const (
	responseModeHeader = "Lambda-Runtime-Function-Response-Mode"
	errorBodyHeader    = "Lambda-Runtime-Function-Error-Body" // base64
)

// respond takes a response in one piece or streamed. A streamed one is passed on as it comes where the caller wants it so, else whole.
func respond(m *Machine, r *http.Request) error {
	id, mode := r.PathValue("id"), r.Header.Get(responseModeHeader)
	take, limit := func(body io.Reader) ([]byte, error) { return readUpTo(body, MaxPayload) }, MaxPayload
	switch mode {
	case "":
	case "streaming":
		s, err := m.OpenStream(id, r.Header.Get("Content-Type"))
		if err != nil {
			return err
		}
		take, limit = s.take, s.limit()
	default:
		f := Failure{Type: "Runtime.InvalidResponseModeHeader", Message: "Invalid function response mode"}
		return settled(m.RespondFailure(id, f), apiError{400, "InvalidFunctionResponseMode", f.Message})
	}
	body, err := take(r.Body)
	switch {
	case errors.Is(err, errTooLarge):
		return m.RespondTooLarge(id, limit)
	case err != nil:
		m.awaitEnd(id)
		f := Failure{Type: "Runtime.TruncatedResponse", Message: "The response ended early: " + err.Error()}
		return settled(m.RespondFailure(id, f), apiError{400, "TruncatedHTTPRequest", "HTTP request detected as truncated"})
	}
	if kind := r.Trailer.Get(errorTypeHeader); kind != "" {
		return m.RespondError(id, streamedError(kind, r.Trailer.Get(errorBodyHeader)), kind)
	}
	return m.Respond(id, body, r.Header.Get("Content-Type"))
}

// settled is what a runtime hears whose invocation was ended with a failure: the call's own fault first.
func settled(err error, fault apiError) error {
	if err != nil {
		return err
	}
	return fault
}

// streamedError is the error that a trailer holds, or one that says as much as is known.
func streamedError(kind, body string) []byte {
	if b, err := base64.StdEncoding.DecodeString(body); err == nil && json.Valid(b) {
		return b
	}
	return text(Failure{Type: kind, Message: "the function failed while it streamed its response"})
}

var errTooLarge = errors.New("too large")

func readAll(r *http.Request) ([]byte, error) { return readUpTo(r.Body, MaxPayload) }

func readUpTo(r io.Reader, limit int) ([]byte, error) {
	body, err := io.ReadAll(io.LimitReader(r, int64(limit)+1))
	if err == nil && len(body) > limit {
		io.Copy(io.Discard, r) // or the runtime sees a reset, not the answer
		return nil, errTooLarge
	}
	return body, err
}

// failure reads an error that a runtime posts. Whatever it is, it is kept: it explains a failed version.
func failure(r *http.Request) Failure {
	body, _ := readAll(r)
	var f Failure
	if json.Unmarshal(body, &f) != nil {
		f.Message = string(body)
	}
	if f.Type == "" {
		f.Type = r.Header.Get(errorTypeHeader)
	}
	if f.Type == "" {
		f.Type = "Runtime.Unknown"
	}
	return f
}

func accepted(w http.ResponseWriter, err error) {
	if err != nil {
		answerError(w, err)
		return
	}
	answer(w, http.StatusAccepted, map[string]string{"status": "OK"})
}

func answerError(w http.ResponseWriter, err error) {
	e, ok := err.(apiError)
	if !ok {
		e = apiError{500, "InternalError", err.Error()}
	}
	answer(w, e.Status, e)
}

func answer(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	w.Write(text(v))
}
