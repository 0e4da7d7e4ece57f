package wrapper

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"

	"thaw.dev/runtime/internal/contract"
	"thaw.dev/runtime/internal/criulog"
	"thaw.dev/runtime/internal/oci"
)

// start answers for a restored container, which runs since its create, that it was started; once.
func (w *Wrapper) start(c oci.Command) error {
	rec, ok := w.Node.ReadRecord(c.ID)
	if !ok || rec.Sandbox {
		return w.passthrough(c)
	}
	if rec.Restored {
		rec.Restored = false
		return w.Node.WriteRecord(c.ID, rec)
	}
	if err := w.run("start", c.Args); err != nil {
		return quiet(err)
	}
	r, err := w.Node.ReadReport(rec.PodUID)
	if err != nil || r.ContainerID != c.ID || r.State != contract.Created {
		return nil // the agent has let go of this pod, or the container was restored: nobody waits to hear of it
	}
	r.State = contract.Started
	return w.Node.WriteReport(r)
}

// checkpoint dumps with what a Lambda runtime needs, its connection to thaw-init above all; containerd asks for neither.
// containerd deletes CRIU's work folder, so the log is copied to where the agent finds it.
func (w *Wrapper) checkpoint(c oci.Command) error {
	rec, ok := w.Node.ReadRecord(c.ID)
	if !ok || rec.Sandbox {
		return w.passthrough(c)
	}
	work := w.Node.WorkDir(rec.PodUID)
	if err := os.MkdirAll(work, 0o700); err != nil {
		return err
	}
	args := append(append([]string{}, c.Global...), c.Name)
	for _, flag := range []string{"tcp-established", "file-locks"} {
		if _, ok := c.Flag(flag); !ok {
			args = append(args, "--"+flag)
		}
	}
	at, ok := c.Flag("work-path")
	if !ok {
		at = work
		args = append(args, "--work-path", at)
	}
	if err := w.disconnect(rec); err != nil {
		return err
	}
	var said bytes.Buffer
	err := w.runTo(&said, "checkpoint", append(args, c.Rest...), unwatched)
	kept := filepath.Join(work, "dump.log")
	if at != work {
		copyFile(filepath.Join(at, "dump.log"), kept)
	}
	if err == nil {
		os.Stderr.Write(said.Bytes())
		return nil
	}
	// Of all that is said on failure, containerd tells the kubelet the first line.
	if cause := criulog.Cause(kept); cause != "" {
		report(c, errors.New(cause))
	}
	os.Stderr.Write(said.Bytes())
	return quiet(err)
}

// disconnect ends the connections of a container that is snapshotted: a restore could not bind their addresses, which
// are another pod's by then. The agent hears of them.
func (w *Wrapper) disconnect(rec contract.Record) error {
	if rec.InitPID == 0 {
		return nil
	}
	ended, err := w.Disconnect(rec.InitPID)
	if err != nil {
		return fmt.Errorf("the function's connections cannot be ended: %w", err)
	}
	r, err := w.Node.ReadReport(rec.PodUID)
	if err != nil || len(ended) == 0 {
		return nil // the agent has let go of this pod, or there is nothing to tell
	}
	r.ClosedConnections = ended
	return w.Node.WriteReport(r)
}

// delete removes the container and then what Thaw knows of it. A report of failure stays until the pod is gone: containerd
// deletes a container that failed at once, before anybody has asked.
func (w *Wrapper) delete(c oci.Command) error {
	rec, ok := w.Node.ReadRecord(c.ID)
	if !ok {
		return w.passthrough(c)
	}
	if err := w.run("delete", c.Args); err != nil {
		return quiet(err)
	}
	r, err := w.Node.ReadReport(rec.PodUID)
	if rec.Sandbox || err == nil && r.ContainerID == c.ID && r.State != contract.Failed {
		os.Remove(w.Node.ReportFile(rec.PodUID))
		if err := w.clearWork(rec.PodUID); err != nil {
			report(c, err) // the container is deleted all the same; its pod must not hang for a folder
		}
		os.RemoveAll(w.Node.ImagesDir(rec.PodUID)) // of a restore in which we were killed
	}
	os.Remove(w.Node.RecordFile(c.ID))
	return nil
}

func quiet(err error) error {
	if e, ok := err.(runcError); ok {
		e.quiet = true
		return e
	}
	return err
}

// quietly runs runc for its effect alone.
func (w *Wrapper) quietly(args []string) { exec.Command(w.Runc, args...).Run() }

func copyFile(from, to string) {
	in, err := os.Open(from)
	if err != nil {
		return
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
	if err != nil {
		return
	}
	defer out.Close()
	io.Copy(out, in)
}
