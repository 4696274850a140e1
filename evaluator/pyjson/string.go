package pyjson

import "unicode/utf8"

const hexDigits = "0123456789abcdef"

// AppendString appends s as a JSON string, quotes included, in ASCII: what json.dumps(s) gives. Code points above
// U+FFFF become a surrogate pair, hexadecimal digits are lower case, and <, > and & stay as they are. Each byte that is
// not part of valid UTF-8 becomes \ufffd.
func AppendString(dst []byte, s string) []byte {
	dst = append(dst, '"')
	plain := 0 // s[plain:i] needs no escape and is not copied yet
	for i := 0; i < len(s); {
		if isPlain(s[i]) {
			i++
			continue
		}
		dst = append(dst, s[plain:i]...)
		r, size := utf8.DecodeRuneInString(s[i:])
		dst = appendRune(dst, r)
		i += size
		plain = i
	}
	dst = append(dst, s[plain:]...)
	return append(dst, '"')
}

// isPlain reports whether c stands for itself inside an ASCII JSON string.
func isPlain(c byte) bool {
	return c >= ' ' && c <= '~' && c != '"' && c != '\\'
}

// appendRune appends r as it stands inside an ASCII JSON string.
func appendRune(dst []byte, r rune) []byte {
	if r > 0xFFFF {
		r -= 0x10000
		dst = appendUnit(dst, 0xD800+r>>10)
		return appendUnit(dst, 0xDC00+r&0x3FF)
	}
	return appendUnit(dst, r)
}

// appendUnit appends one UTF-16 code unit as it stands inside an ASCII JSON string. Half a surrogate pair is fine.
func appendUnit(dst []byte, u rune) []byte {
	switch u {
	case '"':
		return append(dst, `\"`...)
	case '\\':
		return append(dst, `\\`...)
	case '\b':
		return append(dst, `\b`...)
	case '\f':
		return append(dst, `\f`...)
	case '\n':
		return append(dst, `\n`...)
	case '\r':
		return append(dst, `\r`...)
	case '\t':
		return append(dst, `\t`...)
	}
	if u >= ' ' && u <= '~' {
		return append(dst, byte(u))
	}
	return appendHex(append(dst, `\u`...), u, 4)
}

// appendHex appends the low digits of r, most significant first.
func appendHex(dst []byte, r rune, digits int) []byte {
	for shift := 4 * (digits - 1); shift >= 0; shift -= 4 {
		dst = append(dst, hexDigits[r>>shift&0xF])
	}
	return dst
}

// unescape reads the escape that starts at text[i], a backslash, and returns the UTF-16 code unit it stands for and
// the index after it. A malformed escape counts as the backslash alone.
func unescape(text []byte, i int) (unit rune, next int) {
	if i+1 >= len(text) {
		return '\\', i + 1
	}
	switch c := text[i+1]; c {
	case '"', '\\', '/':
		return rune(c), i + 2
	case 'b':
		return '\b', i + 2
	case 'f':
		return '\f', i + 2
	case 'n':
		return '\n', i + 2
	case 'r':
		return '\r', i + 2
	case 't':
		return '\t', i + 2
	case 'u':
		if unit, ok := hex4(text, i+2); ok {
			return unit, i + 6
		}
	}
	return '\\', i + 1
}

// hex4 reads the four hexadecimal digits at text[i].
func hex4(text []byte, i int) (unit rune, ok bool) {
	if i+4 > len(text) {
		return 0, false
	}
	for _, c := range text[i : i+4] {
		switch {
		case c >= '0' && c <= '9':
			c -= '0'
		case c >= 'a' && c <= 'f':
			c -= 'a' - 10
		case c >= 'A' && c <= 'F':
			c -= 'A' - 10
		default:
			return 0, false
		}
		unit = unit<<4 | rune(c)
	}
	return unit, true
}

// skipString returns the index after the string that opens at text[i], or len(text) if it does not close.
func skipString(text []byte, i int) int {
	for i++; i < len(text); i++ {
		switch text[i] {
		case '"':
			return i + 1
		case '\\':
			i++
		}
	}
	return len(text)
}
