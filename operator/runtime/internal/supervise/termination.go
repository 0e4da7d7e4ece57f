package supervise

import (
	"encoding/json"
	"os"

	"thaw.dev/runtime/internal/runtimeapi"
)

// terminationLimit is what the kubelet reads of a termination message.
const terminationLimit = 4 << 10

// writeTermination leaves the reason for the kubelet, and so for the pod's status. The file is the kubelet's; where it is not, as
// outside Kubernetes, nobody asks.
func writeTermination(path string, f runtimeapi.Failure) {
	w, err := os.OpenFile(path, os.O_WRONLY|os.O_TRUNC, 0)
	if err != nil {
		return
	}
	defer w.Close()
	w.Write(terminationMessage(f))
}

// terminationMessage is the failure as JSON that fits: first the stack goes from its outer end, then the message.
func terminationMessage(f runtimeapi.Failure) []byte {
	for {
		b, err := json.Marshal(f)
		if err != nil || len(b) <= terminationLimit {
			return b
		}
		switch over := len(b) - terminationLimit; {
		case len(f.Stack) > 0:
			f.Stack = f.Stack[:len(f.Stack)-1]
		case len(f.Message) > 0:
			f.Message = f.Message[:max(0, len(f.Message)-max(over/6, 1))]
		default:
			f.Type = "Runtime.Unknown"
		}
	}
}
