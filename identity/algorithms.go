package identity

import (
	"slices"
	"strings"

	"golang.org/x/crypto/ssh"
)

// algorithmsOf returns the signature algorithms of a plain key type, strongest
// first. An RSA key signs with SHA-2 only (RFC 8332).
func algorithmsOf(keyType string) []string {
	if keyType == ssh.KeyAlgoRSA {
		return []string{ssh.KeyAlgoRSASHA512, ssh.KeyAlgoRSASHA256}
	}
	return []string{keyType}
}

// certAlgorithms returns those of algorithms that are of host certificates.
func certAlgorithms(algorithms []string) []string {
	return slices.DeleteFunc(slices.Clone(algorithms), func(a string) bool {
		return !strings.Contains(a, "-cert-v0")
	})
}
