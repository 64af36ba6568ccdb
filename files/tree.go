package files

import (
	"io/fs"
	"slices"
	"strings"
)

// items copies every source to its place in or as target.
func (c *copying) items(sources []string, target string) error {
	known, err := c.look(c.to.stat, target)
	intoFolder := err == nil && known.IsDir()
	switch {
	case err != nil && !isAbsent(err):
		c.alone = true
		return c.fail(c.to, target, err)
	case len(sources) > 1 && !intoFolder:
		c.alone = true
		return c.fail(c.to, target, errNotFolder)
	}
	for _, source := range sources {
		info, err := c.source(source)
		c.alone = len(sources) == 1 && (err != nil || !info.IsDir())
		place := target
		if intoFolder {
			place = c.inside(target, source)
		}
		switch {
		case err == nil && !info.IsDir() && !intoFolder && strings.HasSuffix(target, "/"):
			err = c.fail(c.to, target, errNotFolder)
		case err != nil:
			err = c.fail(c.from, source, err)
		default:
			err = c.item(node{source: source, target: place, info: info})
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// inside is where source goes in a folder; "." and ".." go on as the folder itself.
func (c *copying) inside(folder, source string) string {
	name := c.from.base(source)
	if plainName(name) != nil {
		return folder
	}
	return c.to.join(folder, name)
}

// plainName refuses what is no name in a folder.
func plainName(name string) error {
	if name == "" || name == "." || name == ".." || strings.ContainsAny(name, "/\x00") {
		return errName
	}
	return nil
}

// source is what a path leads to.
func (c *copying) source(path string) (fs.FileInfo, error) {
	info, err := c.look(c.from.stat, path)
	if err == nil || isEnding(err) {
		return info, err
	}
	if link, lerr := c.look(c.from.lstat, path); lerr == nil && link.Mode()&fs.ModeSymlink != 0 {
		return nil, errNowhere
	}
	return nil, err
}

// node is one thing to copy.
type node struct {
	source, target string
	info           fs.FileInfo // of the source
	above          []string    // the folders that lead to it, without symbolic links
	fresh          bool        // there can be nothing in its place
}

// item copies a file or a folder.
func (c *copying) item(n node) error {
	switch {
	case n.info.IsDir() && !c.Recursive:
		return c.fail(c.from, n.source, errFolder)
	case n.info.IsDir():
		return c.folder(n)
	case !n.info.Mode().IsRegular():
		return c.fail(c.from, n.source, errIrregular)
	}
	return c.file(n)
}

// folder copies a folder and what is in it.
func (c *copying) folder(n node) error {
	var real string
	var entries []fs.FileInfo
	err := c.again(func(*session) (err error) {
		if real, err = c.from.real(n.source); err != nil {
			return err
		}
		if slices.Contains(n.above, real) {
			return errLoop
		}
		entries, err = c.from.list(n.source)
		return err
	})
	if err != nil {
		return c.fail(c.from, n.source, err)
	}
	if err := c.joinAt(n.target); err != nil {
		return err
	}
	made, err := c.makeFolder(&n)
	if err != nil {
		return c.fail(c.to, n.target, err)
	}
	slices.SortFunc(entries, func(a, b fs.FileInfo) int { return strings.Compare(a.Name(), b.Name()) })
	for _, e := range entries {
		child := node{info: e, fresh: made, above: append(n.above[:len(n.above):len(n.above)], real)}
		child.source, child.target = c.from.join(n.source, e.Name()), c.to.join(n.target, e.Name())
		if err := c.child(child); err != nil {
			return err
		}
	}
	if made || c.Preserve {
		c.filled = append(c.filled, c.settling(n, made))
	}
	return nil
}

// child copies what was found in a folder.
func (c *copying) child(n node) error {
	if err := plainName(n.info.Name()); err != nil {
		return c.fail(c.from, n.source, err)
	}
	if err := c.to.name(n.info.Name()); err != nil {
		return c.fail(c.from, n.source, err)
	}
	if n.info.Mode()&fs.ModeSymlink != 0 {
		var err error
		if n.info, err = c.source(n.source); err != nil {
			return c.fail(c.from, n.source, err)
		}
	}
	return c.item(n)
}

// makeFolder makes the folder unless it is there. While it is filled, its owner may
// do everything in it.
func (c *copying) makeFolder(n *node) (made bool, err error) {
	err = c.again(func(*session) error {
		if known, err := c.to.stat(n.target); err == nil {
			if !known.IsDir() {
				return errNotFolder
			}
			return nil
		}
		want := n.info.Mode().Perm()
		if err := c.to.mkdir(n.target, want|0o700); err != nil {
			return err
		}
		made = true
		born, err := c.to.stat(n.target)
		if err != nil {
			return err
		}
		if least := want&born.Mode().Perm() | 0o700; least != born.Mode().Perm() {
			return c.to.chmod(n.target, least)
		}
		return nil
	})
	return made, err
}

// settleFolders settles what was filled, the inner ones first.
func (c *copying) settleFolders() error {
	if err := c.join(); err != nil {
		return err
	}
	for _, t := range c.filled {
		if err := c.beside(t); err != nil {
			return err
		}
	}
	return c.join()
}

// settling gives a folder that is filled its permissions and time.
func (c *copying) settling(n node, made bool) *task {
	return &task{
		target: n.target,
		after:  n.info.Mode().Perm()&0o700 != 0o700, // nothing in it can be reached any more
		do:     func() error { return c.again(func(*session) error { return c.settleFolder(n, made) }) },
		tell:   func(err error) error { return c.report(c.to, n.target, err) },
	}
}

func (c *copying) settleFolder(n node, made bool) error {
	want := n.info.Mode().Perm()
	if c.Preserve {
		if err := c.to.chtime(n.target, n.info.ModTime()); err != nil {
			return err
		}
		return c.to.chmod(n.target, want)
	}
	if !made || want&0o700 == 0o700 {
		return nil
	}
	known, err := c.to.stat(n.target)
	if err != nil {
		return err
	}
	return c.to.chmod(n.target, want&known.Mode().Perm())
}
