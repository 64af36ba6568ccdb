package identity

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"sync"
	"time"

	"tunneld/internal/wholefile"
)

const (
	// knownHostsLimit bounds a known_hosts file, in bytes.
	knownHostsLimit = 64 << 20
	// settled is how old a file must be before it is kept: a clock of coarse
	// grain may give the next change the same time, and chance the same size.
	settled = 2 * time.Second
)

// knownHostsFiles keeps what was read of each file until the file changes: 200
// links that redial need not parse the same file 200 times.
var knownHostsFiles = &fileCache{files: map[string]*cachedFile{}}

// fileCache has a lock for each file: one on a network share that is away
// blocks only whoever needs it.
type fileCache struct {
	mu    sync.Mutex // guards files, never while one is read
	files map[string]*cachedFile
}

// cachedFile is the place of one file in the cache.
type cachedFile struct {
	mu     sync.Mutex  // held while the file is read, so that it is read once
	parsed *parsedFile // nil when nothing is kept
}

// parsedFile is what was read of one file.
type parsedFile struct {
	info    fs.FileInfo
	entries []entry
	bad     []BadLine

	mu    sync.Mutex
	about map[string]about // by lookup name: a hashed file costs an HMAC a line
}

// about is what a file says of one server.
type about struct {
	keys []knownKey
	bad  []BadLine // lines about it whose key cannot be read
}

// find returns what the file says of name.
func (p *parsedFile) find(name string) about {
	p.mu.Lock()
	defer p.mu.Unlock()
	a, ok := p.about[name]
	if !ok {
		a = findAbout(p.entries, name)
		p.about[name] = a
	}
	return a
}

// file returns the place of a file, which is kept for good: profiles name few.
func (c *fileCache) file(path string) *cachedFile {
	c.mu.Lock()
	defer c.mu.Unlock()
	f, ok := c.files[path]
	if !ok {
		f = &cachedFile{}
		c.files[path] = f
	}
	return f
}

// read returns the content of a file. One that does not exist is empty, and so
// is the null device, which stands for no file in an ssh_config.
func (c *fileCache) read(file string) (*parsedFile, error) { return c.file(file).read(file) }

func (c *cachedFile) read(file string) (*parsedFile, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	info, err := os.Stat(file)
	if errors.Is(err, fs.ErrNotExist) || file == os.DevNull {
		c.parsed = nil
		return &parsedFile{about: map[string]about{}}, nil
	}
	if err != nil {
		return nil, err
	}
	if c.parsed != nil && unchanged(c.parsed.info, info) {
		return c.parsed, nil
	}
	c.parsed = nil
	data, err := readRegular(file, info)
	if err != nil {
		return nil, err
	}
	f := &parsedFile{info: info, about: map[string]about{}}
	f.entries, f.bad = parseKnownHosts(file, data)
	if time.Since(info.ModTime()) > settled {
		c.parsed = f
	}
	return f, nil
}

func unchanged(a, b fs.FileInfo) bool {
	return os.SameFile(a, b) && a.ModTime().Equal(b.ModTime()) && a.Size() == b.Size() && a.Mode() == b.Mode()
}

// readRegular reads a file, but never a pipe or a device: that may have no end.
func readRegular(file string, info fs.FileInfo) ([]byte, error) {
	if err := checkReadable(file, info); err != nil {
		return nil, err
	}
	return wholefile.Read(file)
}

// checkReadable says why a file is not to be read as a whole.
func checkReadable(file string, info fs.FileInfo) error {
	if !info.Mode().IsRegular() {
		return fmt.Errorf("%s is not a regular file", file)
	}
	if info.Size() > knownHostsLimit {
		return fmt.Errorf("%s has more than %d MiB", file, knownHostsLimit>>20)
	}
	return nil
}
