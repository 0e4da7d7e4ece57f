package supervise

import "strings"

// ours are variables that the function must not find: the Runtime API's address is set by us, the log descriptor belongs to
// Lambda's own supervisor.
var ours = []string{"AWS_LAMBDA_RUNTIME_API", "_LAMBDA_TELEMETRY_LOG_FD"}

// keys expire, and a snapshot would hold them for ever.
var keys = []string{"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"}

// environment is the function's, made of ours.
func environment(env []string, runtimeAPI string, snapStart bool) []string {
	drop := ours
	if snapStart {
		drop = append(append([]string{}, ours...), keys...)
	}
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
	return append(out, "AWS_LAMBDA_RUNTIME_API="+runtimeAPI)
}
