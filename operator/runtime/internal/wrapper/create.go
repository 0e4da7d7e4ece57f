package wrapper

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"thaw.dev/runtime/internal/contract"
	"thaw.dev/runtime/internal/criulog"
	"thaw.dev/runtime/internal/oci"
	"thaw.dev/runtime/internal/podip"
	"thaw.dev/runtime/internal/rootfs"
)

// What containerd writes into a bundle about its pod.
const (
	annotationRole      = "thaw.dev/role"
	annotationType      = "io.kubernetes.cri.container-type"
	annotationUID       = "io.kubernetes.cri.sandbox-uid"
	annotationNamespace = "io.kubernetes.cri.sandbox-namespace"
	annotationPod       = "io.kubernetes.cri.sandbox-name"
	annotationContainer = "io.kubernetes.cri.container-name"
)

// Places in a function's container.
const (
	codeTarget = "/var/task"
	initTarget = "/.thaw/thaw-init"
	podTarget  = "/.thaw/pod"
)

// create makes a container, or restores it.
func (w *Wrapper) create(c oci.Command) error {
	bundle, ok := c.Flag("bundle")
	if !ok {
		bundle = "."
	}
	spec, err := oci.ReadSpec(bundle)
	if err != nil || spec.Annotations[annotationRole] == "" || !contract.ValidContainerID(c.ID) {
		return w.passthrough(c) // runc complains better
	}
	pod := contract.Pod{
		UID: spec.Annotations[annotationUID], Namespace: spec.Annotations[annotationNamespace],
		Name: spec.Annotations[annotationPod], Container: spec.Annotations[annotationContainer],
	}
	if spec.Annotations[annotationType] != "container" {
		// Remembered so that the end of the pod takes with it what the function's container left.
		if contract.ValidUID(pod.UID) {
			if err := w.Node.WriteRecord(c.ID, contract.Record{PodUID: pod.UID, Sandbox: true}); err != nil {
				return err
			}
		}
		return w.passthrough(c)
	}
	grant, err := w.Node.WaitGrant(pod.UID, w.GrantTimeout)
	if err != nil {
		return err
	}
	if grant.Container != pod.Container {
		return w.passthrough(c)
	}
	// From here on the agent is told of every end.
	m := &making{Wrapper: w, c: c, spec: spec, bundle: bundle, grant: grant}
	m.report = contract.Report{PodUID: pod.UID, ContainerID: c.ID}
	if err := m.make(pod); err != nil {
		m.report.State = contract.Failed
		if m.report.RestoreError == "" {
			m.report.RestoreError = err.Error()
			if _, is := err.(runcError); is {
				m.report.RestoreError += ": " + lastError(c.GlobalFlag("log"))
			}
		}
		if e := w.Node.WriteReport(m.report); e != nil {
			return fmt.Errorf("%w (and no report: %v)", err, e)
		}
		return err
	}
	return nil
}

// making is one granted container on its way.
type making struct {
	*Wrapper
	c      oci.Command
	spec   *oci.Spec
	bundle string
	grant  contract.Grant
	report contract.Report
}

func (m *making) make(pod contract.Pod) error {
	if err := m.Node.Check(m.grant, pod); err != nil {
		return err
	}
	if err := os.MkdirAll(m.Node.WorkDir(pod.UID), 0o700); err != nil {
		return err
	}
	if m.grant.SnapshotDir != "" {
		err := m.restore()
		if err == nil {
			return m.done(contract.Restored)
		}
		m.report.RestoreError = err.Error()
		if !m.grant.ColdFallback {
			return fmt.Errorf("restore: %w", err)
		}
	}
	if err := m.edit(m.Node.InitBinary()); err != nil {
		return err
	}
	if err := m.run("create", m.c.Args); err != nil {
		return quiet(err)
	}
	return m.done(contract.Created)
}

// done remembers the container for the commands to come and tells the agent.
func (m *making) done(state string) error {
	pidFile, _ := m.c.Flag("pid-file")
	b, err := os.ReadFile(pidFile)
	if err == nil {
		m.report.PID, err = strconv.Atoi(strings.TrimSpace(string(b)))
	}
	if err == nil {
		m.report.IP = podip.Of(m.report.PID)
		err = m.Node.WriteRecord(m.c.ID, contract.Record{PodUID: m.report.PodUID, Restored: state == contract.Restored})
	}
	if err == nil {
		m.report.State = state
		err = m.Node.WriteReport(m.report)
	}
	if err != nil {
		// A container that nobody will start or hear of must not stay.
		m.discard()
	}
	return err
}

// edit gives the bundle what the grant says, with the given thaw-init.
func (m *making) edit(initBinary string) error {
	e := oci.Edit{Annotations: map[string]string{"org.criu.config": m.Node.CRIUConfig()}}
	if m.grant.CodeDir != "" {
		e.Binds = append(e.Binds, oci.Bind{Source: m.grant.CodeDir, Target: codeTarget})
	}
	if m.grant.Wrap {
		e.Binds = append(e.Binds, oci.Bind{Source: initBinary, Target: initTarget}, oci.Bind{Source: m.Node.PodDir(m.grant.PodUID), Target: podTarget})
		e.ArgsPrefix = []string{initTarget}
	}
	text, err := m.spec.Apply(e)
	if err != nil {
		return err
	}
	return m.spec.WriteConfig(text)
}

// restore makes the container of its snapshot. After an error nothing is left of it but files that the diff changed.
func (m *making) restore() error {
	snapshot, err := m.Node.OpenSnapshot(m.grant.SnapshotDir)
	if err != nil {
		return err
	}
	// The program that CRIU maps again must be the one that it dumped, which an update of Thaw replaces on the node.
	initBinary := snapshot.Init
	if initBinary == "" {
		initBinary = m.Node.InitBinary()
	}
	if err := m.edit(initBinary); err != nil {
		return err
	}
	begin := time.Now()
	if snapshot.Diff != "" {
		diff, err := rootfs.Unpack(snapshot.Diff, m.spec.Rootfs(), m.mountTargets())
		defer diff.Close()
		if err != nil {
			diff.Undo()
			return err
		}
		if err := m.runRestore(snapshot.Images); err != nil {
			diff.Undo()
			return err
		}
	} else if err := m.runRestore(snapshot.Images); err != nil {
		return err
	}
	m.report.RestoreMs = float64(time.Since(begin).Microseconds()) / 1000
	return nil
}

func (m *making) mountTargets() []string {
	return append([]string{codeTarget, "/.thaw"}, m.spec.MountTargets()...)
}

// runRestore runs `runc restore`; its error is CRIU's line that matters. runc's log is kept beside CRIU's: an error in
// containerd's log would be shown as the reason of whatever fails later.
func (m *making) runRestore(images string) error {
	work := m.Node.WorkDir(m.grant.PodUID)
	criuLog, runcLog := filepath.Join(work, "restore.log"), filepath.Join(work, "runc.log")
	os.Remove(criuLog)
	os.Remove(runcLog)
	args := append(m.c.GlobalWithLog(runcLog), "restore", "--detach", "--no-subreaper", "--tcp-established", "--file-locks",
		"--bundle", m.bundle, "--image-path", images, "--work-path", work)
	for _, flag := range []string{"pid-file", "console-socket"} {
		if v, ok := m.c.Flag(flag); ok {
			args = append(args, "--"+flag, v)
		}
	}
	if _, ok := m.c.Flag("no-pivot"); ok {
		args = append(args, "--no-pivot")
	}
	err := m.run("restore", append(args, m.c.ID))
	if err == nil {
		return nil
	}
	m.discard()
	for _, cause := range []string{criulog.Cause(criuLog), lastError(runcLog)} {
		if cause != "" {
			return fmt.Errorf("%s", cause)
		}
	}
	return err
}

// discard removes what is left of a container that did not come to be. Usually runc has done so, and says that there is none.
func (m *making) discard() {
	log := filepath.Join(m.Node.WorkDir(m.grant.PodUID), "delete.log")
	m.quietly(append(m.c.GlobalWithLog(log), "delete", "--force", m.c.ID))
	if pidFile, ok := m.c.Flag("pid-file"); ok {
		os.Remove(pidFile)
	}
}
