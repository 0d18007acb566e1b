package wire

import "encoding/binary"

// AddressKind tells which form a core.Address has.
type AddressKind uint8

const (
	NoAddress AddressKind = iota
	SocketAddress
	PipeAddress
	InternalAddress
)

// Address is an envoy.config.core.v3.Address. Host is the IP in text, the path of a pipe, or the name of an internal
// listener.
type Address struct {
	Host Place
	Port uint32
	Kind AddressKind
}

// message Address { oneof { SocketAddress socket_address = 1; Pipe pipe = 2; EnvoyInternalAddress envoy_internal_address = 3; } }
func (a *Address) walk(b []byte, i, end int) bool {
	if a.ipAndPort(b, i, end) {
		return true
	}
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
			ok = a.become(PipeAddress).walkName(b, int(v), next)
		case 3<<3 | Bytes:
			ok = a.become(InternalAddress).walkName(b, int(v), next)
		}
		if !ok {
			return false
		}
	}
	return true
}

// ipAndPort reads an Address that is a SocketAddress of an address and a port_value, as nearly all are.
func (a *Address) ipAndPort(b []byte, i, end int) bool {
	const socket, address, portValue = 1<<3 | Bytes, 2<<3 | Bytes, 3<<3 | Varint
	if i+8 > len(b) || a.Kind > SocketAddress {
		return false
	}
	w := binary.LittleEndian.Uint32(b[i : i+4])
	host := i + 4 + int(w>>24)
	// The address has less than 128 bytes, and the port three at most.
	size := end - host
	if w&0xff80ff == address<<16|socket && i+2+int(w>>8&0x7f) == end && host+8 <= len(b) && size >= 2 && size <= 4 {
		w := binary.LittleEndian.Uint64(b[host : host+8])
		if x := w >> 8; byte(w) == portValue && x&varints[size].mask == varints[size].want {
			*a = Address{Kind: SocketAddress, Host: Place{uint32(i + 4), uint32(host)}, Port: uint32(squeeze(x & varints[size].bits))}
			return true
		}
	}
	return false
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
			a.Host = Place{uint32(v), uint32(next)}
		case 3<<3 | Varint:
			a.Port = uint32(v)
		case 4<<3 | Bytes:
			a.Port = 0
		}
	}
	return true
}

// message Pipe { string path = 1; }, message EnvoyInternalAddress { oneof { string server_listener_name = 1; } }
func (a *Address) walkName(b []byte, i, end int) bool {
	for i < end {
		key, v, next := field(b, i, end)
		if i = next; next < 0 {
			return false
		}
		if key == 1<<3|Bytes {
			a.Host = Place{uint32(v), uint32(next)}
		}
	}
	return true
}
