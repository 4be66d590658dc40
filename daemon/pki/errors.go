package pki

import (
	"errors"
	"net/http"

	"olive-distributed/daemon/pki/internal/private"
)

// Answers to a worker that wants to join or to renew. They are the same on both sides of the wire.
var (
	ErrBadToken     = errors.New("the token is mistyped or cut off: paste the whole line that `olivectl worker add` printed")
	ErrTokenUnknown = errors.New("the master does not know the token: a newer one was made for this worker, or it ended long ago; make one with `olivectl worker add`")
	ErrTokenUsed    = errors.New("the token was used already, and each works once: make a new one with `olivectl worker add`; if nobody but you used it, run `olivectl worker revoke` first")
	ErrTokenExpired = errors.New("the token has expired: make a new one with `olivectl worker add`")
	ErrWrongName    = errors.New("the request asks for a name that is not the worker's own")
	ErrBadCSR       = errors.New("the certificate request is not acceptable")
	ErrBadRequest   = errors.New("the request is not understood: do master and worker run the same version?")

	ErrNoCertificate      = errors.New("the peer has shown no certificate")
	ErrForeignCertificate = errors.New("the certificate is not of this farm")
	ErrCertificateExpired = errors.New("the certificate has expired: join again with a new token from `olivectl worker add`")
	ErrCertificateEarly   = errors.New("the certificate is not valid yet: set the clocks of master and worker")
	ErrNotWorker          = errors.New("the certificate is not a worker's")
	ErrRevoked            = errors.New("the certificate is revoked: to let the worker in again, join with a new token from `olivectl worker add`")
	ErrNotListed          = errors.New("the certificate is not in the master's list: it was replaced by a newer one, or the list was restored from a backup; join again with a new token from `olivectl worker add`")
)

// Other answers.
var (
	// ErrBadName means that a worker cannot have that name; see [ValidName].
	ErrBadName = errors.New("worker names are 1 to 64 of a-z, 0-9 and '-', and begin and end with a letter or digit")
	// ErrEnrolled means that a worker of that name is in the farm, with a valid certificate.
	ErrEnrolled = errors.New("the worker is in the farm already: to give its name to another machine, run `olivectl worker revoke` first")
	// ErrNoWorker means that there is no worker and no token of that name.
	ErrNoWorker = errors.New("no such worker: see `olivectl workers`")
	// ErrDamaged means that the files of an authority or an identity are damaged or incomplete.
	ErrDamaged = errors.New("damaged or incomplete")
	// ErrInUse means that another process works with the folder.
	ErrInUse = private.ErrInUse
	// ErrNotJoined means that the machine has no identity.
	ErrNotJoined = errors.New("this machine has not joined a farm: run `olivectl worker add NAME` on the master, and here the line it prints")
	// ErrNotMaster means that a valid certificate was shown in the master's place that is not the master's.
	ErrNotMaster = errors.New("the certificate is not the master's")
	// ErrWrongMaster means that whoever answered is not the master that made the token. It was not told the token.
	ErrWrongMaster = errors.New("this is not the master that made the token: check the address, and that nobody is in between")
	// ErrReplaced means that the machine has joined anew since the identity was loaded.
	ErrReplaced = errors.New("the machine has joined anew: load the identity again (restart olive-worker)")
	// ErrMaster means that the master could not do what it was asked, though nothing was wrong with it.
	ErrMaster = errors.New("the master failed: look into its log")
)

// answers are the errors as they go over the wire. The codes stay as they are for good.
var answers = []struct {
	code   string
	status int
	err    error
}{
	{"bad-request", http.StatusBadRequest, ErrBadRequest},
	{"bad-token", http.StatusBadRequest, ErrBadToken},
	{"token-unknown", http.StatusForbidden, ErrTokenUnknown},
	{"token-used", http.StatusForbidden, ErrTokenUsed},
	{"token-expired", http.StatusForbidden, ErrTokenExpired},
	{"wrong-name", http.StatusForbidden, ErrWrongName},
	{"bad-csr", http.StatusBadRequest, ErrBadCSR},
	{"no-certificate", http.StatusUnauthorized, ErrNoCertificate},
	{"foreign-certificate", http.StatusForbidden, ErrForeignCertificate},
	{"certificate-expired", http.StatusForbidden, ErrCertificateExpired},
	{"certificate-early", http.StatusForbidden, ErrCertificateEarly},
	{"not-worker", http.StatusForbidden, ErrNotWorker},
	{"revoked", http.StatusForbidden, ErrRevoked},
	{"not-listed", http.StatusForbidden, ErrNotListed},
	{"internal", http.StatusInternalServerError, ErrMaster}, // last: any other error
}
