package spanbuilder

import (
	"math/rand/v2"
	"net/netip"
	"testing"
)

// An address is what netip says it is, for nothing.
func TestParseIP(t *testing.T) {
	all := []string{"10.4.0.2", "0.0.0.0", "255.255.255.255", "256.1.1.1", "1.2.3", "1.2.3.4.5", "1..2.3", "1.2.3.", ".1.2.3", "", "fd00::1", "::ffff:1.2.3.4",
		"1.2.3.4 ", "a", "1.2.3.4567", "envoy.internal", "/run/x.sock", "fe80::1%eth0", "fe80::1%", "01.2.3.4", "1.2.3.04", "::", ":", ":::", "::1", "1::", "1:", ":1", "1:2:3:4:5:6:7:8",
		"1:2:3:4:5:6:7:8:9", "1:2:3:4:5:6:7::", "::2:3:4:5:6:7:8", "1::3:4:5:6:7:8", "1::2::3", "12345::", "FD00::aB", "g::", "1:2:3:4:5:6:1.2.3.4", "1:2:3:4:5:6:7:1.2.3.4", "::1.2.3", "1:2:3:4:5:1.2.3.4",
		"::1.2.3.4:5", "1.2.3.4::", "::ffff:01.2.3.4", "::f.2.3.4", "::12345.1.1.1", "[::1]", "::1/64", "1:2:3:4:5:6::7:8"}
	r := rand.New(rand.NewPCG(1, 2))
	for range 200_000 {
		b := make([]byte, r.IntN(24))
		for i := range b {
			b[i] = ":::::..0123fFg%"[r.IntN(15)]
		}
		all = append(all, string(b))
	}
	for range 20_000 {
		var a [16]byte
		for i := range a {
			a[i] = byte(r.Uint32() & r.Uint32() & r.Uint32() & r.Uint32())
		}
		all = append(all, netip.AddrFrom16(a).String(), netip.AddrFrom16(a).StringExpanded())
	}
	for _, text := range all {
		want, err := netip.ParseAddr(text)
		got, ok := parseIP([]byte(text))
		if ok != (err == nil) || ok && got != want.Unmap() {
			t.Fatalf("%q is %s, %v, want %s", text, got, ok, want)
		}
	}
	for _, text := range []string{"10.4.0.2", "fd00::1:2", "::ffff:10.4.0.2", "envoy.internal"} {
		b := []byte(text)
		if n := testing.AllocsPerRun(100, func() { parseIP(b) }); n != 0 {
			t.Errorf("%q takes %v allocations", text, n)
		}
	}
}
