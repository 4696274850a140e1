package pyjson

import "unicode/utf8"

// AppendCompact appends raw as json.dumps(json.loads(raw), separators=(",", ":")) gives it back: no white space, strings
// in ASCII, floats as [AppendFloat] writes them, integers of any length digit for digit, keys in their order. Of a key
// that an object repeats, the last value stands at the place of the first.
//
// raw must be [Valid], and must not share memory with dst. From anything else come bytes that mean nothing, but no
// panic. It allocates only to grow dst, which may grow past what is appended, save for repeated keys and for numbers
// too large for a float.
func AppendCompact(dst, raw []byte) []byte {
	start, keys := len(dst), 0
	for i := 0; i < len(raw); {
		switch c := raw[i]; c {
		case ' ', '\t', '\n', '\r':
			i++
		case '"':
			dst, i = appendEscaped(dst, raw, i)
		case '-', '0', '1', '2', '3', '4', '5', '6', '7', '8', '9':
			dst, i = appendNumber(dst, raw, i)
		default: // punctuation, or a letter of true, false, null
			if c == ':' {
				keys++
			}
			dst = append(dst, c)
			i++
		}
	}
	if keys < 2 {
		return dst
	}
	dst, repeated := mayRepeatKey(dst, start, keys)
	if repeated && Valid(raw) {
		dst = dropRepeatedKeys(dst, start)
	}
	return dst
}

// appendEscaped appends the string that opens at raw[i], its escapes in the one form Python writes, and returns the
// index after it.
func appendEscaped(dst, raw []byte, i int) ([]byte, int) {
	dst = append(dst, '"')
	i++
	plain := i // raw[plain:i] needs no change and is not copied yet
	for i < len(raw) {
		c := raw[i]
		if isPlain(c) {
			i++
			continue
		}
		dst = append(dst, raw[plain:i]...)
		switch {
		case c == '"':
			return append(dst, '"'), i + 1
		case c == '\\':
			var unit rune
			unit, i = unescape(raw, i)
			dst = appendUnit(dst, unit) // the halves of a pair come out one by one
		default:
			r, size := utf8.DecodeRune(raw[i:])
			dst = appendRune(dst, r)
			i += size
		}
		plain = i
	}
	return append(dst, raw[plain:]...), i
}
