//go:build unix

package tail

import (
	"os"
	"syscall"
)

// identify says which file a path leads to.
func identify(_ string, fi os.FileInfo) (key, bool) {
	st, ok := fi.Sys().(*syscall.Stat_t)
	if !ok {
		return key{}, false
	}
	return key{device: uint64(st.Dev), inode: uint64(st.Ino)}, true //nolint:unconvert // their types differ between systems
}
