package control

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"

	"tunneld/fault"
)

// problemType is the media type of an error (RFC 9457).
const problemType = "application/problem+json"

// problem is an error on its way. Code is empty for one that has no name.
type problem struct {
	Code    fault.Code `json:"code"`
	Message string     `json:"message"`
	Hint    string     `json:"hint"`
}

// refusal is a request that the API turns away by itself.
type refusal struct {
	status  int
	message string
}

// ErrStopping is the answer of a daemon that is stopping.
var ErrStopping error = &refusal{http.StatusServiceUnavailable, "the daemon is stopping"}

func (r *refusal) Error() string { return r.message }

// problemOf returns err as a document, and its HTTP status.
func problemOf(err error) (int, problem) {
	var refused *refusal
	var tooLarge *http.MaxBytesError
	var panicked *fault.Panic
	switch f := fault.As(err); {
	case f != nil:
		return statusOf(f.Code), problem{f.Code, f.Message, fault.HintOf(err)}
	case errors.As(err, &refused):
		return refused.status, problem{Message: refused.message}
	case errors.As(err, &tooLarge):
		return http.StatusRequestEntityTooLarge, problem{Message: "the body is too large"}
	case errors.As(err, &panicked):
		return http.StatusInternalServerError, problem{Message: "internal error", Hint: "the daemon's log has the particulars"}
	case errors.Is(err, context.DeadlineExceeded):
		return http.StatusGatewayTimeout, problem{Message: "it took too long"}
	case errors.Is(err, context.Canceled):
		return problemOf(ErrStopping)
	default:
		return http.StatusInternalServerError, problem{Message: err.Error()}
	}
}

func statusOf(code fault.Code) int {
	switch code {
	case fault.UnknownProfile:
		return http.StatusNotFound
	case fault.PermissionDenied:
		return http.StatusForbidden
	case fault.BadProfile:
		return http.StatusUnprocessableEntity
	default:
		return http.StatusConflict
	}
}

// err is the opposite of problemOf: a *fault.Error where there is a code.
func (p problem) err() error {
	if p.Code == "" {
		return errors.New(fault.Clean(p.Message))
	}
	return &fault.Error{Code: p.Code, Message: p.Message, Hint: p.Hint}
}

// sendProblem answers with err.
func sendProblem(w *response, err error) {
	w.cause = err
	status, p := problemOf(err)
	text, err := json.Marshal(p)
	if err != nil {
		return // strings always marshal
	}
	w.Header().Set("Content-Type", problemType)
	w.WriteHeader(status)
	_, _ = w.Write(append(text, '\n')) // a client that is gone needs no answer
}
