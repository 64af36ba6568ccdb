package profiles

import (
	"fmt"
	"os"
	"time"
)

const (
	lockWait = 10 * time.Second // for others that edit here, or read what is replaced
	lockPoll = 10 * time.Millisecond
)

// alone calls edit while no other process edits in the folder by this package:
// else, of two edits at once, one would be lost. A folder that cannot be locked, as
// on NFS or where there is none, has only the comparison in [ReplaceFile].
func alone(dir string, edit func() error) error {
	var lock *os.File
	if !poll(func() (busy bool) { lock, busy = lockFolder(dir); return busy }) {
		return fmt.Errorf("another program has edited in %s for %s", dir, lockWait)
	}
	if lock != nil {
		defer lock.Close()
	}
	return edit()
}

// poll calls try until it is not busy, at most for lockWait.
func poll(try func() (busy bool)) (done bool) {
	for end := time.Now().Add(lockWait); try(); time.Sleep(lockPoll) {
		if time.Now().After(end) {
			return false
		}
	}
	return true
}
