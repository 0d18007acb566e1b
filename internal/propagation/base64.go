package propagation

import "encoding/base64"

// maxBinary is the longest value of a format in base64 that is read, decoded. Besides the ids it may have baggage.
const maxBinary = 3 << 10

// decodeBase64 decodes b, padded or not, into room.
func decodeBase64(room *[maxBinary]byte, b []byte) ([]byte, Reason) {
	for range 2 {
		if len(b) > 0 && b[len(b)-1] == '=' {
			b = b[:len(b)-1]
		}
	}
	if base64.RawStdEncoding.DecodedLen(len(b)) > len(room) {
		return nil, BadLength
	}
	n, err := base64.RawStdEncoding.Decode(room[:], b)
	switch {
	case err != nil:
		return nil, BadBase64
	case n == 0: // line breaks are no digits
		return nil, BadLength
	}
	return room[:n], Valid
}
