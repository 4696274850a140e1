package cachetier_test

import "unsafe"

// alias makes a string of a buffer that will be overwritten, as the server does with a request's bytes.
func alias(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }
