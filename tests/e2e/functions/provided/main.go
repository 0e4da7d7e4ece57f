// A bootstrap with hooks of its own: it speaks the Runtime API, with nothing but Go's standard library.
package main

import (
	"bytes"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"time"
)

var (
	api   = "http://" + os.Getenv("AWS_LAMBDA_RUNTIME_API") + "/2018-06-01/runtime/"
	calls []string
)

// hook fails where the test wants it to, and says so to the Runtime API.
func hook(name, path string) {
	calls = append(calls, name)
	if os.Getenv("FAIL") == name {
		post(path, map[string]any{"errorType": "HookError", "errorMessage": name + ": no database today", "stackTrace": []string{}})
		os.Exit(1)
	}
}

func draw() map[string]string {
	b := make([]byte, 16)
	rand.Read(b)
	return map[string]string{"crypto/rand": fmt.Sprintf("%x", b)}
}

func main() {
	drawn := draw()
	if os.Getenv("AWS_LAMBDA_INITIALIZATION_TYPE") == "snap-start" {
		hook("before-2", "init/error")
		hook("before-1", "init/error")
		get("restore/next")
		hook("after-1", "restore/error")
		hook("after-2", "restore/error")
	}
	for {
		id, event := get("invocation/next")
		var seconds struct {
			Sleep float64 `json:"sleep"`
		}
		json.Unmarshal(event, &seconds)
		time.Sleep(time.Duration(seconds.Sleep * float64(time.Second)))
		post("invocation/"+id+"/response", map[string]any{"calls": calls, "drawnAtInit": drawn, "drawn": draw(), "handler": os.Getenv("_HANDLER")})
	}
}

func get(path string) (id string, body []byte) {
	answer, err := http.Get(api + path)
	if err != nil {
		panic(err)
	}
	defer answer.Body.Close()
	body, err = io.ReadAll(answer.Body)
	if err != nil || answer.StatusCode != http.StatusOK {
		panic(fmt.Sprint(path, " answered ", answer.Status, " ", err))
	}
	return answer.Header.Get("Lambda-Runtime-Aws-Request-Id"), body
}

func post(path string, what any) {
	body, err := json.Marshal(what)
	if err != nil {
		panic(err)
	}
	answer, err := http.Post(api+path, "application/json", bytes.NewReader(body))
	if err != nil {
		panic(err)
	}
	answer.Body.Close()
}
