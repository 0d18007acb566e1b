// Package mark takes the number of an entry (which run, which stream, which one of it) and gives ids that bear it, and
// gives the number back: so a sink that saw nothing but spans names every lost and every doubled one.
package mark

import (
	"encoding/binary"
	"encoding/hex"
)

// ID is the number of one entry. Run is not 0, Stream is below 1<<16 and Seq below 1<<40.
type ID struct {
	Run    uint32
	Stream uint32
	Seq    uint64
}

const seqBits = 40

// salt keeps the first item's id from being all zeros.
const salt = 0x9e3779b97f4a7c15

func (i ID) low() uint64 { return mix((uint64(i.Stream)<<seqBits | i.Seq) ^ salt) }

func fromLow(run uint32, low uint64) ID {
	x := unmix(low) ^ salt
	return ID{Run: run, Stream: uint32(x >> seqBits), Seq: x & (1<<seqBits - 1)}
}

// Trace gives the trace id. It looks random, as real ones do, so that tables which hash it meet no pattern.
func (i ID) Trace() (t [16]byte) {
	binary.BigEndian.PutUint64(t[:], mix(uint64(i.Run)))
	binary.BigEndian.PutUint64(t[8:], i.low())
	return t
}

// FromTrace gives the number in a trace id. An id that Trace has not made gives nonsense or false.
func FromTrace(t []byte) (ID, bool) {
	if len(t) != 16 {
		return ID{}, false
	}
	run := unmix(binary.BigEndian.Uint64(t))
	if run == 0 || run > 1<<32-1 {
		return ID{}, false
	}
	return fromLow(uint32(run), binary.BigEndian.Uint64(t[8:])), true
}

// Span gives the id of the caller's span.
func (i ID) Span() (s [8]byte) {
	binary.BigEndian.PutUint64(s[:], mix(^(uint64(i.Stream)<<seqBits | i.Seq)))
	return s
}

// RequestIDSize is the length of a UUID as text.
const RequestIDSize = 36

// PutRequestID writes the x-request-id, a UUID of version 4, over dst[:RequestIDSize].
func (i ID) PutRequestID(dst []byte) {
	low := i.low()
	var b [16]byte
	binary.BigEndian.PutUint32(b[:], i.Run)
	binary.BigEndian.PutUint16(b[4:], uint16(low>>48))
	binary.BigEndian.PutUint16(b[6:], 0x4000|uint16(low>>36)&0xfff)
	binary.BigEndian.PutUint16(b[8:], 0xa000|uint16(low>>24)&0xfff)
	binary.BigEndian.PutUint32(b[10:], uint32(low)<<8|0x5a)
	binary.BigEndian.PutUint16(b[14:], 0xa5a5)
	hex.Encode(dst, b[:4])
	dst[8] = '-'
	hex.Encode(dst[9:], b[4:6])
	dst[13] = '-'
	hex.Encode(dst[14:], b[6:8])
	dst[18] = '-'
	hex.Encode(dst[19:], b[8:10])
	dst[23] = '-'
	hex.Encode(dst[24:], b[10:16])
}

// FromRequestID gives the number in an x-request-id.
func FromRequestID(s []byte) (ID, bool) {
	if len(s) != RequestIDSize {
		return ID{}, false
	}
	var b [16]byte
	n := 0
	for _, p := range [][]byte{s[:8], s[9:13], s[14:18], s[19:23], s[24:]} {
		m, err := hex.Decode(b[n:], p)
		if err != nil {
			return ID{}, false
		}
		n += m
	}
	run := binary.BigEndian.Uint32(b[:])
	low := uint64(binary.BigEndian.Uint16(b[4:]))<<48 | uint64(binary.BigEndian.Uint16(b[6:])&0xfff)<<36 |
		uint64(binary.BigEndian.Uint16(b[8:])&0xfff)<<24 | uint64(binary.BigEndian.Uint32(b[10:])>>8)
	return fromLow(run, low), run != 0
}

// mix is a bijection that spreads its bits (the finalizer of splitmix64), so it can be undone.
func mix(x uint64) uint64 {
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

// unmix undoes mix: the factors are the inverses modulo 1<<64.
func unmix(x uint64) uint64 {
	x = unshift(x, 31) * 0x319642b2d24d8ec3
	x = unshift(x, 27) * 0x96de1b173f119089
	return unshift(x, 30)
}

// unshift undoes x ^ x>>n.
func unshift(x uint64, n uint) uint64 { return x ^ x>>n ^ x>>(2*n) }
