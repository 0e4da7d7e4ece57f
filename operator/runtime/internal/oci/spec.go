package oci

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
)

// Spec is a bundle's config.json. What Thaw does not edit stays the bytes it was: this program is older than the next
// containerd, and a field it has not heard of may be the one that confines the container.
type Spec struct {
	fields      map[string]json.RawMessage
	Annotations map[string]string
	mounts      []json.RawMessage
	targets     []string
	sources     map[string]string
	rootPath    string
	bundle      string
}

// ReadSpec reads a bundle's config.json.
func ReadSpec(bundle string) (*Spec, error) {
	b, err := os.ReadFile(filepath.Join(bundle, "config.json"))
	if err != nil {
		return nil, err
	}
	s, err := ParseSpec(b)
	if err != nil {
		return nil, fmt.Errorf("%s/config.json: %w", bundle, err)
	}
	s.bundle = bundle
	return s, nil
}

// ParseSpec parses the text of a config.json.
func ParseSpec(b []byte) (*Spec, error) {
	s := &Spec{sources: map[string]string{}}
	if err := json.Unmarshal(b, &s.fields); err != nil {
		return nil, err
	}
	var root struct {
		Path string `json:"path"`
	}
	for name, into := range map[string]any{"annotations": &s.Annotations, "mounts": &s.mounts, "root": &root} {
		if raw, ok := s.fields[name]; ok {
			if err := json.Unmarshal(raw, into); err != nil {
				return nil, fmt.Errorf("%s: %w", name, err)
			}
		}
	}
	for _, m := range s.mounts {
		var at struct {
			Destination string `json:"destination"`
			Source      string `json:"source"`
		}
		if err := json.Unmarshal(m, &at); err != nil {
			return nil, fmt.Errorf("mounts: %w", err)
		}
		target := filepath.Clean("/" + at.Destination)
		s.targets = append(s.targets, target)
		s.sources[target] = at.Source
	}
	s.rootPath = root.Path
	return s, nil
}

// Rootfs is the container's root folder on the node.
func (s *Spec) Rootfs() string {
	if filepath.IsAbs(s.rootPath) {
		return s.rootPath
	}
	return filepath.Join(s.bundle, s.rootPath)
}

// MountTargets is every mount's place in the container.
func (s *Spec) MountTargets() []string { return s.targets }

// MountSource is what is mounted at a place in the container; empty when nothing is.
func (s *Spec) MountSource(target string) string { return s.sources[target] }

// Edit is what Thaw changes in a container's spec.
type Edit struct {
	Annotations map[string]string
	Binds       []Bind
	ArgsPrefix  []string
	// KillOne has the kernel kill one process when the container's memory is used up, where the kubelet would have it kill
	// all (memory.oom.group of cgroup v2): pid 1 must live to tell what happened.
	KillOne bool
}

// Bind is a read-only bind mount of a path of the node.
type Bind struct{ Source, Target string }

// mount carries a Bind in the words of the OCI specification. No write, no devices, no setuid: the source is shared by clones.
type mount struct {
	Destination string   `json:"destination"`
	Type        string   `json:"type"`
	Source      string   `json:"source"`
	Options     []string `json:"options"`
}

// Apply gives the edited text of the spec and leaves the spec as it is, so that a failed restore can be followed by
// another edit of the same original.
func (s *Spec) Apply(e Edit) ([]byte, error) {
	out := make(map[string]json.RawMessage, len(s.fields)+2)
	for k, v := range s.fields {
		out[k] = v
	}
	if len(e.Annotations) > 0 {
		all := map[string]string{}
		for _, from := range []map[string]string{s.Annotations, e.Annotations} {
			for k, v := range from {
				all[k] = v
			}
		}
		out["annotations"] = encode(all)
	}
	if len(e.Binds) > 0 {
		mounts := append([]json.RawMessage{}, s.mounts...)
		for _, b := range e.Binds {
			for _, taken := range s.targets {
				if taken == b.Target {
					return nil, fmt.Errorf("the pod mounts something at %s, which Thaw needs", taken)
				}
			}
			mounts = append(mounts, encode(mount{b.Target, "bind", b.Source, []string{"rbind", "rprivate", "ro", "nosuid", "nodev"}}))
		}
		out["mounts"] = encode(mounts)
	}
	if len(e.ArgsPrefix) > 0 {
		var process map[string]json.RawMessage
		if err := json.Unmarshal(s.fields["process"], &process); err != nil {
			return nil, fmt.Errorf("process: %w", err)
		}
		var args []string
		if err := json.Unmarshal(process["args"], &args); err != nil {
			return nil, fmt.Errorf("process.args: %w", err)
		}
		process["args"] = encode(append(append([]string{}, e.ArgsPrefix...), args...))
		out["process"] = encode(process)
	}
	if e.KillOne {
		linux, err := without(s.fields["linux"], "resources", "unified", "memory.oom.group")
		if err != nil {
			return nil, fmt.Errorf("linux: %w", err)
		}
		if linux != nil {
			out["linux"] = linux
		}
	}
	return encode(out), nil
}

// without is an object from which the value at a path was taken; what is not on the path stays the bytes it was.
func without(object json.RawMessage, path ...string) (json.RawMessage, error) {
	if object == nil {
		return nil, nil
	}
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(object, &fields); err != nil || fields == nil {
		return object, err
	}
	if len(path) == 1 {
		delete(fields, path[0])
		return encode(fields), nil
	}
	inner, err := without(fields[path[0]], path[1:]...)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path[0], err)
	}
	if inner != nil {
		fields[path[0]] = inner
	}
	return encode(fields), nil
}

// WriteConfig replaces the bundle's config.json.
func (s *Spec) WriteConfig(text []byte) error {
	path := filepath.Join(s.bundle, "config.json")
	tmp := path + ".thaw"
	if err := os.WriteFile(tmp, text, 0o600); err != nil {
		return err
	}
	return os.Rename(tmp, path)
}

// encode cannot fail: all it is given are strings and JSON that was just parsed.
func encode(v any) json.RawMessage {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		panic(err)
	}
	return bytes.TrimSpace(b.Bytes())
}
