package wire

import (
	"math"
	"math/big"
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"
)

func TestTime(t *testing.T) {
	seconds := []int64{0, 1, -1, 1700000000, 9223372032, 9223372033, 9223372034, 9223372036, 9223372037, -9223372033, -9223372034,
		-9223372037, 253402300799, math.MaxInt64, math.MinInt64, math.MaxInt64 / 1_000_000_000}
	nanos := []int32{0, 1, -1, 999999999, -999999999, math.MaxInt32, math.MinInt32}
	for _, s := range seconds {
		for _, n := range nanos {
			exact := new(big.Int).Add(new(big.Int).Mul(big.NewInt(s), big.NewInt(1e9)), big.NewInt(int64(n)))
			want := exact.Int64()
			switch {
			case s > 9223372033:
				want = math.MaxInt64
			case s < -9223372033:
				want = math.MinInt64
			case !exact.IsInt64():
				t.Fatalf("%d s and %d ns do not fit", s, n)
			}
			v := Time{s, n, true}
			if got := v.Duration(); got != want {
				t.Errorf("%d s and %d ns are %d ns, want %d", s, n, got, want)
			}
			unix, ok := v.Unix()
			if usable := want > 0 && want < math.MaxInt64; ok != usable || ok && unix != uint64(want) {
				t.Errorf("%d s and %d ns are %d, %v since 1970, want %d, %v", s, n, unix, ok, want, usable)
			}
			if v.Set = false; v != (Time{s, n, false}) {
				t.Fatal(v)
			}
			if _, ok := v.Unix(); ok {
				t.Error("an absent time is one")
			}
		}
	}
	if (Time{}).Duration() != 0 {
		t.Error("an absent duration is not 0")
	}
}

func TestTimeWalk(t *testing.T) {
	at := time.Date(2026, 10, 5, 12, 0, 0, 987654321, time.UTC)
	var v Time
	if b := marshal(t, timestamppb.New(at)); !v.walk(b, 0, len(b)) {
		t.Fatal("malformed")
	}
	if ns, ok := v.Unix(); !ok || ns != uint64(at.UnixNano()) {
		t.Errorf("%d, %v", ns, ok)
	}
	if v = (Time{}); !v.walk(nil, 0, 0) || !v.Set {
		t.Error("an empty message is not a time")
	}
}
