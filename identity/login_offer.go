package identity

import (
	"fmt"
	"io"

	"golang.org/x/crypto/ssh"
)

// offer is one key to show to the server. It is a ssh.MultiAlgorithmSigner
// whose private half is opened only when the server has accepted the public
// one, so that nobody is asked for the passphrase of a useless key.
type offer struct {
	public     ssh.PublicKey // a key or a certificate; nil where only the private half has it
	from       string        // a path, or "agent"
	algorithms []string      // of its signatures, best first
	open       func() (ssh.Signer, error)

	shown  bool  // the server has seen it: it takes one of the algorithms
	signed bool  // it has made a signature
	err    error // why it made none
}

// PublicKey returns the public half and notes that it is used.
func (o *offer) PublicKey() ssh.PublicKey { return &shownKey{o.public, &o.shown} }

// Algorithms returns the signature algorithms, best first.
func (o *offer) Algorithms() []string { return o.algorithms }

// Sign signs with the best algorithm.
func (o *offer) Sign(rand io.Reader, data []byte) (*ssh.Signature, error) {
	return o.SignWithAlgorithm(rand, data, o.algorithms[0])
}

// SignWithAlgorithm opens the private half and signs.
func (o *offer) SignWithAlgorithm(rand io.Reader, data []byte, algorithm string) (*ssh.Signature, error) {
	signature, err := o.sign(rand, data, algorithm)
	o.signed, o.err = err == nil, err
	return signature, err
}

func (o *offer) sign(rand io.Reader, data []byte, algorithm string) (*ssh.Signature, error) {
	signer, err := o.open()
	if err != nil {
		return nil, err
	}
	var signature *ssh.Signature
	if s, ok := signer.(ssh.AlgorithmSigner); ok {
		signature, err = s.SignWithAlgorithm(rand, data, algorithm)
	} else {
		signature, err = signer.Sign(rand, data)
	}
	if err == nil && signature.Format != algorithm { // an old agent signs with SHA-1 whatever it is asked
		err = fmt.Errorf("the signature is %q, wanted %s", signature.Format, algorithm)
	}
	return signature, err
}

// fingerprint is that of the key, also for a certificate, as ssh-keygen shows it.
func (o *offer) fingerprint() string { return ssh.FingerprintSHA256(plainKey(o.public)) }

// plainKey returns the key that a certificate is for, or key itself.
func plainKey(key ssh.PublicKey) ssh.PublicKey {
	if cert, ok := key.(*ssh.Certificate); ok {
		return cert.Key
	}
	return key
}

// shownKey notes when the key is written to the server. Package ssh does that
// only where both sides have a signature algorithm in common.
type shownKey struct {
	ssh.PublicKey
	shown *bool
}

func (k *shownKey) Marshal() []byte {
	*k.shown = true
	return k.PublicKey.Marshal()
}
