// Package oci reads and edits what containerd hands to an OCI runtime: its command line and the bundle's config.json.
package oci

import "strings"

// Command is a parsed runc command line. Args keeps it as it came, for handing on.
type Command struct {
	Args   []string
	Global []string // flags before the subcommand, as given
	Name   string   // the subcommand; empty when there is none
	Rest   []string // what follows the subcommand, as given
	ID     string   // the container
	flags  map[string]string
}

// Flags of runc that take a value as the next argument; all others are switches. Unknown switches cost nothing,
// an unknown flag with a value would make us take the value for the subcommand, so the list must be whole.
var globalValues = set("log", "log-format", "root", "criu", "rootless")

var commandValues = map[string]map[string]bool{
	"create":     set("bundle", "b", "console-socket", "pidfd-socket", "pid-file", "preserve-fds"),
	"checkpoint": set("image-path", "work-path", "parent-path", "status-fd", "page-server", "manage-cgroups-mode", "empty-ns"),
	"start":      {},
	"delete":     {},
}

// Parse splits a runc command line (without the program's name) the way runc's own flag parser does: one or two
// dashes, value after "=" or as the next argument.
func Parse(args []string) Command {
	c := Command{Args: args, flags: map[string]string{}}
	i := c.scan(args, 0, globalValues, "global ")
	c.Global = args[:i]
	if i == len(args) {
		return c
	}
	c.Name, c.Rest = args[i], args[i+1:]
	values, ours := commandValues[c.Name]
	if !ours {
		return c
	}
	// runc's parser takes flags after the container as well.
	for j := 0; j < len(c.Rest); j++ {
		if j = c.scan(c.Rest, j, values, ""); j < len(c.Rest) && c.ID == "" {
			c.ID = c.Rest[j]
		}
	}
	if b, ok := c.flags["b"]; ok {
		c.flags["bundle"] = b
	}
	return c
}

// scan reads flags from args[i:] and returns the index of the first argument that is none.
func (c *Command) scan(args []string, i int, values map[string]bool, prefix string) int {
	for ; i < len(args); i++ {
		a := args[i]
		if a == "--" {
			return i + 1
		}
		if len(a) < 2 || a[0] != '-' {
			return i
		}
		name, value, given := strings.Cut(strings.TrimPrefix(a[1:], "-"), "=")
		if !given && values[name] && i+1 < len(args) {
			i++
			value = args[i]
		}
		c.flags[prefix+name] = value
	}
	return i
}

// Flag is the value of a flag of the subcommand, and whether it was given.
func (c Command) Flag(name string) (string, bool) { v, ok := c.flags[name]; return v, ok }

// GlobalFlag is the value of a flag before the subcommand.
func (c Command) GlobalFlag(name string) string { return c.flags["global "+name] }

// GlobalWithLog is the flags before the subcommand with another log file, in JSON.
func (c Command) GlobalWithLog(path string) []string {
	var out []string
	for i := 0; i < len(c.Global); i++ {
		name, _, given := strings.Cut(strings.TrimLeft(c.Global[i], "-"), "=")
		takes := !given && globalValues[name]
		if name != "log" && name != "log-format" {
			out = append(out, c.Global[i])
			if takes && i+1 < len(c.Global) {
				out = append(out, c.Global[i+1])
			}
		}
		if takes {
			i++
		}
	}
	return append(out, "--log", path, "--log-format", "json")
}

func set(names ...string) map[string]bool {
	m := map[string]bool{}
	for _, n := range names {
		m[n] = true
	}
	return m
}
