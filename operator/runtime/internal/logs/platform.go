package logs

import (
	"encoding/json"
	"fmt"
	"math"
	"os"
	"strings"
	"time"
)

// Platform writes the lines that Lambda writes about a function, as text, or as JSON events when the function's log
// format is JSON: the shapes are those of the Telemetry API, schema 2022-12-13.
type Platform struct {
	Log      *Log
	JSON     bool
	Function string
	Version  string // the function's
	Runtime  string
	InitType string
	MemoryMB string
}

// Outcome is how a phase ended.
type Outcome struct {
	Status    string // Success, Error, Timeout
	ErrorType string // with Error
}

// The Telemetry API's words.
const (
	Success = "success"
	Error   = "error"
	Timeout = "timeout"
)

// record adds the outcome to an event's record.
func (o Outcome) record(fields map[string]any) map[string]any {
	fields["status"] = o.Status
	if o.ErrorType != "" {
		fields["errorType"] = o.ErrorType
	}
	return fields
}

// text is what a line says of an outcome that is none of success.
func (o Outcome) text() string {
	switch o.Status {
	case Timeout:
		return "\tStatus: timeout"
	case Error:
		return "\tStatus: error\tError Type: " + o.ErrorType
	}
	return ""
}

// Invocation is what REPORT says.
type Invocation struct {
	Outcome
	ID       string
	TraceID  string
	Duration time.Duration
	Produced int // bytes of the answer
	MaxMemMB int
	InitMs   float64 // of a cold start; 0 leaves it out
	// RestoreMs is the whole restore's, BilledRestoreMs that of the function's own hooks in it; 0 leaves both out.
	RestoreMs       float64
	BilledRestoreMs float64
	// Ended says that the process ended with the invocation. Of an error that the function raised itself, the text says nothing.
	Ended bool
}

func (p Platform) InitStart() {
	record := p.instance()
	record["initializationType"], record["phase"] = p.InitType, "init"
	p.write("platform.initStart", record, "INIT_START Runtime Version: "+p.Runtime+"\tInitialization Type: "+p.InitType)
}

// InitDone says how the initialisation went. As on Lambda, a good one has a line of its own only where no REPORT will tell
// how long it took.
func (p Platform) InitDone(ms float64, o Outcome) {
	record := func() map[string]any {
		return o.record(map[string]any{"initializationType": p.InitType, "phase": "init"})
	}
	p.write("platform.initRuntimeDone", record(), "")
	report := record()
	report["metrics"] = map[string]any{"durationMs": round(ms)}
	text := ""
	switch {
	case o.Status != Success:
		text = fmt.Sprintf("INIT_REPORT Init Duration: %.2f ms\tPhase: init", ms) + o.text()
	case p.InitType == "snap-start":
		text = fmt.Sprintf("INIT_REPORT Init Duration: %.2f ms", ms)
	}
	p.write("platform.initReport", report, text)
}

func (p Platform) RestoreStart() {
	p.write("platform.restoreStart", p.instance(), "RESTORE_START Runtime Version: "+p.Runtime)
}

// RestoreDone says how the restore went, its after-restore hooks included.
func (p Platform) RestoreDone(ms float64, o Outcome) {
	p.write("platform.restoreRuntimeDone", o.record(map[string]any{}), "")
	report := o.record(map[string]any{"metrics": map[string]any{"durationMs": round(ms)}})
	p.write("platform.restoreReport", report, fmt.Sprintf("RESTORE_REPORT Restore Duration: %.2f ms", ms)+o.text())
}

func (p Platform) Start(id, traceID string) {
	record := traced(map[string]any{"requestId": id, "version": p.Version}, traceID)
	p.write("platform.start", record, "START RequestId: "+id+" Version: "+p.Version)
}

// TimedOut is the line about an invocation that took too long. The events say so in their status.
func (p Platform) TimedOut(id, what string) {
	if !p.JSON {
		p.Log.Line(now() + " " + id + " " + what)
	}
}

// Note is a text about an invocation that has no event of its own, such as why its process ended.
func (p Platform) Note(text string) {
	if !p.JSON {
		p.Log.Line(text)
	}
}

// Report ends an invocation.
func (p Platform) Report(i Invocation) {
	ms := float64(i.Duration.Nanoseconds()) / 1e6
	done := i.record(map[string]any{"requestId": i.ID, "metrics": map[string]any{"durationMs": round(ms), "producedBytes": i.Produced}})
	p.write("platform.runtimeDone", traced(done, i.TraceID), "")
	metrics := map[string]any{"durationMs": round(ms), "billedDurationMs": ceil(ms), "memorySizeMB": json.Number(number(p.MemoryMB)), "maxMemoryUsedMB": i.MaxMemMB}
	var b strings.Builder
	fmt.Fprintf(&b, "REPORT RequestId: %s\tDuration: %.2f ms\tBilled Duration: %d ms\tMemory Size: %s MB\tMax Memory Used: %d MB", i.ID, ms, ceil(ms), number(p.MemoryMB), i.MaxMemMB)
	if i.InitMs > 0 {
		fmt.Fprintf(&b, "\tInit Duration: %.2f ms", i.InitMs)
		metrics["initDurationMs"] = round(i.InitMs)
	}
	if i.RestoreMs > 0 {
		fmt.Fprintf(&b, "\tRestore Duration: %.2f ms\tBilled Restore Duration: %d ms", i.RestoreMs, ceil(i.BilledRestoreMs))
		metrics["restoreDurationMs"], metrics["billedRestoreDurationMs"] = round(i.RestoreMs), ceil(i.BilledRestoreMs)
	}
	if i.Ended {
		b.WriteString(i.text())
	}
	if !p.JSON {
		p.Log.Line("END RequestId: " + i.ID)
	}
	p.write("platform.report", traced(i.record(map[string]any{"requestId": i.ID, "metrics": metrics}), i.TraceID), b.String())
}

// instance names the function and this instance of it. The hostname is the pod's name; after a restore another pod's.
func (p Platform) instance() map[string]any {
	record := map[string]any{
		"functionName": p.Function, "functionVersion": p.Version, "runtimeVersion": p.Runtime, "instanceMaxMemory": json.Number(number(p.MemoryMB)),
	}
	if name, err := os.Hostname(); err == nil {
		record["instanceId"] = name
	}
	return record
}

// traced adds the trace that an invocation belongs to.
func traced(record map[string]any, traceID string) map[string]any {
	if traceID != "" {
		record["tracing"] = map[string]any{"type": "X-Amzn-Trace-Id", "value": traceID}
	}
	return record
}

// write writes one event in the function's format; an event without text is not for people.
func (p Platform) write(kind string, record map[string]any, text string) {
	if p.JSON {
		b, err := json.Marshal(map[string]any{"time": now(), "type": kind, "record": record})
		if err == nil {
			p.Log.Line(string(b))
		}
	} else if text != "" {
		p.Log.Line(text)
	}
}

// now is the wall clock's time, which is right at once after a restore.
func now() string { return time.Now().UTC().Format("2006-01-02T15:04:05.000Z") }

func ceil(ms float64) int { return int(math.Ceil(ms)) }

func round(ms float64) float64 { return math.Round(ms*1000) / 1000 }

// number is a JSON number whatever the environment says.
func number(s string) string {
	if s == "" || strings.Trim(s, "0123456789") != "" {
		return "0"
	}
	return s
}
