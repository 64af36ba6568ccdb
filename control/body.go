package control

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"os"
)

// readBody reads the whole body before anything is done, so that one that is too
// large or cut off has no effect; and only after it net/http notices a client
// that leaves.
func readBody(w http.ResponseWriter, r *http.Request) error {
	text, err := io.ReadAll(http.MaxBytesReader(w, r.Body, bodyBytes))
	switch {
	case err == nil:
		r.Body = io.NopCloser(bytes.NewReader(text))
		return nil
	case errors.As(err, new(*http.MaxBytesError)):
		return err
	case errors.Is(err, os.ErrDeadlineExceeded):
		return &refusal{http.StatusRequestTimeout, "the body does not come"}
	default:
		return &refusal{http.StatusBadRequest, "the body cannot be read"}
	}
}

// decode reads the body, strictly. No body is an empty document.
func decode(r *http.Request, v any) error { return decodeStrict(r.Body, v) }

// wantNothing refuses a body that says something.
func wantNothing(r *http.Request) error { return decode(r, &struct{}{}) }

// decodeStrict reads one document: a key that is not known may have been meant
// to matter.
func decodeStrict(r io.Reader, v any) error {
	d := json.NewDecoder(r)
	d.DisallowUnknownFields()
	err := d.Decode(v)
	if errors.Is(err, io.EOF) {
		return nil
	}
	if err == nil {
		_, err = d.Token()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err == nil {
			err = errors.New("more than one document")
		}
	}
	return &refusal{http.StatusBadRequest, "the body: " + err.Error()}
}

// reply answers with v.
func reply(w *response, v any) error {
	w.Header().Set("Content-Type", "application/json")
	return encode(w, v)
}

// done answers a request that has nothing to tell, unless it failed.
func done(w *response, err error) error {
	if err == nil {
		w.WriteHeader(http.StatusNoContent)
	}
	return err
}

func encode(w io.Writer, v any) error {
	e := json.NewEncoder(w) // it writes once, so that a value has one deadline
	e.SetEscapeHTML(false)
	return e.Encode(v)
}
