package runtimeapi

import (
	"encoding/binary"
	"net/http"
)

// modeHeader says, of an invocation, that its response is wanted as it comes; of an answer, that it is in frames.
const (
	modeHeader = "Thaw-Response-Mode"
	streaming  = "streaming"
)

// unhandled is Lambda's word for every error of a function.
const unhandled = "Unhandled"

// frames writes an answer of unknown length: each piece after its own length, 4 bytes with the highest first, and after the length 0
// how the invocation ended, as JSON. An answer without the latter is not whole.
type frames struct {
	w     http.ResponseWriter
	begun bool
}

// ending is what an answer in one piece has in its headers.
type ending struct {
	FunctionError string `json:"functionError,omitempty"`
	Error         string `json:"error,omitempty"` // JSON, as the function's answer would be
	LogTail       string `json:"logTail,omitempty"`
	Exited        bool   `json:"exited,omitempty"`
}

// piece writes a piece at once. A caller who is gone does not keep the function from its end: it is written to nobody.
func (f *frames) piece(contentType string, p []byte) {
	if !f.begun {
		f.begun = true
		f.w.Header().Set(modeHeader, streaming)
		f.w.Header().Set("Content-Type", contentType)
	}
	f.write(len(p), p)
}

func (f *frames) end(r Result, tail string) {
	e := ending{LogTail: tail, Exited: r.Exited}
	if r.FunctionError {
		e.FunctionError, e.Error = unhandled, string(r.Payload)
	}
	f.write(0, text(e))
}

func (f *frames) write(length int, p []byte) {
	f.w.Write(append(binary.BigEndian.AppendUint32(nil, uint32(length)), p...))
	http.NewResponseController(f.w).Flush()
}
