package pyjson

import (
	"bytes"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"
)

// AppendStr appends str(json.loads(raw)) for an array or object: [1, 'a', None, True] or {'a': 1}. Integers stay digit
// for digit, floats are as [AppendFloatText] writes them, and of a repeated key the last value stands at the place of
// the first. A string at the top level, which str() would leave bare, gets the quotes that repr() gives it.
//
// raw is as for [AppendCompact], and so are the allocations.
func AppendStr(dst, raw []byte) []byte {
	// The compact text settles escapes, floats and repeated keys. It is built behind dst, read, and then overwritten.
	start := len(dst)
	dst = AppendCompact(dst, raw)
	compactEnd := len(dst)
	for i := start; i < compactEnd; {
		switch c := dst[i]; c {
		case '"':
			end := start + skipString(dst[start:compactEnd], i-start)
			dst = appendRepr(dst, i, end)
			i = end
		case 't', 'f', 'n', 'N', 'I':
			word := pythonWord(c)
			dst = append(dst, word.python...)
			i += word.jsonLen
		case ',', ':':
			dst = append(dst, c, ' ')
			i++
		default:
			dst = append(dst, c)
			i++
		}
	}
	return dst[:start+copy(dst[start:], dst[compactEnd:])]
}

type word struct {
	jsonLen int
	python  string
}

// pythonWord returns the Python spelling of the JSON word that begins with c.
func pythonWord(c byte) word {
	switch c {
	case 't':
		return word{len("true"), "True"}
	case 'f':
		return word{len("false"), "False"}
	case 'n':
		return word{len("null"), "None"}
	case 'N':
		return word{len("NaN"), "nan"}
	default:
		return word{len("Infinity"), "inf"}
	}
}

// appendRepr appends Python's repr of the string dst[from:to], which is in the form that appendEscaped leaves.
func appendRepr(dst []byte, from, to int) []byte {
	from, to = from+1, max(to-1, from+1)
	quote := byte('\'')
	if bytes.IndexByte(dst[from:to], '\'') >= 0 && !bytes.Contains(dst[from:to], []byte(`\"`)) {
		quote = '"'
	}
	dst = append(dst, quote)
	for i := from; i < to; {
		if dst[i] != '\\' {
			if dst[i] == quote {
				dst = append(dst, '\\')
			}
			dst = append(dst, dst[i])
			i++
			continue
		}
		r, next := unescape(dst[:to], i)
		if utf16.IsSurrogate(r) && next < to && dst[next] == '\\' {
			low, after := unescape(dst[:to], next)
			if pair := utf16.DecodeRune(r, low); pair != unicode.ReplacementChar {
				r, next = pair, after
			}
		}
		dst = appendReprRune(dst, r)
		i = next
	}
	return append(dst, quote)
}

// appendReprRune appends r, which may be half a surrogate pair but is not a quote that needs an escape.
func appendReprRune(dst []byte, r rune) []byte {
	switch r {
	case '\\':
		return append(dst, `\\`...)
	case '\n':
		return append(dst, `\n`...)
	case '\r':
		return append(dst, `\r`...)
	case '\t':
		return append(dst, `\t`...)
	}
	switch {
	case isPrintable(r):
		return utf8.AppendRune(dst, r)
	case r < 0x100:
		return appendHex(append(dst, `\x`...), r, 2)
	case r < 0x10000:
		return appendHex(append(dst, `\u`...), r, 4)
	}
	return appendHex(append(dst, `\U`...), r, 8)
}

// isPrintable is str.isprintable() for one code point, as Unicode 14 has it.
func isPrintable(r rune) bool {
	return unicode.IsPrint(r) && !unicode.Is(sinceUnicode15, r)
}

// sinceUnicode15 holds the printable code points that Go's tables know and those of Python 3.11 do not. A newer Go may
// know more: the test that compares all code points says so.
var sinceUnicode15 = &unicode.RangeTable{
	R16: []unicode.Range16{
		{0x0CF3, 0x0CF3, 1}, {0x0ECE, 0x0ECE, 1},
	},
	R32: []unicode.Range32{
		{0x10EFD, 0x10EFF, 1}, {0x1123F, 0x11241, 1}, {0x11B00, 0x11B09, 1}, {0x11F00, 0x11F10, 1},
		{0x11F12, 0x11F3A, 1}, {0x11F3E, 0x11F59, 1}, {0x1342F, 0x1342F, 1}, {0x13440, 0x13455, 1},
		{0x1B132, 0x1B132, 1}, {0x1B155, 0x1B155, 1}, {0x1D2C0, 0x1D2D3, 1}, {0x1DF25, 0x1DF2A, 1},
		{0x1E030, 0x1E06D, 1}, {0x1E08F, 0x1E08F, 1}, {0x1E4D0, 0x1E4F9, 1}, {0x1F6DC, 0x1F6DC, 1},
		{0x1F774, 0x1F776, 1}, {0x1F77B, 0x1F77F, 1}, {0x1F7D9, 0x1F7D9, 1}, {0x1FA75, 0x1FA77, 1},
		{0x1FA87, 0x1FA88, 1}, {0x1FAAD, 0x1FAAF, 1}, {0x1FABB, 0x1FABD, 1}, {0x1FABF, 0x1FABF, 1},
		{0x1FACE, 0x1FACF, 1}, {0x1FADA, 0x1FADB, 1}, {0x1FAE8, 0x1FAE8, 1}, {0x1FAF7, 0x1FAF8, 1},
		{0x2B739, 0x2B739, 1}, {0x31350, 0x323AF, 1},
	},
}
