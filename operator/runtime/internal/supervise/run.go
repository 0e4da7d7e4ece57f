// Package supervise is thaw-init: pid 1 of a function's container.
package supervise

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/signal"
	"strconv"
	"syscall"
	"time"

	"thaw.dev/runtime/internal/credentials"
	"thaw.dev/runtime/internal/logs"
	"thaw.dev/runtime/internal/runtimeapi"
)

// Supervisor is what thaw-init runs with; tests have other files and addresses.
type Supervisor struct {
	Environ         []string
	TokenFile       string
	TerminationFile string
	// CredentialsFile is the agent's word of where credentials come from; CredentialsDir the kubelet's volume for them.
	CredentialsFile string
	CredentialsDir  string
	RuntimeAddress  string
	ControlAddress  string
	RestoreLimit    time.Duration
	// Linger is how long the reason of a failed initialisation can still be asked for; the agent asks in a loop.
	Linger time.Duration
}

// answerLimit bounds the wait for callers to take their last answer.
const answerLimit = 2 * time.Second

// Run runs a program until it ends and gives thaw-init's exit code.
func (s Supervisor) Run(args []string) int {
	began := time.Now()
	env := func(name, otherwise string) string {
		for _, v := range s.Environ {
			if len(v) > len(name) && v[:len(name)] == name && v[len(name)] == '=' {
				return v[len(name)+1:]
			}
		}
		return otherwise
	}
	log := logs.New(os.Stdout, os.Stderr)
	initType := env("AWS_LAMBDA_INITIALIZATION_TYPE", "on-demand")
	snapStart := initType == "snap-start"
	platform := logs.Platform{
		Log: log, JSON: env("AWS_LAMBDA_LOG_FORMAT", "") == "JSON",
		Function: env("AWS_LAMBDA_FUNCTION_NAME", ""), Version: env("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST"),
		Runtime: env("AWS_EXECUTION_ENV", "provided"), InitType: initType, MemoryMB: env("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "0"),
	}
	var function *process
	limit, _ := strconv.Atoi(platform.MemoryMB)
	used := &memory{proc: "/proc/self", limit: limit, process: func() int { return function.maxMemoryMB() }}
	machine := runtimeapi.New(runtimeapi.Config{
		SnapStart: snapStart, RestoreLimit: s.RestoreLimit, Platform: platform, Memory: used, Began: began,
	})

	// Both servers listen before the function starts: it must find its own, the agent the other's state.
	token := credentials.NewToken()
	forFunction := http.NewServeMux()
	provider := credentials.NewProvider(s.CredentialsFile, s.CredentialsDir)
	forFunction.Handle(credentials.Path, credentials.Handler(provider, token, machine.Initialising))
	forFunction.Handle("/", runtimeapi.RuntimeHandler(machine))
	runtimeAPI, stopRuntime, err := serve(s.RuntimeAddress, forFunction)
	if err != nil {
		return s.cannot(err)
	}
	defer stopRuntime(0)
	_, stopControl, err := serve(s.ControlAddress, runtimeapi.ControlHandler(machine, s.TokenFile))
	if err != nil {
		return s.cannot(err)
	}
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGTERM, syscall.SIGINT)

	platform.InitStart()
	log.Mark()
	stdout, stderr, err := log.Pipes()
	if err != nil {
		return s.cannot(err)
	}
	function, err = start(args, environment(s.Environ, runtimeAPI, "http://"+runtimeAPI+credentials.Path, token), stdout, stderr)
	if err != nil {
		machine.InitError(runtimeapi.Failure{Type: "Runtime.InvalidEntrypoint", Message: err.Error()})
	} else {
		stdout.Close()
		stderr.Close()
	}

	for over := false; !over; {
		var ended chan string
		if function != nil {
			ended = function.ended
		}
		select {
		case sig := <-signals:
			machine.Stop()
			if function == nil {
				return 0
			}
			function.signal(sig.(syscall.Signal))
		case how := <-ended:
			log.Drain()
			machine.ProcessEnded(how)
		case <-machine.Finished():
			over = true
		}
	}
	why := machine.Failure()
	if why != nil {
		writeTermination(s.TerminationFile, *why)
	}
	if machine.FailedInit() {
		time.Sleep(s.Linger)
	}
	if function != nil {
		function.kill()
	}
	stopControl(answerLimit)
	machine.Reported()
	log.Drain()
	if why != nil {
		return 1
	}
	return 0
}

// cannot reports what keeps thaw-init itself from its work.
func (s Supervisor) cannot(err error) int {
	fmt.Fprintln(os.Stderr, "thaw-init:", err)
	writeTermination(s.TerminationFile, runtimeapi.Failure{Type: "Runtime.Unknown", Message: "thaw-init: " + err.Error()})
	return 1
}

// serve listens and serves; stop waits up to a limit for answers under way.
func serve(address string, h http.Handler) (string, func(limit time.Duration), error) {
	l, err := net.Listen("tcp", address)
	if err != nil {
		return "", nil, err
	}
	server := &http.Server{Handler: h}
	go server.Serve(l)
	return l.Addr().String(), func(limit time.Duration) {
		ctx, cancel := context.WithTimeout(context.Background(), limit)
		defer cancel()
		if server.Shutdown(ctx) != nil {
			server.Close()
		}
	}, nil
}
