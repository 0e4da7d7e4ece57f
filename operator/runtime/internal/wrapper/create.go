package wrapper

import (
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"

	"thaw.dev/runtime/internal/contract"
	"thaw.dev/runtime/internal/oci"
	"thaw.dev/runtime/internal/podip"
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
	if err := m.checkSecrets(pod.Namespace); err != nil {
		m.report.Code = contract.MissingSecret
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

// checkSecrets refuses a container whose Secrets are not there. The pod names them as optional, for the kubelet would wait for one
// without telling those who wait for the pod; of one that is missing it mounts an empty folder.
func (m *making) checkSecrets(namespace string) error {
	for _, s := range m.grant.Secrets {
		// Keys never begin with two dots, what the kubelet keeps beside them does.
		files, _ := os.ReadDir(m.spec.MountSource(s.MountPath))
		if !slices.ContainsFunc(files, func(f os.DirEntry) bool { return !strings.HasPrefix(f.Name(), "..") }) {
			return fmt.Errorf("Secret %s, which spec.secrets mounts at %s, does not exist in namespace %s or is empty: create it, or make it optional", s.SecretName, s.MountPath, namespace)
		}
	}
	return nil
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
		record := contract.Record{PodUID: m.report.PodUID, Restored: state == contract.Restored}
		if m.grant.Role == "init" {
			record.InitPID = m.report.PID
		}
		err = m.Node.WriteRecord(m.c.ID, record)
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
		e.KillOne = true
	}
	text, err := m.spec.Apply(e)
	if err != nil {
		return err
	}
	return m.spec.WriteConfig(text)
}
