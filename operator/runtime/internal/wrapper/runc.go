package wrapper

import (
	"fmt"
	"os"
	"strings"

	"thaw.dev/runtime/internal/contract"
)

// places of runc in distributions' packages and in containerd's own.
var places = []string{"/usr/bin/runc", "/usr/local/sbin/runc", "/usr/sbin/runc", "/usr/local/bin/runc"}

// FindRunc is the runc to wrap: the one that the agent noted when it installed us, else the first where packages put it.
func FindRunc(n contract.Node) (string, error) {
	candidates := places
	if b, err := os.ReadFile(n.RuncFile()); err == nil {
		candidates = append([]string{strings.TrimSpace(string(b))}, places...)
	}
	if p := os.Getenv("THAW_RUNC"); p != "" {
		candidates = []string{p}
	}
	self, _ := os.Stat("/proc/self/exe")
	for _, p := range candidates {
		if i, err := os.Stat(p); err == nil && i.Mode().IsRegular() && i.Mode()&0o111 != 0 && !os.SameFile(i, self) {
			return p, nil
		}
	}
	return "", fmt.Errorf("no runc in %s", strings.Join(candidates, ", "))
}
