package contract

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"time"
)

// Grant is the agent's word for one pod: what thaw-runc may do for it.
type Grant struct {
	PodUID       string `json:"podUID"`
	Namespace    string `json:"namespace"`
	Name         string `json:"name"`
	Container    string `json:"container"`
	Role         string `json:"role"`
	Wrap         bool   `json:"wrap"`
	CodeDir      string `json:"codeDir"`
	SnapshotDir  string `json:"snapshotDir"`
	ColdFallback bool   `json:"coldFallback"`
	// Secrets are those without which the container is not started.
	Secrets []NeededSecret `json:"secrets"`
}

// NeededSecret is a Secret that the pod mounts.
type NeededSecret struct {
	SecretName string `json:"secretName"`
	MountPath  string `json:"mountPath"`
}

// Pod is who a container says it is: containerd's annotations on the bundle, which a pod's author cannot write.
type Pod struct {
	UID, Namespace, Name, Container string
}

// ErrNoGrant is what a pod gets that nobody entitled to has asked for.
var ErrNoGrant = errors.New("no grant")

// grantPoll is how often WaitGrant looks. The agent usually writes the grant while the sandbox is being made, so that
// the first look finds it; when not, this is the most that is lost. A stat of a tmpfs costs about a microsecond.
const grantPoll = 2 * time.Millisecond

// WaitGrant waits for the pod's grant and reads it. The folder belongs to root alone, and the grant is renamed into
// place, so that what is there is whole.
func (n Node) WaitGrant(uid string, limit time.Duration) (Grant, error) {
	if !ValidUID(uid) {
		return Grant{}, fmt.Errorf("%w: %q is not a pod's UID", ErrNoGrant, uid)
	}
	for deadline := time.Now().Add(limit); ; time.Sleep(grantPoll) {
		b, err := n.readOwned(n.GrantFile(uid))
		if errors.Is(err, fs.ErrNotExist) {
			if time.Now().Before(deadline) {
				continue
			}
			return Grant{}, fmt.Errorf("%w for pod %s after %s: the Thaw agent of this node has not been asked for it, or does not run", ErrNoGrant, uid, limit)
		}
		if err != nil {
			return Grant{}, fmt.Errorf("grant: %w", err)
		}
		var g Grant
		if err := json.Unmarshal(b, &g); err != nil {
			return Grant{}, fmt.Errorf("grant of pod %s: %w", uid, err)
		}
		return g, nil
	}
}

// Check compares a grant with the pod it is about to serve and looks at every path it names.
func (n Node) Check(g Grant, p Pod) error {
	for _, same := range []struct{ what, granted, is string }{
		{"UID", g.PodUID, p.UID}, {"namespace", g.Namespace, p.Namespace}, {"name", g.Name, p.Name}, {"container", g.Container, p.Container},
	} {
		if same.granted != same.is {
			return fmt.Errorf("grant: its pod's %s is %q, this one's is %q", same.what, same.granted, same.is)
		}
	}
	if g.Role != "init" && g.Role != "instance" {
		return fmt.Errorf("grant: unknown role %q", g.Role)
	}
	if g.CodeDir != "" {
		if err := n.CheckDir(n.CodeDir(), g.CodeDir); err != nil {
			return fmt.Errorf("grant: codeDir: %w", err)
		}
	}
	if g.Wrap {
		if err := n.CheckDir(n.PodsDir(), n.PodDir(g.PodUID)); err != nil {
			return fmt.Errorf("grant: pod folder: %w", err)
		}
	}
	return nil
}
