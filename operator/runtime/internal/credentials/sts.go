package credentials

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/xml"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"
)

const (
	// stsTimeout bounds one call: three of them fit into the ten seconds that a restore and its hooks have.
	stsTimeout = 2500 * time.Millisecond
	// answerLimit is more than any answer of STS, 2 KB, with the longest session token.
	answerLimit = 64 << 10
	// tokenFile is the pod's service account token in the volume of credentials; the kubelet renews it.
	tokenFile = "token"
)

// fromSTS exchanges the pod's service account token for the role's credentials: AssumeRoleWithWebIdentity (AWS STS API
// Reference, version 2011-06-15), which is not signed. MinIO, Ceph and others answer it as well.
func fromSTS(ctx context.Context, dir string, c Config) (Credentials, error) {
	token, err := os.ReadFile(filepath.Join(dir, tokenFile))
	if err != nil {
		return Credentials{}, &Error{Status: http.StatusServiceUnavailable, Code: "NoToken", Message: fmt.Sprintf("the pod has no service account token to assume %s with (%v): "+
			"a version that was published before aws.stsEndpoint was set has no place for one, publish it again", c.RoleARN, err)}
	}
	client, err := stsClient(c.STSCABundle)
	if err != nil {
		return Credentials{}, err
	}
	form := url.Values{
		"Action": {"AssumeRoleWithWebIdentity"}, "Version": {"2011-06-15"}, "RoleArn": {c.RoleARN}, "RoleSessionName": {c.SessionName},
		"WebIdentityToken": {strings.TrimSpace(string(token))},
	}
	unreachable := func(err error) error {
		return &Error{Status: http.StatusBadGateway, Code: "STSUnreachable", Message: fmt.Sprintf("STS at %s: %v", c.STSEndpoint, err), retry: true}
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, c.STSEndpoint, strings.NewReader(form.Encode()))
	if err != nil {
		return Credentials{}, unreachable(err)
	}
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	request.Header.Set("User-Agent", "thaw-init")
	response, err := client.Do(request)
	if err != nil {
		return Credentials{}, unreachable(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(io.LimitReader(response.Body, answerLimit))
	if err != nil {
		return Credentials{}, unreachable(err)
	}
	if response.StatusCode != http.StatusOK {
		return Credentials{}, stsRefusal(c, response.StatusCode, body)
	}
	return stsAnswer(c, body)
}

// stsClient makes a client that leaves no connection behind: one that is established could not be dumped, and keeps a token.
func stsClient(bundle string) (*http.Client, error) {
	transport := &http.Transport{DisableKeepAlives: true}
	if bundle != "" {
		roots, err := x509.SystemCertPool()
		if err != nil {
			roots = x509.NewCertPool()
		}
		if !roots.AppendCertsFromPEM([]byte(bundle)) {
			return nil, &Error{Status: http.StatusInternalServerError, Code: "BadConfiguration", Message: "the chart's value aws.stsCaBundle holds no certificate in PEM"}
		}
		transport.TLSClientConfig = &tls.Config{RootCAs: roots}
	}
	return &http.Client{
		Transport: transport, Timeout: stsTimeout,
		// The token is for the configured endpoint and for nobody it points to.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}, nil
}

// stsAnswer reads <AssumeRoleWithWebIdentityResponse>.
func stsAnswer(c Config, body []byte) (Credentials, error) {
	var answer struct {
		Credentials struct {
			AccessKeyID     string `xml:"AccessKeyId"`
			SecretAccessKey string
			SessionToken    string
			Expiration      time.Time
		} `xml:"AssumeRoleWithWebIdentityResult>Credentials"`
	}
	err := xml.Unmarshal(body, &answer)
	got := answer.Credentials
	if err != nil || got.AccessKeyID == "" || got.SecretAccessKey == "" || got.Expiration.IsZero() {
		return Credentials{}, &Error{Status: http.StatusBadGateway, Code: "STSAnswer", Message: fmt.Sprintf("STS at %s gave no credentials that can be read", c.STSEndpoint)}
	}
	return Credentials{got.AccessKeyID, got.SecretAccessKey, got.SessionToken, got.Expiration.UTC()}, nil
}

// stsRefusal reads <ErrorResponse>. What is the server's fault, or its identity provider's, may pass.
func stsRefusal(c Config, status int, body []byte) error {
	var answer struct {
		Code    string `xml:"Error>Code"`
		Message string `xml:"Error>Message"`
	}
	if xml.Unmarshal(body, &answer) != nil || answer.Code == "" {
		answer.Code, answer.Message = "STSRefused", http.StatusText(status)
	}
	return &Error{
		Status: http.StatusBadGateway, Code: answer.Code, Message: fmt.Sprintf("STS at %s refused %s (%d): %s", c.STSEndpoint, c.RoleARN, status, answer.Message),
		retry: status >= 500 || status == http.StatusTooManyRequests || answer.Code == "IDPCommunicationError" || answer.Code == "Throttling",
	}
}
