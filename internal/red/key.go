package red

import (
	"bytes"
	"math/bits"
	"strings"
	"unicode/utf8"

	"github.com/zeebo/xxh3"
)

// key is a label set. Of an edge, service is the client, peer the server, and class tells whether it is virtual.
type key struct {
	kind                  Kind
	class                 uint8
	service, peer, method string
	route                 []byte
}

const edge Kind = 2 // neither Server nor Client

const (
	other      = "other"
	classOther = 6
	mostRoute  = 128

	instrumented = 0 // classes of edges
	virtual      = 1
)

var otherRoute = []byte(other)

func requestKey(r *Request) key {
	k := key{kind: r.Kind, service: r.Service, peer: r.Peer, method: r.Method, route: r.Route}
	if r.Class < classOther {
		k.class = r.Class
	}
	if len(k.route) > mostRoute {
		k.route = k.route[:mostRoute]
	}
	return k
}

func edgeClass(r *Request) uint8 {
	if r.Edge == EdgeVirtual {
		return virtual
	}
	return instrumented
}

// edgeKey gives the edge of a request, and whether it is one.
func edgeKey(r *Request) (key, bool) {
	k := key{kind: edge, class: edgeClass(r), service: r.Peer, peer: r.Service}
	if r.Kind == Client {
		k.service, k.peer = r.Service, r.Peer
	}
	if k.class == virtual && k.service == "" {
		k.service = "user"
	}
	return k, k.service != "" && k.peer != ""
}

func (k *key) equal(o *key) bool {
	return k.kind == o.kind && k.class == o.class && k.service == o.service && k.peer == o.peer && k.method == o.method &&
		bytes.Equal(k.route, o.route)
}

// hash gives a hash of k. Its parts are hashed apart from each other, so that the processor does it side by side.
func (k *key) hash(seed uint64) uint64 {
	h := xxh3.HashStringSeed(k.service, seed) ^ bits.RotateLeft64(xxh3.HashStringSeed(k.peer, seed+1), 13)
	if k.kind != edge {
		h ^= bits.RotateLeft64(xxh3.HashStringSeed(k.method, seed+2), 29) ^ bits.RotateLeft64(xxh3.HashSeed(k.route, seed+3), 43)
	}
	return h ^ uint64(k.class)<<2 ^ uint64(k.kind)
}

// clean makes the strings of k fit for labels, and tells whether any has changed. A route that must be changed is put into
// room, which has mostRoute bytes.
func (k *key) clean(room []byte) (changed bool) {
	for _, s := range []*string{&k.service, &k.peer, &k.method} {
		if !utf8.ValidString(*s) {
			*s, changed = strings.ToValidUTF8(*s, "\uFFFD"), true
		}
	}
	if !utf8.Valid(k.route) {
		k.route, changed = appendValid(room[:0], k.route, len(room)), true
	}
	return changed
}

// appendValid appends src to dst, up to that many bytes in all and with U+FFFD for each run of bytes that are not UTF-8.
func appendValid(dst, src []byte, most int) []byte {
	for broken := false; len(src) > 0; {
		r, n := utf8.DecodeRune(src)
		was := broken
		broken = r == utf8.RuneError && n == 1
		src = src[n:]
		if broken && was {
			continue
		}
		if len(dst)+utf8.RuneLen(r) > most {
			break
		}
		dst = utf8.AppendRune(dst, r)
	}
	return dst
}

// widen makes k what it is counted under when there is no room for it, see family.room.
func (k *key) widen(level int) {
	k.peer = other
	if k.kind == edge {
		k.service = other
		return
	}
	k.method, k.route = other, otherRoute
	if level > 0 {
		k.service, k.class = other, classOther
	}
}
