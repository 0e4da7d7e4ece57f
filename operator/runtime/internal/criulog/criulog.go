// Package criulog finds the line of a CRIU log that a person needs.
package criulog

import (
	"bufio"
	"os"
	"regexp"
	"strings"
)

// stamp is what CRIU puts before a message: "(00.012345)   1234: ".
var stamp = regexp.MustCompile(`^\(\d+\.\d+\)\s*(\d+:\s*)?`)

// A consequence says that something failed, not what. One of these is the last line of every failed log, and with
// several processes it may come before the cause, from the process that only noticed.
var consequence = regexp.MustCompile(`FAILED|killed by signal|exited, status`)

const longest = 400

// Cause reads a log and picks: the first error that is a cause, else the first error, else the last line.
func Cause(path string) string {
	f, err := os.Open(path)
	if err != nil {
		return ""
	}
	defer f.Close()
	var first, last string
	lines := bufio.NewScanner(f)
	lines.Buffer(make([]byte, 64<<10), 1<<20)
	for lines.Scan() {
		text := clean(lines.Text())
		if text == "" {
			continue
		}
		last = text
		if !strings.HasPrefix(text, "Error (") {
			continue
		}
		if !consequence.MatchString(text) {
			return text
		}
		if first == "" {
			first = text
		}
	}
	if first != "" {
		return first
	}
	return last
}

// clean takes the stamp and whatever a terminal would obey out of a line: names in it are the function's.
func clean(line string) string {
	line = strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || r == 0xfffd {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(line, " "))
	line = strings.TrimSpace(stamp.ReplaceAllString(line, ""))
	if len(line) > longest {
		line = strings.ToValidUTF8(line[:longest], "") + "…"
	}
	return line
}
