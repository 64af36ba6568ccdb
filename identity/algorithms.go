package identity

import (
	"strings"

	"golang.org/x/crypto/ssh"
)

// keyTypeDSA is broken: keys of this type are neither learned nor believed as
// authorities (RFC 4253 section 6.6).
const keyTypeDSA = "ssh-dss"

// algorithmsOf returns the signature algorithms of a plain key type, strongest
// first. An RSA key signs with SHA-2 only (RFC 8332).
func algorithmsOf(keyType string) []string {
	if keyType == ssh.KeyAlgoRSA {
		return []string{ssh.KeyAlgoRSASHA512, ssh.KeyAlgoRSASHA256}
	}
	return []string{keyType}
}

// isCertAlgorithm reports whether the algorithm is of certificates
// (PROTOCOL.certkeys).
func isCertAlgorithm(algorithm string) bool {
	return strings.Contains(algorithm, "-cert-v0")
}
