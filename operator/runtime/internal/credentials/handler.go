package credentials

import (
	"crypto/rand"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"net/http"
)

// Path is where credentials are served, as in Lambda's own SnapStart environments.
const Path = "/2021-04-23/credentials"

// NewToken draws what callers of the endpoint must show. It is part of the function's environment, so it is in the snapshot and
// the same in every clone. That is no loss: it keeps out nobody but another program in the same container that was not given
// the environment, it opens only a loopback address, and behind it each clone has other credentials.
func NewToken() string { return rand.Text() }

// Handler serves the provider's credentials to who shows the token. It asks initialising at each call.
func Handler(p *Provider, token string, initialising func() bool) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		// An idle connection would be one more thing to dump.
		w.Header().Set("Connection", "close")
		w.Header().Set("Content-Type", "application/json")
		switch {
		case r.Method != http.MethodGet:
			refuse(w, &Error{Status: http.StatusMethodNotAllowed, Code: "MethodNotAllowed", Message: "credentials are got by GET"})
			return
		case subtle.ConstantTimeCompare([]byte(r.Header.Get("Authorization")), []byte(token)) != 1:
			refuse(w, &Error{Status: http.StatusUnauthorized, Code: "Unauthorized", Message: "the Authorization header is not AWS_CONTAINER_AUTHORIZATION_TOKEN"})
			return
		}
		get := p.Get
		if initialising() {
			get = p.DuringInit
		}
		c, err := get(r.Context())
		if err != nil {
			refuse(w, err)
			return
		}
		json.NewEncoder(w).Encode(c)
	})
}

func refuse(w http.ResponseWriter, err error) {
	answer := &Error{Status: http.StatusInternalServerError, Code: "InternalError", Message: err.Error()}
	errors.As(err, &answer)
	w.WriteHeader(answer.Status)
	json.NewEncoder(w).Encode(answer)
}
