package identity

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/zalando/go-keyring"
)

// Store keeps a secret in the keyring of this account, where keyring:NAME finds
// it.
func (s Source) Store(ctx context.Context, name string, secret []byte) error {
	if len(secret) == 0 {
		return errors.New("the secret is empty")
	}
	return s.changeKeyring(ctx, name, func() error { return keyring.Set(keyringService, name, string(secret)) })
}

// Remove forgets what Store kept.
func (s Source) Remove(ctx context.Context, name string) error {
	err := s.changeKeyring(ctx, name, func() error { return keyring.Delete(keyringService, name) })
	if errors.Is(err, keyring.ErrNotFound) {
		return fmt.Errorf("the keyring has no %s for the service %s", name, keyringService)
	}
	return err
}

// changeKeyring bounds a change like fromKeyring a question.
func (s Source) changeKeyring(ctx context.Context, name string, change func() error) error {
	if name == "" || strings.ContainsFunc(name, func(r rune) bool { return r < ' ' || r == 0x7f }) {
		return errors.New("a secret needs a name of printable characters")
	}
	if err := s.checkBus(); err != nil {
		return err
	}
	done := make(chan error, 1)
	go runChange(change, done)
	timer := time.NewTimer(s.limit())
	defer timer.Stop()
	select {
	case err := <-done:
		return err
	case <-timer.C:
		return fmt.Errorf("the keyring does not answer within %s: it may be locked", s.limit())
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func runChange(change func() error, done chan<- error) { done <- change() }
