package x11

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// Family is the kind of an address in an authority file.
type Family uint16

// The families that mean something here; others are kept and match nothing.
const (
	Internet  Family = 0     // 4 bytes of IPv4
	Internet6 Family = 6     // 16 bytes of IPv6
	Local     Family = 256   // the name of the host
	Wild      Family = 65535 // every address
)

// Record is one line of an authority file: what to show at which display.
type Record struct {
	Family  Family
	Address string // its bytes
	Number  string // of the display, in decimal; empty means every number
	Auth    Auth
}

// ErrTruncated says that an authority file ends within a record.
var ErrTruncated = errors.New("the authority file ends within a record")

// ReadAuthority reads the records of an authority file, as xauth(1) writes it:
// each a family and four strings with their lengths, all big-endian
// (Xau(3), "File format"). With ErrTruncated come the records before the cut.
func ReadAuthority(data []byte) ([]Record, error) {
	var records []Record
	for len(data) > 0 {
		r, rest, err := readRecord(data)
		if err != nil {
			return records, fmt.Errorf("record %d: %w", len(records)+1, err)
		}
		records, data = append(records, r), rest
	}
	return records, nil
}

func readRecord(data []byte) (r Record, rest []byte, err error) {
	if len(data) < 2 {
		return Record{}, nil, ErrTruncated
	}
	r.Family = Family(binary.BigEndian.Uint16(data))
	data = data[2:]
	var fields [4]string
	for i := range fields {
		if fields[i], data, err = readField(data); err != nil {
			return Record{}, nil, err
		}
	}
	r.Address, r.Number, r.Auth.Name = fields[0], fields[1], fields[2]
	if fields[3] != "" {
		r.Auth.Data = Cookie{&fields[3]}
	}
	return r, data, nil
}

func readField(data []byte) (field string, rest []byte, err error) {
	if len(data) < 2 {
		return "", nil, ErrTruncated
	}
	n := int(binary.BigEndian.Uint16(data))
	data = data[2:]
	if len(data) < n {
		return "", nil, ErrTruncated
	}
	return string(data[:n]), data[n:], nil
}

// AppendRecord appends r to an authority file. A field of more than 65535 bytes
// is an error.
func AppendRecord(data []byte, r Record) ([]byte, error) {
	out := binary.BigEndian.AppendUint16(data, uint16(r.Family))
	for _, field := range []string{r.Address, r.Number, r.Auth.Name, r.Auth.Data.bytes()} {
		if len(field) > 0xffff {
			return data, errors.New("a field of an authority record is over 65535 bytes")
		}
		out = binary.BigEndian.AppendUint16(out, uint16(len(field)))
		out = append(out, field...)
	}
	return out, nil
}

// authorityLimit bounds an authority file, in bytes: thousands of records.
const authorityLimit = 1 << 20

// readAll reads r, which may not be longer than authorityLimit.
func readAll(r io.Reader) ([]byte, error) {
	data, err := io.ReadAll(io.LimitReader(r, authorityLimit+1))
	if err == nil && len(data) > authorityLimit {
		return nil, fmt.Errorf("an authority file of over %d bytes", authorityLimit)
	}
	return data, err
}
