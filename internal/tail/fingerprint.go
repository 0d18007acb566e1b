package tail

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"hash/crc32"
	"hash/fnv"
	"strconv"
	"strings"
)

const (
	printed  = 1 << 10 // bytes of a file that its fingerprint covers
	printRow = 32
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// fingerprint says what a file begins with: a checksum of its first bytes, and of the first 32, 64 and so on, so that
// a file that was cut can still be told from one that was rewritten. The zero value is that of an empty file.
type fingerprint struct {
	n    int
	sums []uint32
}

func newFingerprint(head []byte) fingerprint {
	f := fingerprint{n: len(head)}
	sum := uint32(0)
	for len(head) > 0 {
		row := head[:min(printRow, len(head))]
		sum = crc32.Update(sum, castagnoli, row)
		f.sums = append(f.sums, sum)
		head = head[len(row):]
	}
	return f
}

// matches says whether a file that begins with head, all of it or its first KiB, may be the one of the fingerprint. Of
// less than 32 bytes of it nothing can be said: it does not match.
func (f fingerprint) matches(head []byte) bool {
	if len(head) >= f.n {
		return f.n == 0 || crc32.Checksum(head[:f.n], castagnoli) == f.sums[len(f.sums)-1]
	}
	rows := len(head) / printRow
	return rows > 0 && crc32.Checksum(head[:rows*printRow], castagnoli) == f.sums[rows-1]
}

// MarshalText gives the number of bytes and the checksums.
func (f fingerprint) MarshalText() ([]byte, error) {
	text := strconv.AppendInt(nil, int64(f.n), 10)
	text = append(text, ':')
	for _, sum := range f.sums {
		text = hex.AppendEncode(text, binary.BigEndian.AppendUint32(nil, sum))
	}
	return text, nil
}

// UnmarshalText is the inverse of MarshalText.
func (f *fingerprint) UnmarshalText(text []byte) error {
	n, sums, _ := strings.Cut(string(text), ":")
	var err error
	if f.n, err = strconv.Atoi(n); err != nil {
		return fmt.Errorf("cannot read fingerprint %q: %w", text, err)
	}
	raw, err := hex.DecodeString(sums)
	if err != nil {
		return fmt.Errorf("cannot read fingerprint %q: %w", text, err)
	}
	if f.n < 0 || f.n > printed || len(raw) != (f.n+printRow-1)/printRow*4 {
		return fmt.Errorf("cannot read fingerprint %q: %w", text, errors.New("its length does not fit its checksums"))
	}
	f.sums = nil
	for ; len(raw) > 0; raw = raw[4:] {
		f.sums = append(f.sums, binary.BigEndian.Uint32(raw))
	}
	return nil
}

// identity gives what Batch.File says: a hash of where the file is and of its first line, which by then is complete.
func identity(k key, head []byte) uint64 {
	first, _, _ := bytes.Cut(head, []byte("\n"))
	return hash(first, k.device, k.inode)
}

func hash(text []byte, numbers ...uint64) uint64 {
	h := fnv.New64a()
	for _, n := range numbers {
		h.Write(binary.BigEndian.AppendUint64(nil, n))
	}
	h.Write(text)
	return max(h.Sum64(), 1) // 0 is not known yet
}
