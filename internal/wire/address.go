package wire

// AddressKind tells which form a core.Address has.
type AddressKind uint8

const (
	NoAddress AddressKind = iota
	SocketAddress
	PipeAddress
	InternalAddress
)

// Address is an envoy.config.core.v3.Address. Host is the IP in text, the path of a pipe, or the name of an internal
// listener; it borrows the input.
type Address struct {
	Kind AddressKind
	Host []byte
	Port uint32
}

// message Address { oneof { SocketAddress socket_address = 1; Pipe pipe = 2; EnvoyInternalAddress envoy_internal_address = 3; } }
func (a *Address) walk(b []byte, i, end int) bool {
	for i < end {
		key, v, next := field(b, i, end)
		if i = next; next < 0 {
			return false
		}
		ok := true
		switch key {
		case 1<<3 | Bytes:
			ok = a.become(SocketAddress).walkSocket(b, int(v), next)
		case 2<<3 | Bytes:
			ok = a.become(PipeAddress).walkName(b[v:next:next])
		case 3<<3 | Bytes:
			ok = a.become(InternalAddress).walkName(b[v:next:next])
		}
		if !ok {
			return false
		}
	}
	return true
}

// become clears the other members of the oneof, as the official runtime does.
func (a *Address) become(k AddressKind) *Address {
	if a.Kind != k {
		*a = Address{Kind: k}
	}
	return a
}

// message SocketAddress { Protocol protocol = 1; string address = 2; oneof { uint32 port_value = 3; string named_port = 4; } }
func (a *Address) walkSocket(b []byte, i, end int) bool {
	for i < end {
		key, v, next := field(b, i, end)
		if i = next; next < 0 {
			return false
		}
		switch key {
		case 2<<3 | Bytes:
			a.Host = b[v:next:next]
		case 3<<3 | Varint:
			a.Port = uint32(v)
		case 4<<3 | Bytes:
			a.Port = 0
		}
	}
	return true
}

// message Pipe { string path = 1; }, message EnvoyInternalAddress { oneof { string server_listener_name = 1; } }
func (a *Address) walkName(b []byte) bool {
	r := Read(b)
	for r.Next() {
		if r.Key == 1<<3|Bytes {
			a.Host = r.Bytes
		}
	}
	return !r.broken
}
