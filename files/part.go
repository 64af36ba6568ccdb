package files

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"
	"time"
)

// partial is the temporary file of a job.
type partial struct {
	path string
	of   version
	kept bool // it is there from an attempt before
}

// version is what tells that a file is still the same.
type version struct {
	size     int64
	modified time.Time
}

func versionOf(info fs.FileInfo) version { return version{info.Size(), info.ModTime()} }

// namePart names the temporary file beside the target. The name lasts from one
// session to the next, for as long as the source is the same; with Resume from one
// run to the next. Otherwise no two runs share one: each renames only what it
// wrote itself.
func (c *copying) namePart(j *job) {
	of := versionOf(j.info)
	if j.part.path != "" {
		if j.part.of == of {
			return
		}
		_ = c.to.remove(j.part.path) // it is of no use, at worst it stays
	}
	id := strings.ToLower(rand.Text())
	if c.Resume {
		id = c.identity(j, of)
	}
	j.part = partial{path: c.folderOf(j.target) + ".tunneld-" + id[:20] + ".part", of: of}
}

// identity is different for every file of every server, and for its versions.
func (c *copying) identity(j *job, of version) string {
	source := j.source
	if whole, err := filepath.Abs(source); c.up && err == nil {
		source = whole
	}
	sum := sha256.Sum256(fmt.Appendf(nil, "%q %q %q %d %d", c.Server, source, c.to.base(j.target), of.size, of.modified.UnixNano()))
	return hex.EncodeToString(sum[:])
}
