package wire

// Node is a view of an envoy.config.core.v3.Node: who sends. Its slices borrow the input. The list of extensions (field
// 9, about 300 names) and the metadata are skipped by their length.
type Node struct {
	ID, Cluster           []byte
	Region, Zone, SubZone []byte
	Major, Minor, Patch   uint32
}

// Walk makes n a view of the encoded Node b. It gives false when b is malformed.
func (n *Node) Walk(b []byte) bool {
	*n = Node{}
	return n.Merge(b)
}

// Merge is Walk for a further piece of the same Node.
func (n *Node) Merge(b []byte) bool {
	r := Read(b)
	for r.Next() {
		ok := true
		switch r.Key {
		case 1<<3 | Bytes:
			n.ID = r.Bytes
		case 2<<3 | Bytes:
			n.Cluster = r.Bytes
		case 4<<3 | Bytes: // message Locality { string region = 1; string zone = 2; string sub_zone = 3; }
			ok = Sub(r.Bytes, func(s Reader) {
				switch s.Key {
				case 1<<3 | Bytes:
					n.Region = s.Bytes
				case 2<<3 | Bytes:
					n.Zone = s.Bytes
				case 3<<3 | Bytes:
					n.SubZone = s.Bytes
				}
			})
		case 7<<3 | Bytes: // user_agent_version, of one oneof with the next
			n.Major, n.Minor, n.Patch = 0, 0, 0
		case 8<<3 | Bytes: // message BuildVersion { SemanticVersion version = 1; }
			ok = n.walkBuild(r.Bytes)
		}
		if !ok {
			return false
		}
	}
	return !r.broken
}

// message SemanticVersion { uint32 major_number = 1; uint32 minor_number = 2; uint32 patch = 3; }
func (n *Node) walkBuild(b []byte) bool {
	r := Read(b)
	for r.Next() {
		if r.Key != 1<<3|Bytes {
			continue
		}
		s := Read(r.Bytes)
		for s.Next() {
			switch s.Key {
			case 1<<3 | Varint:
				n.Major = uint32(s.Int)
			case 2<<3 | Varint:
				n.Minor = uint32(s.Int)
			case 3<<3 | Varint:
				n.Patch = uint32(s.Int)
			}
		}
		if s.broken {
			return false
		}
	}
	return !r.broken
}
