package identity

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/zalando/go-keyring"

	"tunneld/fault"
)

// keyringService is the name under which tunneld's secrets stand in a keyring.
const keyringService = "tunneld"

// keyringAnswer is what the keyring said.
type keyringAnswer struct {
	value string
	err   error
}

// fromKeyring asks the keyring of the account. D-Bus can hang and takes no
// context: then the question is left behind, and ends when the bus does.
func (s Source) fromKeyring(ctx context.Context, name string) ([]byte, error) {
	if name == "" {
		return nil, errors.New("no name")
	}
	if err := s.checkBus(); err != nil {
		return nil, err
	}
	answered := make(chan keyringAnswer, 1)
	go askKeyring(name, answered)
	timer := time.NewTimer(s.limit())
	defer timer.Stop()
	select {
	case a := <-answered:
		if errors.Is(a.err, keyring.ErrNotFound) {
			return nil, fault.New(fault.BadPassphrase, fault.Auth, "the keyring has no %s for the service %s", name, keyringService).
				WithHint("tunneld secret set %s", name)
		}
		return []byte(a.value), a.err
	case <-timer.C:
		return nil, fmt.Errorf("the keyring does not answer within %s: it may be locked", s.limit())
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

func askKeyring(name string, answered chan<- keyringAnswer) {
	value, err := keyring.Get(keyringService, name)
	answered <- keyringAnswer{value, err}
}
