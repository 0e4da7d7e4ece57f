package credentials

import (
	"context"
	"errors"
	"net/http"
	"sync"
	"time"
)

// early is how long before their expiry credentials are renewed: botocore begins to ask for new ones 15 minutes before and would
// get the old ones again. Those that live less than twice as long are renewed at half their life.
const early = 15 * time.Minute

// pauses are between the calls of one fetch, which can end within botocore's three attempts of three seconds.
var pauses = []time.Duration{200 * time.Millisecond, time.Second}

// rest is how long after a failed fetch its error is the answer: 1 s, 2 s, 4 s … up to this.
const rest = 16 * time.Second

// Provider gives the instance's credentials. It asks nobody before it is asked, and remembers nothing of another pod.
type Provider struct {
	configFile, volume string
	now                func() time.Time
	sleep              func(time.Duration)

	mu      sync.Mutex
	config  Config // what the rest is about
	held    *held
	flight  *flight
	failed  error
	tries   int
	retryAt time.Time
}

// held are credentials of STS, and when they are to be renewed.
type held struct {
	Credentials
	renewAt time.Time
}

// flight is one fetch, which all who ask meanwhile wait for.
type flight struct {
	done        chan struct{}
	credentials Credentials
	err         error
}

// NewProvider reads where credentials come from in a file of the agent's, and the Secret or token in a volume of the kubelet's.
func NewProvider(configFile, volume string) *Provider {
	return &Provider{configFile: configFile, volume: volume, now: time.Now, sleep: time.Sleep}
}

// Get gives credentials that are valid now, or an *Error that says why there are none.
func (p *Provider) Get(ctx context.Context) (Credentials, error) {
	config, err := readConfig(p.configFile)
	if err != nil {
		return Credentials{}, err
	}
	switch config.Source {
	case Secret:
		// Not kept: the kubelet renews the files, and reading them costs nothing.
		return fromSecret(p.volume, config.SecretName, p.now())
	case STS:
		if config.STSEndpoint == "" {
			return Credentials{}, &Error{none: true, Status: http.StatusNotFound, Code: "NoSTSEndpoint", Message: "the function's role is " + config.RoleARN +
				", and no STS is configured to assume it at: set the chart's value aws.stsEndpoint, or name a Secret as the role"}
		}
		return p.fromSTS(ctx, config)
	case Later:
		return nobodys("NO_CREDENTIALS_BEFORE_THE_RESTORE", "a snapshot holds no credentials: use them from an after-restore hook on", p.now()), nil
	}
	return Credentials{}, &Error{none: true, Status: http.StatusNotFound, Code: "NoRole", Message: "the function has no role: set spec.role to a role's ARN or to the name of a Secret"}
}

// DuringInit is Get for a process that initialises. Where a function has no credentials at all it stands in for them, as before a
// snapshot: who only makes a client is not in error, who then uses it is told why.
func (p *Provider) DuringInit(ctx context.Context) (Credentials, error) {
	c, err := p.Get(ctx)
	var e *Error
	if errors.As(err, &e) && e.none {
		return nobodys("NO_CREDENTIALS", e.Message, p.now()), nil
	}
	return c, err
}

// nobodys stands in for credentials while a process is initialised. An error would be clearer to who wants to use them, but botocore
// asks as soon as a client is made, and making clients is what initialisation is for. They are no one's, and expired, so that
// every SDK asks again before it uses them: after a restore it gets the instance's own.
func nobodys(name, why string, now time.Time) Credentials {
	return Credentials{AccessKeyID: name, SecretAccessKey: why, Expiration: now.Add(-time.Minute).UTC().Truncate(time.Second)}
}

// fromSTS gives what it has while that is fresh; otherwise fetches, and if that fails gives what it has while that is valid.
func (p *Provider) fromSTS(ctx context.Context, config Config) (Credentials, error) {
	p.mu.Lock()
	if p.config != config {
		p.config, p.held, p.flight, p.failed, p.tries = config, nil, nil, nil, 0
	}
	now := p.now()
	var valid *held
	if p.held != nil && now.Before(p.held.Expiration) {
		valid = p.held
	}
	if valid != nil && now.Before(valid.renewAt) {
		p.mu.Unlock()
		return valid.Credentials, nil
	}
	if p.failed != nil && now.Before(p.retryAt) {
		defer p.mu.Unlock()
		return orElse(valid, p.failed)
	}
	f := p.flight
	if f == nil {
		f = &flight{done: make(chan struct{})}
		p.flight = f
		// Not with the asker's context: it may give up, and ask again for what is then there.
		go p.fetch(f, config)
	}
	p.mu.Unlock()
	select {
	case <-f.done:
	case <-ctx.Done():
		return orElse(valid, &Error{Status: http.StatusGatewayTimeout, Code: "Timeout", Message: "STS has not answered yet"})
	}
	if f.err != nil {
		return orElse(valid, f.err)
	}
	return f.credentials, nil
}

func orElse(valid *held, err error) (Credentials, error) {
	if valid != nil {
		return valid.Credentials, nil
	}
	return Credentials{}, err
}

// fetch asks STS, more than once where that may help, and keeps the answer.
func (p *Provider) fetch(f *flight, config Config) {
	defer close(f.done)
	for i := 0; ; i++ {
		f.credentials, f.err = fromSTS(context.Background(), p.volume, config)
		var refused *Error
		if f.err == nil || i == len(pauses) || errors.As(f.err, &refused) && !refused.retry {
			break
		}
		p.sleep(pauses[i])
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.flight != f {
		return // for another configuration than the present one
	}
	now := p.now()
	p.flight = nil
	if p.failed = f.err; f.err != nil {
		p.retryAt = now.Add(min(time.Second<<min(p.tries, 10), rest))
		p.tries++
		return
	}
	p.tries = 0
	life := f.credentials.Expiration.Sub(now)
	p.held = &held{f.credentials, f.credentials.Expiration.Add(-min(early, life/2))}
}
