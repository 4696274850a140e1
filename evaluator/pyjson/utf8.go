package pyjson

import (
	"fmt"
	"unicode/utf8"
)

// decodeError returns "" if body is UTF-8, and otherwise the text of the UnicodeDecodeError for its first bad sequence.
func decodeError(body []byte) string {
	if utf8.Valid(body) {
		return ""
	}
	i := 0
	for {
		r, size := utf8.DecodeRune(body[i:])
		if r == utf8.RuneError && size == 1 {
			break
		}
		i += size
	}
	if body[i] < 0xC2 || body[i] > 0xF4 {
		return fmt.Sprintf("'utf-8' codec can't decode byte 0x%02x in position %d: invalid start byte", body[i], i)
	}
	end := i + goodPrefix(body[i:])
	reason := "invalid continuation byte"
	if end == len(body) {
		reason = "unexpected end of data"
	}
	if end == i+1 {
		return fmt.Sprintf("'utf-8' codec can't decode byte 0x%02x in position %d: %s", body[i], i, reason)
	}
	return fmt.Sprintf("'utf-8' codec can't decode bytes in position %d-%d: %s", i, end-1, reason)
}

// goodPrefix returns how many bytes of the malformed sequence at the start of b could begin a code point. b[0] is a
// valid first byte.
func goodPrefix(b []byte) int {
	n, low, high := 1, byte(0x80), byte(0xBF)
	switch b[0] { // no overlong forms, no surrogates, nothing above U+10FFFF
	case 0xE0:
		low = 0xA0
	case 0xED:
		high = 0x9F
	case 0xF0:
		low = 0x90
	case 0xF4:
		high = 0x8F
	}
	for n < len(b) && b[n] >= low && b[n] <= high {
		n++
		low, high = 0x80, 0xBF
	}
	return n
}
