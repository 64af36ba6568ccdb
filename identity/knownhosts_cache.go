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
var knownHostsFiles = &fileCache{files: map[string]cachedFile{}}

type fileCache struct {
	mu    sync.Mutex
	files map[string]cachedFile
}

type cachedFile struct {
	info    fs.FileInfo
	entries []entry
	bad     []BadLine
}

// read returns the lines of a file. A file that does not exist is empty, and so
// is the null device, which stands for no file in an ssh_config.
func (c *fileCache) read(file string) ([]entry, []BadLine, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	info, err := os.Stat(file)
	if errors.Is(err, fs.ErrNotExist) || file == os.DevNull {
		delete(c.files, file)
		return nil, nil, nil
	}
	if err != nil {
		return nil, nil, err
	}
	if f, ok := c.files[file]; ok && unchanged(f.info, info) {
		return f.entries, f.bad, nil
	}
	data, err := readRegular(file, info)
	if err != nil {
		return nil, nil, err
	}
	f := cachedFile{info: info}
	f.entries, f.bad = parseKnownHosts(file, data)
	delete(c.files, file)
	if time.Since(info.ModTime()) > settled {
		c.files[file] = f
	}
	return f.entries, f.bad, nil
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
