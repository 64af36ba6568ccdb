package daemon

import (
	"crypto/rand"
	"fmt"
	"os"
	"path/filepath"
	"sync"

	"tunneld/control"
	"tunneld/internal/wholefile"
	"tunneld/x11"
)

// cookiesFile, in the state folder, has the secret that the cookies of displays
// at servers are made of.
const cookiesFile = "x11.secret"

// cookiesSecret is its length in bytes.
const cookiesSecret = 32

// cookies makes the cookies of displays at servers: the same for the same
// display, also after a restart. They are made up, and open nothing here.
type cookies struct {
	dir     string // the state folder; "" means that there is none
	journal *journal
	check   func(path string) error // refuses a secret that others could have put there; nil refuses none

	once   sync.Once
	secret []byte
}

// of returns the cookie of a display at a server.
func (c *cookies) of(server string, number int) x11.Cookie {
	c.once.Do(c.load)
	return x11.CookieFor(c.secret, fmt.Sprintf("%s %d", server, number))
}

// load reads the secret, and makes it where there is none.
func (c *cookies) load() {
	if c.dir == "" {
		c.secret = newSecret()
		return
	}
	path := filepath.Join(c.dir, cookiesFile)
	if secret, err := c.read(path); err == nil && len(secret) == cookiesSecret {
		c.secret = secret
		return
	}
	c.secret = newSecret()
	if err := c.write(path); err != nil {
		c.journal.note(control.Event{Kind: "x11", Level: control.Warn, Message: "remote displays have other cookies after a restart", Detail: err.Error()})
	}
}

func (c *cookies) read(path string) ([]byte, error) {
	if c.check != nil {
		if err := c.check(path); err != nil {
			return nil, err
		}
	}
	return os.ReadFile(path)
}

func newSecret() []byte {
	secret := make([]byte, cookiesSecret)
	rand.Read(secret) // never fails: it ends the program sooner
	return secret
}

// write keeps the secret, for its owner alone.
func (c *cookies) write(path string) error {
	if err := os.MkdirAll(c.dir, 0o700); err != nil {
		return err
	}
	return wholefile.Write(path, c.secret, nil)
}
