package supervise

import "strings"

// ours are variables that the function must not find. The Runtime API's address and the credentials' endpoint are set by us,
// and what would come before that endpoint in an SDK's eyes goes; the log descriptor belongs to Lambda's own supervisor.
var ours = []string{
	"AWS_LAMBDA_RUNTIME_API", "_LAMBDA_TELEMETRY_LOG_FD", "AWS_CONTAINER_CREDENTIALS_FULL_URI", "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
	"AWS_CONTAINER_AUTHORIZATION_TOKEN", "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE",
}

// keys expire, and a snapshot would hold them for ever. An image may have them in its environment; a Function cannot.
var keys = []string{"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"}

// environment is the function's, made of ours.
func environment(env []string, runtimeAPI, credentials, token string) []string {
	drop := append(append([]string{}, ours...), keys...)
	var out []string
next:
	for _, v := range env {
		for _, name := range drop {
			if strings.HasPrefix(v, name+"=") {
				continue next
			}
		}
		out = append(out, v)
	}
	return append(out, "AWS_LAMBDA_RUNTIME_API="+runtimeAPI, "AWS_CONTAINER_CREDENTIALS_FULL_URI="+credentials, "AWS_CONTAINER_AUTHORIZATION_TOKEN="+token)
}
