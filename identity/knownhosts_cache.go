package identity

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"sync"
	"time"
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
var knownHostsFiles = &fileCache{files: map[string]*parsedFile{}}

type fileCache struct {
	mu    sync.Mutex
	files map[string]*parsedFile
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

// read returns the content of a file. One that does not exist is empty, and so
// is the null device, which stands for no file in an ssh_config.
func (c *fileCache) read(file string) (*parsedFile, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	info, err := os.Stat(file)
	if errors.Is(err, fs.ErrNotExist) || file == os.DevNull {
		delete(c.files, file)
		return &parsedFile{about: map[string]about{}}, nil
	}
	if err != nil {
		return nil, err
	}
	if f, ok := c.files[file]; ok && unchanged(f.info, info) {
		return f, nil
	}
	delete(c.files, file)
	data, err := readRegular(file, info)
	if err != nil {
		return nil, err
	}
	f := &parsedFile{info: info, about: map[string]about{}}
	f.entries, f.bad = parseKnownHosts(file, data)
	if time.Since(info.ModTime()) > settled {
		c.files[file] = f
	}
	return f, nil
}

func unchanged(a, b fs.FileInfo) bool {
	return os.SameFile(a, b) && a.ModTime().Equal(b.ModTime()) && a.Size() == b.Size() && a.Mode() == b.Mode()
}

// readRegular reads a file, but never a pipe or a device: that may have no end.
func readRegular(file string, info fs.FileInfo) ([]byte, error) {
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s is not a regular file", file)
	}
	if info.Size() > knownHostsLimit {
		return nil, fmt.Errorf("%s has more than %d MiB", file, knownHostsLimit>>20)
	}
	return os.ReadFile(file)
}
