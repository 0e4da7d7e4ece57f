// Package credentials gives a function its AWS credentials after its start or restore, by the AWS SDKs' container credential
// provider protocol (AWS SDKs and Tools Reference Guide, "Container credential provider"). hack/design/0002-credentials.md says why.
package credentials

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"time"
)

// Credentials is what the SDKs read. Token and Expiration are always there, for botocore fails without them.
type Credentials struct {
	AccessKeyID     string    `json:"AccessKeyId"`
	SecretAccessKey string    `json:"SecretAccessKey"`
	Token           string    `json:"Token"`
	Expiration      time.Time `json:"Expiration"`
}

// Error is an answer without credentials, in the SDKs' words. It never quotes a secret.
type Error struct {
	Status  int    `json:"-"`
	Code    string `json:"code"`
	Message string `json:"message"`
	// retry says that the same question may have another answer soon.
	retry bool
	// none says that the function has no credentials, by its own configuration or the cluster's.
	none bool
}

func (e *Error) Error() string { return e.Code + ": " + e.Message }

// Sources of credentials.
const (
	None   = "none"   // the function has no role
	Later  = "later"  // this process is going to be snapshotted
	Secret = "secret" // the role is a Secret's name
	STS    = "sts"    // the role is an ARN
)

// Config is the agent's word of where an instance's credentials come from. It holds no secret.
type Config struct {
	Source      string `json:"source"`
	SecretName  string `json:"secretName"`
	RoleARN     string `json:"roleArn"`
	SessionName string `json:"sessionName"`
	STSEndpoint string `json:"stsEndpoint"`
	STSCABundle string `json:"stsCaBundle"`
}

// readConfig reads the agent's word. It is read at each use: after a restore it is another pod's.
func readConfig(file string) (Config, error) {
	var c Config
	b, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return c, &Error{Status: http.StatusServiceUnavailable, Code: "NoConfiguration", Message: "this node's Thaw agent did not say where credentials come from; it is older than this pod's thaw-init"}
	}
	if err == nil {
		err = json.Unmarshal(b, &c)
	}
	if err != nil {
		return c, &Error{Status: http.StatusInternalServerError, Code: "BadConfiguration", Message: fmt.Sprintf("where credentials come from cannot be read: %v", err)}
	}
	return c, nil
}
