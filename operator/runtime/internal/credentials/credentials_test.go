package credentials

import (
	"context"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

const arn = "arn:aws:iam::000000000000:role/reader"

var start = time.Date(2030, 1, 1, 12, 0, 0, 0, time.UTC)

// world is a pod's files, an STS, and a clock that stands still.
type world struct {
	*testing.T
	*Provider
	volume string
	clock  time.Time
	mu     sync.Mutex
	asked  []http.Request
	// answer is what STS does; a test may change it at any time.
	answer http.HandlerFunc
	slept  []time.Duration
	sts    *httptest.Server
}

func newWorld(t *testing.T) *world {
	t.Helper()
	dir := t.TempDir()
	w := &world{T: t, volume: dir + "/volume", clock: start}
	w.Provider = NewProvider(dir+"/credentials.json", w.volume)
	w.Provider.now = func() time.Time { return w.clock }
	w.Provider.sleep = func(d time.Duration) { w.slept = append(w.slept, d) }
	w.answer = w.grants(time.Hour)
	w.sts = httptest.NewServer(http.HandlerFunc(w.serve))
	t.Cleanup(w.sts.Close)
	if err := os.Mkdir(w.volume, 0o755); err != nil {
		t.Fatal(err)
	}
	return w
}

func (w *world) serve(rw http.ResponseWriter, r *http.Request) {
	r.ParseForm()
	w.mu.Lock()
	w.asked = append(w.asked, *r)
	answer := w.answer
	w.mu.Unlock()
	answer(rw, r)
}

// grants answers with credentials that are numbered and live that long.
func (w *world) grants(life time.Duration) http.HandlerFunc {
	return func(rw http.ResponseWriter, _ *http.Request) {
		fmt.Fprintf(rw, `<AssumeRoleWithWebIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><AssumeRoleWithWebIdentityResult>
<Credentials><AccessKeyId>ASIA%d</AccessKeyId><SecretAccessKey>s</SecretAccessKey><SessionToken>t</SessionToken><Expiration>%s</Expiration></Credentials>
</AssumeRoleWithWebIdentityResult></AssumeRoleWithWebIdentityResponse>`, len(w.asked), w.clock.Add(life).Format("2006-01-02T15:04:05.000Z"))
	}
}

func refuses(status int, code string) http.HandlerFunc {
	return func(rw http.ResponseWriter, _ *http.Request) {
		rw.WriteHeader(status)
		fmt.Fprintf(rw, `<ErrorResponse><Error><Type>Sender</Type><Code>%s</Code><Message>because</Message></Error></ErrorResponse>`, code)
	}
}

func (w *world) configure(c Config) {
	b, _ := json.Marshal(c)
	if err := os.WriteFile(w.configFile, b, 0o600); err != nil {
		w.Fatal(err)
	}
}

// role configures the STS source, as the agent would.
func (w *world) role() {
	w.configure(Config{Source: STS, RoleARN: arn, SessionName: "hello-1-abcde", STSEndpoint: w.sts.URL})
	os.WriteFile(w.volume+"/token", []byte("jwt\n"), 0o600)
}

// secret writes a revision of a Secret's volume, as the kubelet would.
func (w *world) secret(revision string, values map[string]string) {
	dir := filepath.Join(w.volume, ".."+revision)
	os.Mkdir(dir, 0o755)
	for key, value := range values {
		os.WriteFile(filepath.Join(dir, key), []byte(value), 0o600)
	}
	os.Symlink(".."+revision, w.volume+"/..tmp")
	if err := os.Rename(w.volume+"/..tmp", w.volume+"/..data"); err != nil {
		w.Fatal(err)
	}
}

func (w *world) got(accessKey string) Credentials {
	w.Helper()
	c, err := w.Get(context.Background())
	if err != nil || c.AccessKeyID != accessKey {
		w.Errorf("%+v, %v: want %s", c, err, accessKey)
	}
	return c
}

func (w *world) refused(code, part string) {
	w.Helper()
	var e *Error
	if _, err := w.Get(context.Background()); !errors.As(err, &e) || e.Code != code || !strings.Contains(e.Message, part) || e.Status < 400 {
		w.Errorf("%v: want %s with %q", err, code, part)
	}
}

func (w *world) times(n int) {
	w.Helper()
	if len(w.asked) != n {
		w.Errorf("STS was asked %d times, want %d", len(w.asked), n)
	}
}

func TestSourcesWithoutCredentials(t *testing.T) {
	w := newWorld(t)
	w.refused("NoConfiguration", "agent")
	w.configure(Config{Source: None})
	w.refused("NoRole", "spec.role")
	w.configure(Config{Source: STS, RoleARN: arn})
	w.refused("NoSTSEndpoint", "aws.stsEndpoint")
	os.WriteFile(w.configFile, []byte("{"), 0o600)
	w.refused("BadConfiguration", "JSON")
}

func TestBeforeTheRestoreThereIsNothingToKeep(t *testing.T) {
	w := newWorld(t)
	w.role()
	w.configure(Config{Source: Later, RoleARN: arn, STSEndpoint: w.sts.URL})
	if c := w.got("NO_CREDENTIALS_BEFORE_THE_RESTORE"); !c.Expiration.Before(start) {
		t.Errorf("%+v: an SDK would not ask again", c)
	}
	w.times(0)
	w.role()
	w.got("ASIA1")
}

func TestSecret(t *testing.T) {
	w := newWorld(t)
	w.configure(Config{Source: Secret, SecretName: "aws"})
	w.refused("SecretIncomplete", "Secret aws, named by the function's role, has no key AWS_ACCESS_KEY_ID")
	w.secret("1", map[string]string{"AWS_ACCESS_KEY_ID": "AKIA1\n"})
	w.refused("SecretIncomplete", "AWS_SECRET_ACCESS_KEY")
	w.secret("2", map[string]string{"AWS_ACCESS_KEY_ID": "AKIA2\n", "AWS_SECRET_ACCESS_KEY": "s"})
	if c := w.got("AKIA2"); c != (Credentials{"AKIA2", "s", "", start.Add(20 * time.Minute)}) {
		t.Errorf("%+v", c)
	}
	// A rotated Secret is seen at once, and a key that is gone is gone.
	whole := map[string]string{"AWS_ACCESS_KEY_ID": "AKIA3", "AWS_SECRET_ACCESS_KEY": "s", "AWS_SESSION_TOKEN": "t", "expiration": "2030-01-01T14:00:00+01:00"}
	w.secret("3", whole)
	if c := w.got("AKIA3"); c.Token != "t" || !c.Expiration.Equal(start.Add(time.Hour)) {
		t.Errorf("%+v", c)
	}
	w.clock = start.Add(time.Hour)
	w.refused("SecretExpired", "expired at 2030-01-01T14:00:00+01:00")
	whole["expiration"] = "tomorrow"
	w.secret("4", whole)
	w.refused("SecretInvalid", "expiration")
	w.times(0)
}

func TestAssumeRole(t *testing.T) {
	w := newWorld(t)
	w.role()
	c := w.got("ASIA1")
	if c.SecretAccessKey != "s" || c.Token != "t" || !c.Expiration.Equal(start.Add(time.Hour)) {
		t.Errorf("%+v", c)
	}
	r := w.asked[0]
	want := map[string]string{"Action": "AssumeRoleWithWebIdentity", "Version": "2011-06-15", "RoleArn": arn, "RoleSessionName": "hello-1-abcde", "WebIdentityToken": "jwt"}
	for key, value := range want {
		if r.PostForm.Get(key) != value {
			t.Errorf("%s=%q", key, r.PostForm.Get(key))
		}
	}
	if r.Method != "POST" || len(r.PostForm) != len(want) || !r.Close || r.Header.Get("Authorization") != "" {
		t.Errorf("%+v", r)
	}
}

func TestCredentialsAreKeptAndRenewedInTime(t *testing.T) {
	for _, life := range []struct{ of, early time.Duration }{{time.Hour, 15 * time.Minute}, {20 * time.Minute, 10 * time.Minute}} {
		w := newWorld(t)
		w.role()
		w.answer = w.grants(life.of)
		w.got("ASIA1")
		w.clock = start.Add(life.of - life.early - time.Second)
		w.got("ASIA1")
		w.clock = start.Add(life.of - life.early)
		w.got("ASIA2")
		w.got("ASIA2")
		w.times(2)
	}
}

func TestWhatIsValidIsServedWhileSTSFails(t *testing.T) {
	w := newWorld(t)
	w.role()
	w.got("ASIA1")
	w.answer = refuses(503, "ServiceUnavailable")
	w.clock = start.Add(50 * time.Minute)
	w.got("ASIA1")
	w.times(4) // and three attempts at renewal
	if len(w.slept) != 2 || w.slept[1] <= w.slept[0] {
		t.Error(w.slept)
	}
	w.got("ASIA1")
	w.times(4) // it is not asked again at once
	w.clock = w.clock.Add(time.Second)
	w.got("ASIA1")
	w.times(7)
	w.clock = w.clock.Add(time.Second)
	w.got("ASIA1")
	w.times(7) // and then ever more seldom
	w.clock = start.Add(time.Hour)
	w.refused("ServiceUnavailable", "because")
	w.answer = w.grants(time.Hour)
	w.clock = w.clock.Add(time.Minute)
	w.got("ASIA11")
}

func TestARefusalIsNotAskedThrice(t *testing.T) {
	w := newWorld(t)
	w.role()
	w.answer = refuses(403, "AccessDenied")
	w.refused("AccessDenied", "refused "+arn+" (403): because")
	w.times(1)
	w.clock = w.clock.Add(time.Second)
	w.answer = refuses(400, "IDPCommunicationError")
	w.refused("IDPCommunicationError", "because")
	w.times(4)
}

func TestAnswersThatAreNone(t *testing.T) {
	for _, body := range []string{"", "<html>", "<AssumeRoleWithWebIdentityResponse/>", "{}"} {
		w := newWorld(t)
		w.role()
		w.answer = func(rw http.ResponseWriter, _ *http.Request) { rw.Write([]byte(body)) }
		w.refused("STSAnswer", "no credentials")
	}
	w := newWorld(t)
	w.role()
	w.answer = func(rw http.ResponseWriter, _ *http.Request) { rw.WriteHeader(404) }
	w.refused("STSRefused", "Not Found")
}

func TestTheTokenFollowsNoRedirect(t *testing.T) {
	w := newWorld(t)
	w.role()
	w.answer = func(rw http.ResponseWriter, r *http.Request) {
		http.Redirect(rw, r, w.sts.URL, http.StatusTemporaryRedirect)
	}
	w.refused("STSRefused", "307")
	w.times(1)
}

func TestNoTokenAndNoSTS(t *testing.T) {
	w := newWorld(t)
	w.role()
	w.sts.Close()
	w.refused("STSUnreachable", w.sts.URL)
	w.clock = w.clock.Add(time.Minute)
	os.Remove(w.volume + "/token")
	w.refused("NoToken", arn)
}

func TestThoseWhoAskTogetherWaitForOneAnswer(t *testing.T) {
	w := newWorld(t)
	w.role()
	arrived, release := make(chan struct{}), make(chan struct{})
	w.answer = func(rw http.ResponseWriter, r *http.Request) {
		close(arrived)
		<-release
		w.grants(time.Hour)(rw, r)
	}
	impatient, cancel := context.WithCancel(context.Background())
	gone := make(chan error)
	go func() { _, err := w.Get(impatient); gone <- err }()
	<-arrived
	cancel()
	if err := <-gone; err == nil {
		t.Error("an answer before there was one")
	}
	var all sync.WaitGroup
	for range 5 {
		all.Go(func() { w.got("ASIA1") })
	}
	close(release)
	all.Wait()
	w.times(1)
}

// TestAnotherPod is a restore of a process that had credentials, which Thaw never makes: even then they are not another pod's.
func TestAnotherPod(t *testing.T) {
	w := newWorld(t)
	w.role()
	w.got("ASIA1")
	w.configure(Config{Source: STS, RoleARN: arn, SessionName: "hello-1-fghij", STSEndpoint: w.sts.URL})
	w.got("ASIA2")
}

func TestAnAuthorityOfTheClustersOwn(t *testing.T) {
	w := newWorld(t)
	secure := httptest.NewTLSServer(http.HandlerFunc(w.serve))
	defer secure.Close()
	w.role()
	c := Config{Source: STS, RoleARN: arn, SessionName: "s", STSEndpoint: secure.URL}
	w.configure(c)
	w.refused("STSUnreachable", "certificate")
	c.STSCABundle = "nonsense"
	w.configure(c)
	w.refused("BadConfiguration", "aws.stsCaBundle")
	c.STSCABundle = string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: secure.Certificate().Raw}))
	w.configure(c)
	w.got("ASIA1")
}

func text(r *http.Response) string {
	defer r.Body.Close()
	b, _ := io.ReadAll(r.Body)
	return string(b)
}

func TestHandler(t *testing.T) {
	w := newWorld(t)
	w.role()
	token := NewToken()
	if other := NewToken(); other == token || len(token) < 22 {
		t.Errorf("%q and %q", token, other)
	}
	initialising := false
	server := httptest.NewServer(Handler(w.Provider, token, func() bool { return initialising }))
	defer server.Close()
	for _, c := range []struct {
		method, authorization, want string
		status                      int
	}{
		{"GET", token, `{"AccessKeyId":"ASIA1","SecretAccessKey":"s","Token":"t","Expiration":"2030-01-01T13:00:00Z"}`, 200},
		{"GET", "", `"code":"Unauthorized"`, 401},
		{"GET", "Bearer " + token, `"code":"Unauthorized"`, 401},
		{"GET", token[1:], `"code":"Unauthorized"`, 401},
		{"PUT", token, `"code":"MethodNotAllowed"`, 405},
	} {
		r, _ := http.NewRequest(c.method, server.URL+Path, nil)
		if c.authorization != "" {
			r.Header.Set("Authorization", c.authorization)
		}
		res, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		if body := text(res); res.StatusCode != c.status || !strings.Contains(body, c.want) || res.Header.Get("Content-Type") != "application/json" || !res.Close {
			t.Errorf("%+v: %d %s", c, res.StatusCode, body)
		}
	}
	w.configure(Config{Source: None})
	ask := func() (int, string) {
		r, _ := http.NewRequest("GET", server.URL+Path, nil)
		r.Header.Set("Authorization", token)
		res, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		return res.StatusCode, text(res)
	}
	status, body := ask()
	var answer struct{ Code, Message string }
	if json.Unmarshal([]byte(body), &answer); status != 404 || answer.Code != "NoRole" || answer.Message == "" {
		t.Errorf("%d %+v", status, answer)
	}
	// A client that is only made, as at import, is no error.
	initialising = true
	if status, body = ask(); status != 200 || !strings.Contains(body, `"AccessKeyId":"NO_CREDENTIALS"`) || !strings.Contains(body, "no role") {
		t.Errorf("while it initialises: %d %s", status, body)
	}
}
