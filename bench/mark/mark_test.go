package mark

import "testing"

func TestIDsBearTheNumber(t *testing.T) {
	check := func(id ID) {
		t.Helper()
		trace := id.Trace()
		if got, ok := FromTrace(trace[:]); !ok || got != id {
			t.Errorf("the trace id of %v says %v, %v", id, got, ok)
		}
		text := make([]byte, RequestIDSize)
		id.PutRequestID(text)
		if got, ok := FromRequestID(text); !ok || got != id {
			t.Errorf("the request id %s of %v says %v, %v", text, id, got, ok)
		}
	}
	for _, run := range []uint32{1, 2, 1<<32 - 1} {
		for _, stream := range []uint32{0, 1, 255, 1<<16 - 1} {
			for _, seq := range []uint64{0, 1, 1 << 20, 1<<40 - 1} {
				check(ID{run, stream, seq})
			}
		}
	}
}

func TestForeignIDs(t *testing.T) {
	if _, ok := FromTrace([]byte("0123456789abcdef")); ok {
		t.Error("a foreign trace id was taken")
	}
	if _, ok := FromTrace(nil); ok {
		t.Error("an empty trace id was taken")
	}
	if _, ok := FromRequestID([]byte("not a request id, but of that length")); ok {
		t.Error("a foreign request id was taken")
	}
}
