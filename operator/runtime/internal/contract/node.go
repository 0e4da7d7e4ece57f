// Package contract holds what thaw-runc shares with the node agent: paths, grants and reports, as
// hack/design/0001-node-contract.md fixes them.
package contract

import (
	"os"
	"path/filepath"
)

// Node is the node's file system as the contract lays it out. The zero value is a real node; tests move it
// to a folder of their own, where files belong to whoever runs them.
type Node struct {
	Root  string
	Owner uint32
}

// Paths of the agent.

func (n Node) GrantFile(uid string) string { return n.path("/run/thaw/grants/", uid+".json") }
func (n Node) PodDir(uid string) string    { return n.path("/run/thaw/pods/", uid) }
func (n Node) SnapshotsDir() string        { return n.path("/var/lib/thaw/snapshots") }
func (n Node) CodeDir() string             { return n.path("/var/lib/thaw/code") }
func (n Node) PodsDir() string             { return n.path("/run/thaw/pods") }
func (n Node) InitBinary() string          { return n.path("/opt/thaw/bin/thaw-init") }
func (n Node) CRIUConfig() string          { return n.path("/opt/thaw/etc/criu.conf") }
func (n Node) RuncFile() string            { return n.path("/opt/thaw/etc/runc") }

// Paths of thaw-runc.

func (n Node) ReportFile(uid string) string { return n.path("/run/thaw/reports/", uid+".json") }
func (n Node) ImagesDir(uid string) string  { return n.path("/var/lib/thaw/tmp", "restore-"+uid) }
func (n Node) WorkDir(uid string) string    { return n.path("/run/thaw/work/", uid) }
func (n Node) RecordFile(container string) string {
	return n.path("/run/thaw/work/by-container/", container)
}

func (n Node) path(parts ...string) string {
	return filepath.Join(append([]string{n.Root}, parts...)...)
}

// writeFile replaces a file in one step, readable by root alone: a reader sees the old content or the new.
func writeFile(path string, data []byte) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	f, err := os.CreateTemp(filepath.Dir(path), ".tmp-*") // 0600
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	if e := f.Close(); err == nil {
		err = e
	}
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		os.Remove(f.Name())
	}
	return err
}
