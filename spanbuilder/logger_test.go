package spanbuilder

import (
	"fmt"
	"net/netip"
	"testing"

	"github.com/alspan/alspan/internal/wire"
)

// Other settings reach every logger, also one that is older than all that are remembered: its stream goes on.
func TestLoggersTakeOtherSettings(t *testing.T) {
	s := NewLoggers(NewNodes(), nil)
	find := func(node, log string) *Logger { return s.Find(&wire.Node{ID: []byte(node)}, []byte(log), netip.Addr{}) }
	old, other := find("envoy-1", "edge"), find("envoy-1", "other")
	for i := range maxLoggers {
		find(fmt.Sprint("envoy-", i), "many")
	}
	for _, want := range []Relation{ParentID, OwnID, Unsaid} {
		s.Set(map[string]Relation{"edge": want})
		for _, l := range []*Logger{old, find("envoy-1", "edge"), find("envoy-new", "edge")} {
			if got := l.said(); got != want || other.said() != Unsaid {
				t.Errorf("it says %d of edge and %d of other, want %d and %d", got, other.said(), want, Unsaid)
			}
		}
	}
}
