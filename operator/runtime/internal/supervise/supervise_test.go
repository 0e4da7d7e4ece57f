package supervise

import (
	"encoding/json"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"strings"
	"syscall"
	"testing"
	"time"

	"thaw.dev/runtime/internal/runtimeapi"
)

func TestEnvironment(t *testing.T) {
	env := []string{"PATH=/bin", "AWS_ACCESS_KEY_ID=a", "AWS_SECRET_ACCESS_KEY=b", "AWS_SESSION_TOKEN=c", "AWS_LAMBDA_RUNTIME_API=evil", "_LAMBDA_TELEMETRY_LOG_FD=3",
		"AWS_CONTAINER_CREDENTIALS_RELATIVE_URI=/evil", "AWS_CONTAINER_CREDENTIALS_FULL_URI=http://evil", "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE=/evil", "AWS_ACCESS_KEY_IDS=x"}
	want := []string{"PATH=/bin", "AWS_ACCESS_KEY_IDS=x", "AWS_LAMBDA_RUNTIME_API=here", "AWS_CONTAINER_CREDENTIALS_FULL_URI=http://here/c", "AWS_CONTAINER_AUTHORIZATION_TOKEN=t"}
	if got := environment(env, "here", "http://here/c", "t"); !reflect.DeepEqual(got, want) {
		t.Errorf("%q", got)
	}
}

func TestTerminationMessageFits(t *testing.T) {
	long := runtimeapi.Failure{Type: "ValueError", Message: strings.Repeat("é\n", 9000), Stack: []string{strings.Repeat("x", 3000), strings.Repeat("y", 3000)}}
	b := terminationMessage(long)
	var f runtimeapi.Failure
	if err := json.Unmarshal(b, &f); err != nil || len(b) > terminationLimit || f.Type != "ValueError" || f.Message == "" {
		t.Errorf("%d bytes: %v", len(b), err)
	}
	long.Message = "short"
	if json.Unmarshal(terminationMessage(long), &f); f.Message != "short" || len(f.Stack) != 1 {
		t.Errorf("%d frames of the stack", len(f.Stack))
	}
}

// TestMain lets the test be the program under supervision: as thaw-init itself, in a process of its own, it would reap the
// test's children.
func TestMain(m *testing.M) {
	if os.Getenv("THAW_TEST_INIT") == "" {
		os.Exit(m.Run())
	}
	os.Exit(Supervisor{
		Environ: os.Environ(), TokenFile: os.Getenv("TOKEN_FILE"), TerminationFile: os.Getenv("TERMINATION_FILE"),
		CredentialsFile: os.Getenv("CREDENTIALS") + ".json", CredentialsDir: os.Getenv("CREDENTIALS"), RuntimeAddress: "127.0.0.1:0",
		ControlAddress: os.Getenv("CONTROL"), RestoreLimit: time.Second, Linger: 300 * time.Millisecond,
	}.Run(os.Args[1:]))
}

type initProcess struct {
	*testing.T
	cmd         *exec.Cmd
	out         strings.Builder
	url         string
	termination string
	credentials string
}

// startInit runs thaw-init with a program, in snap-start unless env says otherwise.
func startInit(t *testing.T, env []string, args ...string) *initProcess {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	control := l.Addr().String()
	l.Close()
	dir := t.TempDir()
	p := &initProcess{T: t, url: "http://" + control + "/v1/", termination: dir + "/termination", credentials: dir + "/credentials"}
	os.WriteFile(dir+"/token", []byte("secret"), 0o600)
	os.WriteFile(p.termination, nil, 0o600)
	p.cmd = exec.Command("/proc/self/exe", args...)
	p.cmd.Env = append(append(os.Environ(), "THAW_TEST_INIT=1", "TOKEN_FILE="+dir+"/token", "TERMINATION_FILE="+p.termination, "CONTROL="+control, "CREDENTIALS="+dir+"/credentials",
		"AWS_LAMBDA_INITIALIZATION_TYPE=snap-start", "AWS_LAMBDA_FUNCTION_MEMORY_SIZE=256", "AWS_ACCESS_KEY_ID=AKIA"), env...)
	p.cmd.Stdout, p.cmd.Stderr = &p.out, &p.out
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.cmd.Process.Kill() })
	return p
}

func (p *initProcess) call(method, path, body string, headers ...string) (int, string) {
	deadline := time.Now().Add(10 * time.Second)
	for {
		r, _ := http.NewRequest(method, p.url+path, strings.NewReader(body))
		r.Header.Set("Authorization", "Bearer secret")
		r.Header.Set("Thaw-Request-Id", "r1")
		for i := 0; i < len(headers); i += 2 {
			r.Header.Set(headers[i], headers[i+1])
		}
		res, err := http.DefaultClient.Do(r)
		if err != nil && time.Now().Before(deadline) && strings.Contains(err.Error(), "refused") && p.cmd.ProcessState == nil {
			time.Sleep(5 * time.Millisecond)
			continue
		}
		if err != nil {
			return 0, err.Error()
		}
		defer res.Body.Close()
		b, _ := io.ReadAll(res.Body)
		return res.StatusCode, string(b) + res.Header.Get("Thaw-Instance")
	}
}

// ends waits for thaw-init and gives its exit code.
func (p *initProcess) ends() int {
	p.Helper()
	timer := time.AfterFunc(10*time.Second, func() { p.cmd.Process.Kill() })
	defer timer.Stop()
	p.cmd.Wait()
	return p.cmd.ProcessState.ExitCode()
}

func (p *initProcess) reason() (f runtimeapi.Failure) {
	b, _ := os.ReadFile(p.termination)
	json.Unmarshal(b, &f)
	return f
}

func TestAProgramThatEndsInInit(t *testing.T) {
	p := startInit(t, nil, "sh", "-c", "echo going; echo oh no >&2; exit 7")
	if status, state := p.call("GET", "state?wait=5", ""); status != 200 || !strings.Contains(state, `"phase":"failed"`) || !strings.Contains(state, "oh no") {
		t.Errorf("%d %s", status, state)
	}
	if code := p.ends(); code != 1 {
		t.Error(code)
	}
	if f := p.reason(); f.Type != "Runtime.ExitError" || !strings.Contains(f.Message, "exit status 7\n") || !strings.Contains(f.Message, "oh no") {
		t.Errorf("%+v", f)
	}
	if out := p.out.String(); !strings.Contains(out, "going\n") || !strings.Contains(out, "oh no\n") || !strings.Contains(out, "INIT_START") {
		t.Error(out)
	}
}

func TestAProgramThatIsNotThere(t *testing.T) {
	p := startInit(t, nil, "/no/such/program")
	if code := p.ends(); code != 1 || p.reason().Type != "Runtime.InvalidEntrypoint" {
		t.Errorf("%d %+v", code, p.reason())
	}
}

func TestSigterm(t *testing.T) {
	file := filepath.Join(t.TempDir(), "asked")
	p := startInit(t, nil, "sh", "-c", `trap "echo yes > `+file+`; exit 3" TERM; echo up; while :; do sleep 0.05; done`)
	for deadline := time.Now().Add(5 * time.Second); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		if _, state := p.call("GET", "state", ""); strings.Contains(state, "init") {
			break
		}
	}
	time.Sleep(100 * time.Millisecond) // the trap is set
	p.cmd.Process.Signal(syscall.SIGTERM)
	if code := p.ends(); code != 0 {
		t.Errorf("exit code %d\n%s", code, p.out.String())
	}
	if b, _ := os.ReadFile(file); string(b) != "yes\n" {
		t.Error("the program was not asked to end")
	}
	if p.reason().Type != "" {
		t.Errorf("%+v", p.reason())
	}
}

func TestTheKernelWouldKillTheProgramFirst(t *testing.T) {
	p := startInit(t, nil, "sh", "-c", "echo adj $(cat /proc/self/oom_score_adj) $(cat /proc/$PPID/oom_score_adj); exit 1")
	p.ends()
	before, _ := os.ReadFile(oomScore)
	if !strings.Contains(p.out.String(), "adj 1000 "+string(before)) {
		t.Error(p.out.String())
	}
}

func TestOutputIsBlockingForTheProgram(t *testing.T) {
	p := startInit(t, nil, "sh", "-c", `grep flags /proc/self/fdinfo/1; exit 1`)
	p.ends()
	var flags int
	for line := range strings.Lines(p.out.String()) {
		if v, ok := strings.CutPrefix(line, "flags:"); ok {
			for _, c := range strings.TrimSpace(v) {
				flags = flags*8 + int(c-'0')
			}
		}
	}
	if flags == 0 || flags&syscall.O_NONBLOCK != 0 {
		t.Errorf("flags %o in %s", flags, p.out.String())
	}
}

const pythonFunction = `
import os, sys, time
from snapshot_restore_py import register_before_snapshot, register_after_restore
if os.environ.get("BROKEN"): raise ImportError("no database driver")
done = []
@register_before_snapshot
def before(): done.append("before")
@register_after_restore
def after():
    if os.environ.get("BAD_HOOK"): raise KeyError("db")
    if os.environ.get("SLOW_HOOK"): time.sleep(30)
    done.append("after")
def handler(event, context):
    print("hello", event)
    if "exit" in event: os._exit(event["exit"])
    if "raise" in event: raise ValueError(event["raise"])
    if "sleep" in event: time.sleep(event["sleep"])
    if "size" in event: return "x" * event["size"]
    return {"done": done, "key": os.environ.get("AWS_ACCESS_KEY_ID"), "id": context.aws_request_id}
`

// lambdaFunction runs a function with the real awslambdaric. THAW_TEST_RIC names a Python that has it.
func lambdaFunction(t *testing.T, source string, env ...string) *initProcess {
	t.Helper()
	python := os.Getenv("THAW_TEST_RIC")
	if python == "" {
		t.Skip("THAW_TEST_RIC names no Python with awslambdaric")
	}
	dir := t.TempDir()
	os.WriteFile(dir+"/app.py", []byte(source), 0o600)
	env = append(env, "PYTHONPATH="+dir, "LAMBDA_TASK_ROOT="+dir, "_HANDLER=app.handler", "AWS_LAMBDA_FUNCTION_NAME=f", "AWS_LAMBDA_FUNCTION_VERSION=1",
		"AWS_LAMBDA_LOG_GROUP_NAME=g", "AWS_LAMBDA_LOG_STREAM_NAME=s", "AWS_REGION=eu-central-1")
	return startInit(t, env, python, "-m", "awslambdaric", "app.handler")
}

func (p *initProcess) want(method, path, body string, status int, part string, headers ...string) {
	p.Helper()
	if s, b := p.call(method, path, body, headers...); s != status || !strings.Contains(b, part) {
		p.Errorf("%s: %d %s, want %d with %s", path, s, b, status, part)
	}
}

func TestAwslambdaric(t *testing.T) {
	p := lambdaFunction(t, pythonFunction)
	p.want("GET", "state?wait=20", "", 200, `"phase":"snapshot-ready"`)
	p.want("POST", "restore", "", 200, "hooksMs")
	p.want("POST", "invoke", "{}", 200, `{"done": ["before", "after"], "key": null, "id": "r1"}`)
	p.want("POST", "invoke", `{"raise": "boom"}`, 200, `"errorType": "ValueError"`)
	p.want("POST", "invoke", `{"size": 7000000}`, 200, "Function.ResponseSizeTooLarge")
	p.want("POST", "invoke", "{}", 200, "before")
	p.want("POST", "invoke", `{"sleep": 30}`, 200, "Task timed out after 0.30 seconds\"}exited", "Thaw-Timeout-Ms", "300")
	if code := p.ends(); code != 1 || p.reason().Type != "Sandbox.Timedout" {
		t.Errorf("%d %+v", code, p.reason())
	}
}

func TestAwslambdaricWithoutSnapStart(t *testing.T) {
	p := lambdaFunction(t, pythonFunction, "AWS_LAMBDA_INITIALIZATION_TYPE=on-demand")
	p.want("GET", "state?wait=20", "", 200, `"phase":"ready"`)
	p.want("POST", "invoke", "{}", 200, `{"done": [], "key": null, "id": "r1"}`)
	p.want("POST", "invoke", `{"exit": 4}`, 200, "RequestId: r1 Error: Runtime exited with error: exit status 4\"}exited")
	if code := p.ends(); code != 1 || p.reason().Type != "Runtime.ExitError" {
		t.Errorf("%d %+v", code, p.reason())
	}
}

func TestAwslambdaricThatCannotImport(t *testing.T) {
	p := lambdaFunction(t, pythonFunction, "BROKEN=1")
	p.want("GET", "state?wait=20", "", 200, "no database driver")
	if code := p.ends(); code != 1 || !strings.Contains(p.reason().Message, "no database driver") || p.reason().Type != "Runtime.ImportModuleError" {
		t.Errorf("%d %+v", code, p.reason())
	}
}

func TestAwslambdaricWithABadHook(t *testing.T) {
	p := lambdaFunction(t, pythonFunction, "BAD_HOOK=1")
	p.want("GET", "state?wait=20", "", 200, "snapshot-ready")
	p.want("POST", "restore", "", 400, `"errorType":"SnapStartException"`)
	if code := p.ends(); code != 1 {
		t.Error(code)
	}
}

func TestAwslambdaricWithASlowHook(t *testing.T) {
	p := lambdaFunction(t, pythonFunction, "SLOW_HOOK=1")
	p.want("GET", "state?wait=20", "", 200, "snapshot-ready")
	p.want("POST", "restore", "", 408, "SnapStartTimeoutException")
	if code := p.ends(); code != 1 {
		t.Error(code)
	}
}

// streamingRuntime is a runtime that streams what the event asks for, and then ends or goes on for ever.
const streamingRuntime = `
import http.client, json, os, time
api = os.environ["AWS_LAMBDA_RUNTIME_API"]
def call(method, path):
    c = http.client.HTTPConnection(api)
    c.request(method, "/2018-06-01/runtime/invocation/" + path)
    return c.getresponse()
def pieces(event):
    for _ in range(event["pieces"]): yield b"x" * 65536
    if event.get("exit"):
        while not os.path.exists(event["when"]): time.sleep(0.01)
        os._exit(event["exit"])
    while event.get("endless"): yield b"x" * 65536
while True:
    r = call("GET", "next")
    event, id = json.loads(r.read()), r.headers["Lambda-Runtime-Aws-Request-Id"]
    c = http.client.HTTPConnection(api)
    c.request("POST", f"/2018-06-01/runtime/invocation/{id}/response", pieces(event), {"Lambda-Runtime-Function-Response-Mode": "streaming"}, encode_chunked=True)
    c.getresponse().read()
`

// streamingProcess runs it, and invokes it with an answer that comes in pieces.
func streamingProcess(t *testing.T, event string, headers ...string) (*initProcess, *http.Response) {
	t.Helper()
	python := os.Getenv("THAW_TEST_RIC")
	if python == "" {
		t.Skip("THAW_TEST_RIC names no Python")
	}
	p := startInit(t, []string{"AWS_LAMBDA_INITIALIZATION_TYPE=on-demand"}, python, "-c", streamingRuntime)
	p.want("GET", "state?wait=20", "", 200, `"phase":"ready"`)
	r, _ := http.NewRequest("POST", p.url+"invoke", strings.NewReader(event))
	headers = append(headers, "Authorization", "Bearer secret", "Thaw-Request-Id", "r1", "Thaw-Response-Mode", "streaming")
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { res.Body.Close() })
	return p, res
}

func TestAProcessThatEndsWhileItStreams(t *testing.T) {
	arrived := filepath.Join(t.TempDir(), "arrived")
	p, res := streamingProcess(t, `{"pieces": 1, "exit": 5, "when": "`+arrived+`"}`)
	os.WriteFile(arrived, nil, 0o600)
	b, err := io.ReadAll(res.Body)
	_, ending, _ := strings.Cut(string(b), "\x00\x00\x00\x00")
	if err != nil || !strings.Contains(ending, "Runtime.ExitError") || !strings.Contains(ending, "exit status 5") || !strings.Contains(ending, `"exited":true`) {
		t.Errorf("%d bytes, %v: %s", len(b), err, ending)
	}
	if code := p.ends(); code != 1 || p.reason().Type != "Runtime.ExitError" {
		t.Errorf("%d %+v", code, p.reason())
	}
}

func TestACallerWhoDoesNotReadKeepsNobodyAlive(t *testing.T) {
	p, _ := streamingProcess(t, `{"pieces": 1, "endless": true}`, "Thaw-Timeout-Ms", "500")
	if code := p.ends(); code != 1 || p.reason().Type != "Sandbox.Timedout" {
		t.Errorf("%d %+v", code, p.reason())
	}
	if out := p.out.String(); !strings.Contains(out, "END RequestId: r1\nREPORT RequestId: r1\tDuration: 5") {
		t.Error(out)
	}
}

// botocoreFunction makes a client while it is initialised, as functions do, and asks with what credentials it would sign.
const botocoreFunction = `
import botocore.session
from snapshot_restore_py import register_after_restore
client = botocore.session.get_session().create_client("s3", region_name="eu-central-1")
def signs_with():
    try: return [*client._request_signer._credentials.get_frozen_credentials()[:3]]
    except Exception as e: return str(e)
seen = {"init": signs_with()}
@register_after_restore
def after(): seen["hook"] = signs_with()
def handler(event, context): return seen | {"handler": signs_with()}
`

func TestBotocore(t *testing.T) {
	p := lambdaFunction(t, botocoreFunction, "HOME=/nowhere", "AWS_EC2_METADATA_DISABLED=true")
	os.WriteFile(p.credentials+".json", []byte(`{"source":"later"}`), 0o600)
	p.want("GET", "state?wait=20", "", 200, `"phase":"snapshot-ready"`)
	// What a restore changes: the agent's word and the volume are another pod's.
	os.Mkdir(p.credentials, 0o755)
	for name, text := range map[string]string{"AWS_ACCESS_KEY_ID": "AKIANEW", "AWS_SECRET_ACCESS_KEY": "secret", "AWS_SESSION_TOKEN": "session"} {
		os.WriteFile(p.credentials+"/"+name, []byte(text), 0o600)
	}
	os.WriteFile(p.credentials+".json", []byte(`{"source":"secret","secretName":"aws"}`), 0o600)
	p.want("POST", "restore", "", 200, "hooksMs")
	const got = `["AKIANEW", "secret", "session"]`
	p.want("POST", "invoke", "{}", 200, `"hook": `+got+`, "handler": `+got)
	p.want("POST", "invoke", "{}", 200, "the refreshed credentials are still expired")
}
