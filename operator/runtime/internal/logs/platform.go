package logs

import (
	"encoding/json"
	"fmt"
	"math"
	"strings"
	"time"
)

// Platform writes the lines that Lambda writes about a function, as text, or as JSON events when the function's log
// format is JSON.
type Platform struct {
	Log      *Log
	JSON     bool
	Version  string // the function's
	Runtime  string
	InitType string
	MemoryMB string
}

// Invocation is what REPORT says.
type Invocation struct {
	ID        string
	Duration  time.Duration
	MaxMemMB  int
	InitMs    float64 // of a cold start; 0 leaves it out
	RestoreMs float64 // of a restore; 0 leaves it out
	Status    string  // success, error (the function's own), failure (the process ended), timeout
	ErrorType string
}

func (p Platform) InitStart() {
	p.write("platform.initStart", map[string]any{"initializationType": p.InitType, "runtimeVersion": p.Runtime, "functionVersion": p.Version},
		"INIT_START Runtime Version: "+p.Runtime+"\tInitialization Type: "+p.InitType)
}

// InitDone says how the initialisation went. As on Lambda, a good one has a line of its own only among the events.
func (p Platform) InitDone(ms float64, errorType string) {
	record := map[string]any{"initializationType": p.InitType, "phase": "init", "status": "success", "metrics": map[string]any{"durationMs": round(ms)}}
	text := ""
	if errorType != "" {
		record["status"], record["errorType"] = "error", errorType
		text = fmt.Sprintf("INIT_REPORT Init Duration: %.2f ms\tPhase: init\tStatus: error\tError Type: %s", ms, errorType)
	}
	p.write("platform.initReport", record, text)
}

func (p Platform) RestoreStart() {
	p.write("platform.restoreStart", map[string]any{"runtimeVersion": p.Runtime, "functionVersion": p.Version}, "RESTORE_START Runtime Version: "+p.Runtime)
}

// RestoreDone says how the after-restore hooks went.
func (p Platform) RestoreDone(ms float64, errorType string) {
	record := map[string]any{"status": "success"}
	text := fmt.Sprintf("RESTORE_REPORT Restore Duration: %.2f ms", ms)
	if errorType != "" {
		record["status"], record["errorType"] = "error", errorType
		text += "\tStatus: error\tError Type: " + errorType
	}
	p.write("platform.restoreRuntimeDone", record, "")
	report := map[string]any{"metrics": map[string]any{"durationMs": round(ms)}}
	for k, v := range record {
		report[k] = v
	}
	p.write("platform.restoreReport", report, text)
}

func (p Platform) Start(id string) {
	p.write("platform.start", map[string]any{"requestId": id, "version": p.Version}, "START RequestId: "+id+" Version: "+p.Version)
}

// Note is a line about an invocation that has no event of its own, such as that it timed out.
func (p Platform) Note(id, text string) {
	if !p.JSON {
		p.Log.Line(time.Now().UTC().Format("2006-01-02T15:04:05.000Z") + " " + id + " " + text)
	}
}

// Report ends an invocation.
func (p Platform) Report(i Invocation) {
	ms := float64(i.Duration.Nanoseconds()) / 1e6
	metrics := map[string]any{"durationMs": round(ms), "billedDurationMs": int(math.Ceil(ms)), "memorySizeMB": json.Number(number(p.MemoryMB)), "maxMemoryUsedMB": i.MaxMemMB}
	var b strings.Builder
	fmt.Fprintf(&b, "REPORT RequestId: %s\tDuration: %.2f ms\tBilled Duration: %d ms\tMemory Size: %s MB\tMax Memory Used: %d MB", i.ID, ms, int(math.Ceil(ms)), number(p.MemoryMB), i.MaxMemMB)
	if i.InitMs > 0 {
		fmt.Fprintf(&b, "\tInit Duration: %.2f ms", i.InitMs)
		metrics["initDurationMs"] = round(i.InitMs)
	}
	if i.RestoreMs > 0 {
		fmt.Fprintf(&b, "\tRestore Duration: %.2f ms\tBilled Restore Duration: %d ms", i.RestoreMs, int(math.Ceil(i.RestoreMs)))
		metrics["restoreDurationMs"], metrics["billedRestoreDurationMs"] = round(i.RestoreMs), int(math.Ceil(i.RestoreMs))
	}
	record := map[string]any{"requestId": i.ID, "metrics": metrics, "status": i.Status}
	if i.ErrorType != "" {
		record["errorType"] = i.ErrorType
	}
	switch i.Status {
	case "timeout":
		b.WriteString("\tStatus: timeout")
	case "failure":
		b.WriteString("\tStatus: error\tError Type: " + i.ErrorType)
	}
	if !p.JSON {
		p.Log.Line("END RequestId: " + i.ID)
	}
	p.write("platform.report", record, b.String())
}

// write writes one event in the function's format; an event without text is not for people.
func (p Platform) write(kind string, record map[string]any, text string) {
	if p.JSON {
		b, err := json.Marshal(map[string]any{"time": time.Now().UTC().Format("2006-01-02T15:04:05.000Z"), "type": kind, "record": record})
		if err == nil {
			p.Log.Line(string(b))
		}
	} else if text != "" {
		p.Log.Line(text)
	}
}

func round(ms float64) float64 { return math.Round(ms*1000) / 1000 }

// number is a JSON number whatever the environment says.
func number(s string) string {
	if s == "" || strings.Trim(s, "0123456789") != "" {
		return "0"
	}
	return s
}
