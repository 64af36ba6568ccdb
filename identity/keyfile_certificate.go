package identity

import (
	"errors"
	"fmt"
	"io/fs"
	"time"

	"golang.org/x/crypto/ssh"

	"tunneld/fault"
)

// certificate is a user certificate (OpenSSH PROTOCOL.certkeys) in a file.
type certificate struct {
	*ssh.Certificate
	path string
}

// readCertificate reads the user certificate in path and checks that it is one
// and valid at now. Its error has the code key_unreadable.
func readCertificate(path string, now time.Time) (*certificate, error) {
	data, err := readSmall(path)
	if err != nil {
		return nil, fault.New(fault.KeyUnreadable, fault.Auth, "%w", err)
	}
	public, _, _, _, err := ssh.ParseAuthorizedKey(data)
	if err != nil {
		return nil, fault.New(fault.KeyUnreadable, fault.Auth, "%s is not a certificate: %s", path, fault.Clean(err.Error()))
	}
	cert, ok := public.(*ssh.Certificate)
	if !ok || cert.CertType != ssh.UserCert {
		return nil, fault.New(fault.KeyUnreadable, fault.Auth, "%s is not a user certificate", path).
			WithHint("ssh-keygen -L -f %s shows what it is", path)
	}
	if problem := outOfDate(cert, now); problem != "" {
		return nil, fault.New(fault.KeyUnreadable, fault.Auth, "the certificate %s %s", path, problem).
			WithHint("get a new certificate from whoever signs them")
	}
	return &certificate{cert, path}, nil
}

// outOfDate tells how now lies outside of the certificate's validity, or "".
func outOfDate(cert *ssh.Certificate, now time.Time) string {
	at := uint64(max(0, now.Unix()))
	switch {
	case at < cert.ValidAfter:
		return "is not valid before " + certTime(cert.ValidAfter)
	case at >= cert.ValidBefore:
		return "expired at " + certTime(cert.ValidBefore)
	default:
		return ""
	}
}

func certTime(seconds uint64) string {
	const farthest = 1 << 40 // beyond it time.Format means nothing
	return time.Unix(int64(min(seconds, farthest)), 0).UTC().Format(time.RFC3339)
}

// certificates reads the files that the user named.
func (c Credentials) certificates() (certs []*certificate, problems []*fault.Error) {
	for _, path := range c.CertificateFiles {
		cert, err := readCertificate(path, c.now())
		if err != nil {
			problems = append(problems, fault.As(err))
			continue
		}
		certs = append(certs, cert)
	}
	return certs, problems
}

// certificateBeside reads the certificate beside a key; nil, nil where there is
// none.
func (c Credentials) certificateBeside(path string, key ssh.PublicKey) (*certificate, error) {
	cert, err := readCertificate(certificatePath(path), c.now())
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, nil
	case err != nil:
		return nil, err
	case key != nil && !sameKey(cert.Key, key):
		return nil, fault.New(fault.KeyUnreadable, fault.Auth, "%s is the certificate of another key", cert.path).
			WithHint("get a certificate for %s, or remove the file", publicPath(path))
	}
	return cert, nil
}

// describe names the certificate for attempts: the server decides by its
// principals.
func (c *certificate) describe() string {
	if len(c.ValidPrincipals) == 0 {
		return c.path
	}
	return fmt.Sprintf("%s (for %s)", c.path, fault.Clean(fmt.Sprint(c.ValidPrincipals)))
}
