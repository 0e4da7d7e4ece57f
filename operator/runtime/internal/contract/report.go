package contract

import (
	"encoding/json"
	"time"
)

// What became of a container.
const (
	Created  = "created"
	Started  = "started"
	Restored = "restored"
	Failed   = "failed"
)

// MissingSecret is the code of a failure that ends when somebody creates a Secret.
const MissingSecret = "MissingSecret"

// Report is thaw-runc's word to the agent about a granted pod's container.
type Report struct {
	PodUID       string  `json:"podUID"`
	ContainerID  string  `json:"containerID"`
	State        string  `json:"state"`
	PID          int     `json:"pid"`
	IP           string  `json:"ip"`
	RestoreMs    float64 `json:"restoreMs"`
	RestoreError string  `json:"restoreError"`
	Code         string  `json:"code,omitempty"`
	At           int64   `json:"at"`
	// ClosedConnections names what was ended for the container's checkpoint.
	ClosedConnections []string `json:"closedConnections,omitempty"`
}

// WriteReport stamps and writes a report.
func (n Node) WriteReport(r Report) error {
	r.At = time.Now().UnixMilli()
	b, err := json.Marshal(r)
	if err != nil {
		return err
	}
	return writeFile(n.ReportFile(r.PodUID), b)
}

// ReadReport reads a pod's report.
func (n Node) ReadReport(uid string) (Report, error) {
	var r Report
	b, err := n.readOwned(n.ReportFile(uid))
	if err == nil {
		err = json.Unmarshal(b, &r)
	}
	return r, err
}

// Record is what thaw-runc remembers of a container between its own runs: runc's later commands name only the container.
type Record struct {
	PodUID   string `json:"podUID"`
	Sandbox  bool   `json:"sandbox,omitempty"`
	Restored bool   `json:"restored,omitempty"` // and not yet started, as far as containerd knows
	InitPID  int    `json:"initPid,omitempty"`  // of a container that will be snapshotted
}

// WriteRecord remembers a container.
func (n Node) WriteRecord(container string, r Record) error {
	b, err := json.Marshal(r)
	if err != nil {
		return err
	}
	return writeFile(n.RecordFile(container), b)
}

// ReadRecord recalls a container; false when it is none of ours.
func (n Node) ReadRecord(container string) (Record, bool) {
	var r Record
	if !ValidContainerID(container) {
		return r, false
	}
	b, err := n.readOwned(n.RecordFile(container))
	if err != nil || json.Unmarshal(b, &r) != nil || !ValidUID(r.PodUID) {
		return Record{}, false
	}
	return r, true
}
