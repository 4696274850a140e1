package flagsmith

import "unsafe"

// unsafeString reads b as a string without copying it. The string lives as long as nobody writes to b: for bytes of a
// request that is until the handler returns, so what is kept longer is cloned.
func unsafeString(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }
