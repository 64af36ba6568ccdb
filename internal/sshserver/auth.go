package sshserver

import (
	"bytes"
	"errors"

	"golang.org/x/crypto/ssh"
)

var errNotAuthorized = errors.New("key is not authorized")

// config builds what one connection needs, so that new host keys count from
// the next one on.
func (s *Server) config() *ssh.ServerConfig {
	cfg := &ssh.ServerConfig{
		Config:          s.Config,
		ServerVersion:   s.Version,
		MaxAuthTries:    s.MaxAuthTries,
		AuthLogCallback: s.logAuth,
	}
	if s.offersPublicKey() {
		cfg.PublicKeyCallback = s.publicKey
	}
	if s.Password != nil {
		cfg.PasswordCallback = s.password
	}
	if s.KeyboardInteractive != nil {
		cfg.KeyboardInteractiveCallback = s.keyboardInteractive
	}
	if s.Banner != nil {
		cfg.BannerCallback = s.banner
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, key := range s.hostKeys {
		cfg.AddHostKey(key)
	}
	return cfg
}

// offersPublicKey tells whether public keys are offered: when some could be
// accepted, and when there is no other method, since a server needs one.
func (s *Server) offersPublicKey() bool {
	return s.PublicKey != nil || len(s.AuthorizedKeys) > 0 || (s.Password == nil && s.KeyboardInteractive == nil)
}

// publicKey is asked once per key and connection, before the signature.
func (s *Server) publicKey(meta ssh.ConnMetadata, key ssh.PublicKey) (*ssh.Permissions, error) {
	err := s.authorize(meta.User(), key)
	s.record(Attempt{User: meta.User(), Method: "publickey", Fingerprint: ssh.FingerprintSHA256(key), Err: err})
	return nil, err
}

func (s *Server) authorize(user string, key ssh.PublicKey) error {
	if s.PublicKey != nil {
		return s.PublicKey(user, key)
	}
	for _, k := range s.AuthorizedKeys {
		if bytes.Equal(k.Marshal(), key.Marshal()) {
			return nil
		}
	}
	return errNotAuthorized
}

func (s *Server) password(meta ssh.ConnMetadata, password []byte) (*ssh.Permissions, error) {
	return nil, s.Password(meta.User(), string(password))
}

func (s *Server) keyboardInteractive(meta ssh.ConnMetadata, ask ssh.KeyboardInteractiveChallenge) (*ssh.Permissions, error) {
	return nil, s.KeyboardInteractive(meta.User(), ask)
}

func (s *Server) banner(meta ssh.ConnMetadata) string {
	return s.Banner(meta.User())
}

// logAuth records all but the keys, which publicKey records with their
// fingerprints.
func (s *Server) logAuth(meta ssh.ConnMetadata, method string, err error) {
	if method != "publickey" || !s.offersPublicKey() {
		s.record(Attempt{User: meta.User(), Method: method, Err: err})
	}
}
