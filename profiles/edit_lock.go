package profiles

import (
	"fmt"
	"time"
)

const (
	lockWait = 10 * time.Second // for others that edit here
	lockPoll = 10 * time.Millisecond
)

// alone calls edit while no other process edits in the folder by this package:
// else, of two edits at once, one would be lost. A folder that cannot be locked, as
// on NFS or where there is none, has only the comparison in [ReplaceFile].
func alone(dir string, edit func() error) error {
	lock, busy := lockFolder(dir)
	for end := time.Now().Add(lockWait); busy; lock, busy = lockFolder(dir) {
		if time.Now().After(end) {
			return fmt.Errorf("another program has edited in %s for %s", dir, lockWait)
		}
		time.Sleep(lockPoll)
	}
	if lock != nil {
		defer lock.Close()
	}
	return edit()
}
