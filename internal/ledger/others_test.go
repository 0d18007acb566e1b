package ledger

import "testing"

// One request or one byte too many, or too few, in any bucket is seen.
func TestOthersBalance(t *testing.T) {
	var o Others
	buckets := []*Volume{&o.Exported, &o.Queued, &o.InFlight}
	for i := range o.Dropped {
		buckets = append(buckets, &o.Dropped[i])
	}
	for i, v := range buckets {
		o.Received.Add(100 * i)
		v.Add(100 * i)
	}
	o.Received.Add(7)
	o.Queued.Add(7)
	o.Queued.Remove(7)
	o.Exported.Add(7)
	if n, b := o.Balance(); n != 0 || b != 0 {
		t.Fatalf("a sound ledger is off by %d requests and %d bytes", n, b)
	}
	for i, v := range append(buckets, &o.Received) {
		v.Requests.Add(1)
		if n, b := o.Balance(); n == 0 || b != 0 {
			t.Errorf("bucket %d: a request too many is not seen", i)
		}
		v.Requests.Add(-1)
		v.Bytes.Add(-1)
		if n, b := o.Balance(); n != 0 || b == 0 {
			t.Errorf("bucket %d: a byte too few is not seen", i)
		}
		v.Bytes.Add(1)
	}
}

// Reasons and signals are labels: each has a name of its own.
func TestNamesOfOthers(t *testing.T) {
	seen := map[string]bool{}
	for d := range NumOtherDrops {
		seen[d.String()] = true
	}
	for s := range NumSignals {
		seen[s.String()] = true
	}
	if len(seen) != int(NumOtherDrops)+int(NumSignals) || seen[""] {
		t.Errorf("the names are %v", seen)
	}
}
