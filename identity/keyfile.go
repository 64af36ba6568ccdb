package identity

import (
	"bytes"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"io/fs"
	"os"
	"slices"
	"strings"

	"github.com/youmark/pkcs8"
	"golang.org/x/crypto/ssh"

	"tunneld/fault"
)

// keyFileLimit bounds a key file: the largest real one, RSA with 16384 bits,
// has about 13 KiB.
const keyFileLimit = 64 << 10

// keyFile is what an identity file holds.
type keyFile struct {
	path   string
	public ssh.PublicKey // nil for a locked key that does not show it
	signer ssh.Signer    // nil for a locked or public key file
	locked []byte        // the file, where it has a passphrase
	token  bool          // the handle of a FIDO key, with which the agent signs
	failed error         // why it stays locked
}

// readKeyFile reads a private key in OpenSSH, PEM or PKCS#8 form, or a public
// key that selects a key of the agent. Its error has one of the codes
// key_unreadable and key_permissions. What is mounted read-only in places is the
// mounter's to protect.
func readKeyFile(path string, places ...string) (*keyFile, error) {
	data, err := readSmall(path)
	if errors.Is(err, fs.ErrNotExist) {
		if public, err := readSmall(publicPath(path)); err == nil {
			data = public // the private half may be in the agent
		} else {
			return nil, missing(path)
		}
	} else if err != nil {
		return nil, fault.New(fault.KeyUnreadable, fault.Auth, "%w", err)
	}
	k := &keyFile{path: path}
	if public, _, _, _, err := ssh.ParseAuthorizedKey(data); err == nil {
		k.public = public
		return k, nil
	}
	if err := checkPermissions(path, "private key", places); err != nil {
		return nil, err
	}
	return k, k.parsePrivate(data)
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
		k.lock(data, missing.PublicKey)
	case err != nil && lockedPKCS8(data) != nil:
		k.lock(data, nil)
	case err != nil && isToken(k.publicBeside()):
		k.public, k.token = k.publicBeside(), true
	case err != nil:
		return fault.New(fault.KeyUnreadable, fault.Auth, "%s is not a private key that can be read: %s", k.path, fault.Clean(err.Error()))
	default:
		k.public, k.signer = signer.PublicKey(), signer
	}
	return nil
}

// lock keeps the file until there is a passphrase. Only OpenSSH's form shows
// its public half; for the others it may lie beside.
func (k *keyFile) lock(data []byte, public ssh.PublicKey) {
	if public == nil {
		public = k.publicBeside()
	}
	if k.public, k.token = public, isToken(public); !k.token {
		k.locked = data
	}
}

// publicBeside reads the public half beside the key, or returns nil.
func (k *keyFile) publicBeside() ssh.PublicKey {
	line, err := readSmall(publicPath(k.path))
	if err != nil {
		return nil
	}
	public, _, _, _, err := ssh.ParseAuthorizedKey(line)
	if err != nil {
		return nil
	}
	return public
}

// isToken reports whether a FIDO device holds the key (OpenSSH PROTOCOL.u2f).
func isToken(public ssh.PublicKey) bool {
	return public != nil && slices.Contains([]string{ssh.KeyAlgoSKED25519, ssh.KeyAlgoSKECDSA256}, public.Type())
}

// unlock opens a locked key. A wrong passphrase is x509.IncorrectPasswordError.
func (k *keyFile) unlock(passphrase []byte) error {
	var signer ssh.Signer
	var err error
	if block := lockedPKCS8(k.locked); block != nil {
		signer, err = unlockPKCS8(block, passphrase)
	} else {
		signer, err = ssh.ParsePrivateKeyWithPassphrase(k.locked, passphrase)
	}
	switch {
	case err != nil && hasNoChecksum(k.locked) && strings.Contains(err.Error(), "asn1"):
		return x509.IncorrectPasswordError // one wrong passphrase in 256 leaves a plausible padding
	case err != nil:
		return err
	}
	if k.public != nil && !sameKey(k.public, signer.PublicKey()) {
		return errors.New("the public key beside it is of another key")
	}
	k.public, k.signer = signer.PublicKey(), signer
	return nil
}

// hasNoChecksum reports that a file is encrypted in the old way of PEM (RFC 1421
// section 4.6.1.3), where a wrong passphrase is known by the garbage it gives.
func hasNoChecksum(data []byte) bool {
	block, _ := pem.Decode(data)
	return block != nil && block.Headers["DEK-Info"] != ""
}

// lockedPKCS8 returns the encrypted PKCS#8 block (RFC 5958 section 3) of a
// file, or nil.
func lockedPKCS8(data []byte) *pem.Block {
	if block, _ := pem.Decode(data); block != nil && block.Type == "ENCRYPTED PRIVATE KEY" {
		return block
	}
	return nil
}

func unlockPKCS8(block *pem.Block, passphrase []byte) (ssh.Signer, error) {
	key, _, err := pkcs8.ParsePrivateKey(block.Bytes, passphrase)
	switch {
	case err == nil:
		return ssh.NewSignerFromKey(key)
	case strings.Contains(err.Error(), "unsupported"):
		return nil, err
	default: // the format cannot tell a wrong passphrase from a damaged file
		return nil, x509.IncorrectPasswordError
	}
}

// publicPath is where ssh-keygen puts the public half of the key in path.
func publicPath(path string) string { return strings.TrimSuffix(path, ".pub") + ".pub" }

// certificatePath is where ssh-keygen puts the certificate of the key in path.
func certificatePath(path string) string { return strings.TrimSuffix(path, ".pub") + "-cert.pub" }

// readSmall reads a file of at most keyFileLimit bytes.
func readSmall(path string) ([]byte, error) {
	info, err := os.Stat(path)
	switch {
	case err != nil:
		return nil, err
	case !info.Mode().IsRegular():
		return nil, &fs.PathError{Op: "read", Path: path, Err: errors.New("not a regular file")}
	case info.Size() > keyFileLimit:
		return nil, &fs.PathError{Op: "read", Path: path, Err: errors.New("larger than 64 KiB")}
	}
	return os.ReadFile(path)
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}
