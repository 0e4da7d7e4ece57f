// Package podip finds a pod's address without asking anybody: the kernel's own table of the process's network.
package podip

import (
	"bufio"
	"fmt"
	"io"
	"net/netip"
	"os"
	"strings"
)

// Of is the first address of a process's network namespace that is not a loopback's; empty when there is none.
// IPv4 first, as the kubelet's default; an IPv6-only pod has its address in if_inet6.
func Of(pid int) string {
	if f, err := os.Open(fmt.Sprintf("/proc/%d/net/fib_trie", pid)); err == nil {
		defer f.Close()
		if ip := fibTrie(f); ip != "" {
			return ip
		}
	}
	if f, err := os.Open(fmt.Sprintf("/proc/%d/net/if_inet6", pid)); err == nil {
		defer f.Close()
		return ifInet6(f)
	}
	return ""
}

// fibTrie finds a leaf ("|-- 10.244.0.7") followed by "/32 host LOCAL".
func fibTrie(r io.Reader) string {
	var leaf string
	for lines := bufio.NewScanner(r); lines.Scan(); {
		words := strings.Fields(lines.Text())
		switch {
		case len(words) == 2 && words[0] == "|--":
			leaf = words[1]
		case len(words) == 3 && words[0] == "/32" && words[2] == "LOCAL":
			if ip, err := netip.ParseAddr(leaf); err == nil && !ip.IsLoopback() {
				return ip.String()
			}
		}
	}
	return ""
}

// ifInet6 finds an address of global scope (fourth column 00).
func ifInet6(r io.Reader) string {
	for lines := bufio.NewScanner(r); lines.Scan(); {
		words := strings.Fields(lines.Text())
		if len(words) != 6 || len(words[0]) != 32 || words[3] != "00" {
			continue
		}
		var text []string
		for i := 0; i < 32; i += 4 {
			text = append(text, words[0][i:i+4])
		}
		if ip, err := netip.ParseAddr(strings.Join(text, ":")); err == nil && !ip.IsLoopback() {
			return ip.String()
		}
	}
	return ""
}
