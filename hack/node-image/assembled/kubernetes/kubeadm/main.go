// Command kubeadm is upstream's kubeadm.
package main

import (
	"os"

	"k8s.io/kubernetes/cmd/kubeadm/app"
)

func main() {
	if app.Run() != nil { // it has printed the error
		os.Exit(1)
	}
}
