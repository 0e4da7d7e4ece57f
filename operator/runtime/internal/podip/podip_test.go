package podip

import (
	"strings"
	"testing"
)

// As Linux 6.18 prints it in a pod's network namespace.
const trie = `Main:
  +-- 0.0.0.0/0 3 0 5
     |-- 0.0.0.0
        /0 universe UNICAST
     +-- 10.244.0.0/24 2 0 2
        +-- 10.244.0.0/28 2 0 2
           |-- 10.244.0.0
              /24 link UNICAST
           |-- 10.244.0.7
              /32 host LOCAL
        |-- 10.244.0.255
           /32 link BROADCAST
     +-- 127.0.0.0/8 2 0 2
        |-- 127.0.0.1
           /32 host LOCAL
Local:
  +-- 0.0.0.0/0 3 0 5
        |-- 10.244.0.7
           /32 host LOCAL
`

func TestFibTrie(t *testing.T) {
	if got := fibTrie(strings.NewReader(trie)); got != "10.244.0.7" {
		t.Errorf("%q", got)
	}
	loopback := "     |-- 127.0.0.1\n        /32 host LOCAL\n"
	if got := fibTrie(strings.NewReader(loopback)); got != "" {
		t.Errorf("loopback only: %q", got)
	}
	if got := fibTrie(strings.NewReader(loopback + trie)); got != "10.244.0.7" {
		t.Errorf("loopback first: %q", got)
	}
}

func TestIfInet6(t *testing.T) {
	table := "00000000000000000000000000000001 01 80 10 80       lo\n" +
		"fe80000000000000f8163efffe000001 02 40 20 80     eth0\n" +
		"fd000010024400000000000000000007 02 40 00 80     eth0\n"
	if got := ifInet6(strings.NewReader(table)); got != "fd00:10:244::7" {
		t.Errorf("%q", got)
	}
}

func TestOfNobody(t *testing.T) {
	if got := Of(-1); got != "" {
		t.Error(got)
	}
}
