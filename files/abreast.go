package files

import (
	"slices"
	"strings"
)

// A small file costs several round trips and few bytes: many are copied at once.
const (
	abreast = 32
	small   = 64 << 10
)

// task is something that is done while the walk through the tree goes on.
type task struct {
	target string
	after  bool // all that began before
	do     func() error
	tell   func(error) error // of a failure; what it returns ends the copy
	err    error             // of do, set before over is closed
	over   chan struct{}
}

func (t *task) run() {
	defer close(t.over)
	t.err = t.do()
}

// beside runs a task once there is room. Two for one target come one after another.
func (c *copying) beside(t *task) error {
	if err := c.joinBefore(t); err != nil {
		return err
	}
	for len(c.tasks) >= abreast {
		if err := c.joinFirst(); err != nil {
			return err
		}
	}
	t.over = make(chan struct{})
	c.tasks = append(c.tasks, t)
	go t.run()
	return nil
}

// joinBefore waits for what t comes after.
func (c *copying) joinBefore(t *task) error {
	if t.after {
		return c.join()
	}
	return c.joinAt(t.target)
}

// joinAt waits for all tasks if one is at the target, by a name that may be the
// same where upper and lower case are.
func (c *copying) joinAt(target string) error {
	if slices.ContainsFunc(c.tasks, func(t *task) bool { return strings.EqualFold(t.target, target) }) {
		return c.join()
	}
	return nil
}

// joinFirst waits for the oldest task: failures are told in the order of the walk.
func (c *copying) joinFirst() error {
	t := c.tasks[0]
	c.tasks = c.tasks[1:]
	<-t.over
	if t.err == nil {
		return nil
	}
	return t.tell(t.err)
}

// join waits for all tasks.
func (c *copying) join() error {
	for len(c.tasks) > 0 {
		if err := c.joinFirst(); err != nil {
			return err
		}
	}
	return nil
}

// abandon waits for tasks of a copy that has ended: what comes of them is not told.
func (c *copying) abandon() {
	for _, t := range c.tasks {
		<-t.over
	}
}
