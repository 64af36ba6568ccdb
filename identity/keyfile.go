package identity

import (
	"bytes"
	"errors"
	"io/fs"
	"os"

	"golang.org/x/crypto/ssh"

	"tunneld/fault"
)

// keyFileLimit bounds a key file: the largest real one, RSA with 16384 bits,
// has about 13 KiB.
const keyFileLimit = 64 << 10

// keyFile is what an identity file holds.
type keyFile struct {
	path   string
	public ssh.PublicKey
	signer ssh.Signer       // nil for a locked or public key file
	cert   *ssh.Certificate // from PATH-cert.pub, or nil
	locked bool             // it has a passphrase
}

// readKeyFile reads a private key in OpenSSH, PEM or PKCS#8 form, or a public
// key that selects a key of the agent. Its error has one of the codes
// key_unreadable and key_permissions.
func readKeyFile(path string) (*keyFile, error) {
	data, err := readSmall(path)
	if errors.Is(err, fs.ErrNotExist) {
		if public, err := readSmall(path + ".pub"); err == nil {
			data = public // the private half may be in the agent
		} else {
			return nil, fault.New(fault.KeyUnreadable, fault.Auth, "%s does not exist", path)
		}
	} else if err != nil {
		return nil, fault.New(fault.KeyUnreadable, fault.Auth, "%w", err)
	}
	k := &keyFile{path: path}
	if public, _, _, _, err := ssh.ParseAuthorizedKey(data); err == nil {
		k.public = public
		return k, nil
	}
	if err := checkPermissions(path); err != nil {
		return nil, err
	}
	if err := k.parsePrivate(data); err != nil {
		return nil, err
	}
	k.cert = readCertificate(path+"-cert.pub", k.public)
	return k, nil
}

func (k *keyFile) parsePrivate(data []byte) error {
	if bytes.HasPrefix(data, []byte("PuTTY-User-Key-File-")) {
		return fault.New(fault.KeyUnreadable, fault.Auth, "%s is a PuTTY key", k.path).
			WithHint("export it in OpenSSH's form: puttygen %s -O private-openssh-new -o NEWFILE (or Conversions, Export OpenSSH key in PuTTYgen)", k.path)
	}
	signer, err := ssh.ParsePrivateKey(data)
	var missing *ssh.PassphraseMissingError
	switch {
	case errors.As(err, &missing):
		k.locked, k.public = true, missing.PublicKey
		if k.public == nil { // an old PEM file does not show its public half
			if pub, err := readSmall(k.path + ".pub"); err == nil {
				k.public, _, _, _, _ = ssh.ParseAuthorizedKey(pub)
			}
		}
	case err != nil:
		return fault.New(fault.KeyUnreadable, fault.Auth, "%s is not a private key that can be read: %s", k.path, fault.Clean(err.Error()))
	default:
		k.public, k.signer = signer.PublicKey(), signer
	}
	return nil
}

// readCertificate returns the user certificate in path when it is one for key.
func readCertificate(path string, key ssh.PublicKey) *ssh.Certificate {
	data, err := readSmall(path)
	if err != nil || key == nil {
		return nil
	}
	public, _, _, _, err := ssh.ParseAuthorizedKey(data)
	if err != nil {
		return nil
	}
	if cert, ok := public.(*ssh.Certificate); ok && sameKey(cert.Key, key) {
		return cert
	}
	return nil
}

// readSmall reads a file of at most keyFileLimit bytes.
func readSmall(path string) ([]byte, error) {
	info, err := os.Stat(path)
	switch {
	case err != nil:
		return nil, err
	case !info.Mode().IsRegular():
		return nil, &fs.PathError{Op: "read", Path: path, Err: errors.New("not a regular file")}
	case info.Size() > keyFileLimit:
		return nil, &fs.PathError{Op: "read", Path: path, Err: errors.New("too large for a key")}
	}
	return os.ReadFile(path)
}
