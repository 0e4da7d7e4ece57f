package credentials

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// secretLife is what credentials without an expiry are said to live. The SDKs keep them that long, less what they renew
// early: botocore asks again 15 minutes before, so that it sees a changed Secret after 5, and does not ask at each call.
const secretLife = 20 * time.Minute

// fromSecret reads the Secret that the kubelet mounts and keeps up to date.
func fromSecret(dir, name string, now time.Time) (Credentials, error) {
	refuse := func(code, format string, args ...any) error {
		return &Error{Status: http.StatusBadGateway, Code: code, Message: fmt.Sprintf("Secret "+name+", named by the function's role, "+format, args...)}
	}
	values := readVolume(dir, "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "expiration")
	for _, key := range []string{"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"} {
		if values[key] == "" {
			return Credentials{}, refuse("SecretIncomplete", "has no key %s, or does not exist in the function's namespace; what is mended there is seen within about a minute", key)
		}
	}
	c := Credentials{values["AWS_ACCESS_KEY_ID"], values["AWS_SECRET_ACCESS_KEY"], values["AWS_SESSION_TOKEN"], now.Add(secretLife).UTC().Truncate(time.Second)}
	if text := values["expiration"]; text != "" {
		at, err := time.Parse(time.RFC3339, text)
		if err != nil {
			return Credentials{}, refuse("SecretInvalid", "has a key expiration that is no time such as 2030-01-31T12:00:00Z")
		}
		if !now.Before(at) {
			return Credentials{}, refuse("SecretExpired", "holds credentials that expired at %s", text)
		}
		c.Expiration = at.UTC()
	}
	return c, nil
}

// readVolume reads files of a Secret's volume, all of one revision: the kubelet writes each into a folder of its own and then
// turns the link ..data to it.
func readVolume(dir string, keys ...string) map[string]string {
	link := filepath.Join(dir, "..data")
	for {
		revision, _ := os.Readlink(link)
		values := map[string]string{}
		for _, key := range keys {
			if b, err := os.ReadFile(filepath.Join(dir, revision, key)); err == nil {
				values[key] = strings.TrimSpace(string(b))
			}
		}
		if now, _ := os.Readlink(link); now == revision {
			return values
		}
	}
}
