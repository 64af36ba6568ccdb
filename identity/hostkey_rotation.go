package identity

import (
	"errors"
	"fmt"
	"slices"

	"golang.org/x/crypto/ssh"
)

// proveRequest is the global request that asks for proofs, and the first string
// of what a proof signs.
const proveRequest = "hostkeys-prove-00@openssh.com"

const (
	rotationBytes = 256 << 10 // of a payload, as much as one packet holds
	rotationKeys  = 64        // of one server
)

// ParseHostKeys reads the payload of the global request hostkeys-00@openssh.com,
// in which a server names all its host keys after authentication (OpenSSH,
// PROTOCOL section 2.5; draft-miller-sshm-hostkey-update). Keys of unknown or
// broken types, certificates and duplicates are skipped. Naming a key proves
// nothing: see [VerifyProofs].
func ParseHostKeys(payload []byte) ([]ssh.PublicKey, error) {
	blobs, err := parseStrings(payload)
	if err != nil {
		return nil, fmt.Errorf("host keys of the server: %w", err)
	}
	var keys []ssh.PublicKey
	for _, blob := range blobs {
		key, err := ssh.ParsePublicKey(blob)
		if err != nil || key.Type() == keyTypeDSA || containsKey(keys, key) {
			continue
		}
		if _, isCert := key.(*ssh.Certificate); !isCert {
			keys = append(keys, key)
		}
	}
	return keys, nil
}

// ProofRequest returns the payload of hostkeys-prove-00@openssh.com for keys.
// The server's reply goes to [VerifyProofs].
func ProofRequest(keys []ssh.PublicKey) []byte {
	var payload []byte
	for _, key := range keys {
		payload = append(payload, ssh.Marshal(struct{ Key []byte }{key.Marshal()})...)
	}
	return payload
}

// VerifyProofs checks the reply to a [ProofRequest] for the same keys: for each
// one, in order, a signature over the request's name, the session id and the key
// (PROTOCOL section 2.5). RSA keys must sign with SHA-2 (RFC 8332). An error
// means that none of the keys is to be learned.
func VerifyProofs(sessionID []byte, keys []ssh.PublicKey, reply []byte) error {
	proofs, err := parseStrings(reply)
	if err != nil {
		return fmt.Errorf("proofs of host keys: %w", err)
	}
	if len(proofs) != len(keys) {
		return fmt.Errorf("proofs of host keys: %d for %d keys", len(proofs), len(keys))
	}
	for i, key := range keys {
		if err := verifyProof(sessionID, key, proofs[i]); err != nil {
			return fmt.Errorf("proof of %s %s: %w", key.Type(), ssh.FingerprintSHA256(key), err)
		}
	}
	return nil
}

func verifyProof(sessionID []byte, key ssh.PublicKey, proof []byte) error {
	var sig ssh.Signature
	if err := ssh.Unmarshal(proof, &sig); err != nil {
		return err
	}
	if !slices.Contains(algorithmsOf(key.Type()), sig.Format) {
		return fmt.Errorf("signed with %q", sig.Format)
	}
	return key.Verify(proofData(sessionID, key), &sig)
}

// proofData is what a proof signs.
func proofData(sessionID []byte, key ssh.PublicKey) []byte {
	return ssh.Marshal(struct {
		Request        string
		SessionID, Key []byte
	}{proveRequest, sessionID, key.Marshal()})
}

// parseStrings reads strings (RFC 4251 section 5) up to the end of data.
func parseStrings(data []byte) (list [][]byte, err error) {
	if len(data) > rotationBytes {
		return nil, fmt.Errorf("%d bytes are too many", len(data))
	}
	for len(data) > 0 {
		var s struct {
			Value []byte
			Rest  []byte `ssh:"rest"`
		}
		if err := ssh.Unmarshal(data, &s); err != nil {
			return nil, errors.New("cut short")
		}
		if len(list) == rotationKeys {
			return nil, fmt.Errorf("more than %d", rotationKeys)
		}
		list, data = append(list, s.Value), s.Rest
	}
	return list, nil
}
