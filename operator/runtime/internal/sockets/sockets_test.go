package sockets

import (
	"errors"
	"net"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"
	"unsafe"
)

// The test is its own container: a child in a PID and a network namespace of its own, with one address beyond loopback.
func TestMain(m *testing.M) {
	if os.Getenv("THAW_TEST_CONTAINER") != "" {
		os.Exit(container())
	}
	os.Exit(m.Run())
}

// container opens one connection of each kind, says so, and when told to go on tells what has become of them.
func container() int {
	if err := addAddress(); err != nil {
		return fail(err)
	}
	loopback, err := connected("tcp", "127.0.0.1:0")
	if err != nil {
		return fail(err)
	}
	beyond, err := connected("tcp", "192.0.2.1:0")
	if err != nil {
		return fail(err)
	}
	datagrams, err := net.Dial("udp", "192.0.2.1:53")
	if err != nil {
		return fail(err)
	}
	os.Stdout.WriteString("open\n")
	os.Stdin.Read(make([]byte, 1))
	if _, err := loopback.Write([]byte("x")); err != nil {
		return fail(err)
	}
	beyond.SetReadDeadline(time.Now().Add(5 * time.Second))
	_, read := beyond.Read(make([]byte, 1))
	_, write := beyond.Write([]byte("x"))
	for _, err := range []error{read, write} {
		if err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
			return fail(errors.New("the connection is still there"))
		}
	}
	if _, err := datagrams.Write([]byte("x")); !errors.Is(err, syscall.EDESTADDRREQ) {
		return fail(err)
	}
	return 0
}

func fail(err error) int {
	os.Stdout.WriteString("container: " + err.Error() + "\n")
	return 1
}

// connected is a connection to a listener that accepts nothing.
func connected(network, address string) (net.Conn, error) {
	l, err := net.Listen(network, address)
	if err != nil {
		return nil, err
	}
	return net.Dial(network, l.Addr().String())
}

// addAddress gives the loopback device an address that is none of loopback's, and brings it up.
func addAddress() error {
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_DGRAM, 0)
	if err != nil {
		return err
	}
	defer syscall.Close(fd)
	type request struct {
		name [syscall.IFNAMSIZ]byte
		data [24]byte
	}
	ask := func(call uintptr, name string, data ...byte) error {
		var r request
		copy(r.name[:], name)
		copy(r.data[:], data)
		if _, _, errno := syscall.Syscall(syscall.SYS_IOCTL, uintptr(fd), call, uintptr(unsafe.Pointer(&r))); errno != 0 {
			return errno
		}
		return nil
	}
	if err := ask(syscall.SIOCSIFFLAGS, "lo", syscall.IFF_UP); err != nil {
		return err
	}
	return ask(syscall.SIOCSIFADDR, "lo:1", syscall.AF_INET, 0, 0, 0, 192, 0, 2, 1)
}

func TestConnectionsBeyondLoopbackEnd(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("needs root: a network of its own")
	}
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	cmd := exec.Command("/proc/self/exe")
	cmd.Env = append(os.Environ(), "THAW_TEST_CONTAINER=1", "GODEBUG=multipathtcp=0")
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWPID | syscall.CLONE_NEWNET, Pdeathsig: syscall.SIGKILL}
	in, _ := cmd.StdinPipe()
	out, _ := cmd.StdoutPipe()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	said := make([]byte, 200)
	if n, _ := out.Read(said); string(said[:n]) != "open\n" {
		t.Fatalf("the container says %q", said[:n])
	}
	ended, err := Disconnect("/proc", cmd.Process.Pid)
	if err != nil {
		t.Fatal(err)
	}
	if len(ended) != 2 || !strings.HasPrefix(ended[0], "tcp 192.0.2.1:") || !strings.HasSuffix(ended[1], " → 192.0.2.1:53") {
		t.Errorf("ended %q", ended)
	}
	again, err := Disconnect("/proc", cmd.Process.Pid)
	if err != nil || len(again) != 0 {
		t.Errorf("a second time: %q %v", again, err)
	}
	in.Write([]byte("x"))
	rest := make([]byte, 200)
	n, _ := out.Read(rest)
	if err := cmd.Wait(); err != nil {
		t.Errorf("%v: %s", err, rest[:n])
	}
}

func TestAContainerThatIsGone(t *testing.T) {
	if _, err := Disconnect("/proc", 1<<22+1); err == nil {
		t.Error("nothing was there to disconnect, and nobody says so")
	}
}
