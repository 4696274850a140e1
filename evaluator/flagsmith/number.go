package flagsmith

import (
	"bytes"
	"cmp"
	"math"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// maxIntDigits is the length beyond which Python refuses to turn text into an integer.
const maxIntDigits = 4300

// integer is an exact integer of any size. One that fits an int64 is in small and has no digits; another one is its
// decimal digits, without leading zeros, and its sign.
type integer struct {
	small    int64
	digits   string
	negative bool
}

// compare returns -1, 0 or +1 as a is less than, equal to or greater than b.
func (a integer) compare(b integer) int {
	if a.digits == "" && b.digits == "" {
		return cmp.Compare(a.small, b.small)
	}
	if a.isNegative() != b.isNegative() {
		if a.isNegative() {
			return -1
		}
		return 1
	}
	// Same sign: the one beyond int64 has the greater magnitude; of two such the longer one has, else the text decides.
	var c int
	switch {
	case a.digits == "":
		c = -1
	case b.digits == "":
		c = 1
	case len(a.digits) != len(b.digits):
		c = cmp.Compare(len(a.digits), len(b.digits))
	default:
		c = strings.Compare(a.digits, b.digits)
	}
	if a.isNegative() {
		return -c
	}
	return c
}

func (a integer) isNegative() bool {
	if a.digits == "" {
		return a.small < 0
	}
	return a.negative
}

// float converts a to the nearest float64; false when a is beyond the range of floats.
func (a integer) float() (float64, bool) {
	if a.digits == "" {
		return float64(a.small), true
	}
	f, err := strconv.ParseFloat(a.digits, 64)
	if a.negative {
		f = -f
	}
	return f, err == nil
}

// appendText appends the canonical decimal text of a.
func (a integer) appendText(dst []byte) []byte {
	if a.digits == "" {
		return strconv.AppendInt(dst, a.small, 10)
	}
	if a.negative {
		dst = append(dst, '-')
	}
	return append(dst, a.digits...)
}

// parseDigits reads ASCII digits with an optional minus sign, exactly: spec section 3.3. The result shares s.
func parseDigits(s string) (integer, bool) {
	digits, negative := strings.CutPrefix(s, "-")
	if digits == "" || len(digits) > maxIntDigits || !allDigits(digits) {
		return integer{}, false
	}
	return newInteger(digits, negative), true
}

// newInteger takes ASCII digits, of which there is at least one.
func newInteger(digits string, negative bool) integer {
	for len(digits) > 1 && digits[0] == '0' {
		digits = digits[1:]
	}
	if len(digits) > len("9223372036854775808") {
		return integer{digits: digits, negative: negative}
	}
	var magnitude uint64 // 19 digits cannot overflow it
	for i := 0; i < len(digits); i++ {
		magnitude = magnitude*10 + uint64(digits[i]-'0')
	}
	switch {
	case magnitude < 1<<63 && !negative:
		return integer{small: int64(magnitude)}
	case magnitude <= 1<<63 && negative:
		return integer{small: -int64(magnitude)}
	}
	return integer{digits: digits, negative: negative}
}

// parseInt reads text as Python's int() does: spec section 3.5, INT(S).
func parseInt(s string) (integer, bool) {
	s = toASCIIDigits(strings.TrimFunc(s, unicode.IsSpace))
	negative := strings.HasPrefix(s, "-")
	if negative || strings.HasPrefix(s, "+") {
		s = s[1:]
	}
	s, ok := dropUnderscores(s)
	if !ok || s == "" || len(s) > maxIntDigits || !allDigits(s) {
		return integer{}, false
	}
	return newInteger(s, negative), true
}

// parseFloat reads text as Python's float() does: spec section 3.5, FLOAT(S). Too great a number is an infinity.
func parseFloat(s string) (float64, bool) {
	s = toASCIIDigits(strings.TrimFunc(s, unicode.IsSpace))
	s, ok := dropUnderscores(s)
	if !ok || !isFloatSyntax(s) {
		return 0, false
	}
	if s[len(s)-1]|0x20 == 'n' {
		return math.NaN(), true // strconv takes no sign before it
	}
	f, _ := strconv.ParseFloat(s, 64) // the syntax holds, so an error can only mean the range
	return f, true
}

// isFloatSyntax holds for what float() takes once blanks, underscores and foreign digits are gone. strconv alone would
// also take hexadecimal floats.
func isFloatSyntax(s string) bool {
	if s != "" && (s[0] == '+' || s[0] == '-') {
		s = s[1:]
	}
	switch strings.ToLower(s) {
	case "inf", "infinity", "nan":
		return isASCII(s) // ToLower maps some other letters to ASCII ones
	}
	whole := countDigits(s)
	s = s[whole:]
	fraction := 0
	if s != "" && s[0] == '.' {
		fraction = countDigits(s[1:])
		s = s[1+fraction:]
	}
	if whole+fraction == 0 {
		return false
	}
	if s == "" {
		return true
	}
	if s[0] != 'e' && s[0] != 'E' {
		return false
	}
	s = s[1:]
	if s != "" && (s[0] == '+' || s[0] == '-') {
		s = s[1:]
	}
	return s != "" && allDigits(s)
}

// toASCIIDigits replaces every decimal digit of any script by its ASCII digit.
func toASCIIDigits(s string) string {
	if isASCII(s) {
		return s
	}
	return strings.Map(func(r rune) rune {
		if r < utf8.RuneSelf || !unicode.IsDigit(r) {
			return r
		}
		// Digits come in runs of ten that begin with a zero.
		for _, r16 := range unicode.Nd.R16 {
			if uint32(r) <= uint32(r16.Hi) {
				return '0' + (r-rune(r16.Lo))%10
			}
		}
		for _, r32 := range unicode.Nd.R32 {
			if uint32(r) <= r32.Hi {
				return '0' + (r-rune(r32.Lo))%10
			}
		}
		return r
	}, s)
}

// dropUnderscores removes underscores; false if one of them is not between two digits.
func dropUnderscores(s string) (string, bool) {
	if !strings.Contains(s, "_") {
		return s, true
	}
	for i := 0; i < len(s); i++ {
		if s[i] == '_' && (i == 0 || i == len(s)-1 || !isDigit(s[i-1]) || !isDigit(s[i+1])) {
			return "", false
		}
	}
	return strings.ReplaceAll(s, "_", ""), true
}

// appendFloat appends Python's repr of f: spec section 3.5, FTEXT(f).
func appendFloat(dst []byte, f float64) []byte {
	switch {
	case f != f:
		return append(dst, "nan"...)
	case math.IsInf(f, 1):
		return append(dst, "inf"...)
	case math.IsInf(f, -1):
		return append(dst, "-inf"...)
	}
	start := len(dst)
	dst = strconv.AppendFloat(dst, f, 'e', -1, 64)
	mark := bytes.LastIndexByte(dst, 'e')
	exponent, err := strconv.Atoi(string(dst[mark+1:]))
	if err != nil || exponent < -4 || exponent >= 16 {
		return dst
	}
	dst = strconv.AppendFloat(dst[:start], f, 'f', -1, 64)
	if bytes.IndexByte(dst[start:], '.') >= 0 {
		return dst
	}
	return append(dst, ".0"...)
}

func countDigits(s string) int {
	n := 0
	for n < len(s) && isDigit(s[n]) {
		n++
	}
	return n
}

func allDigits(s string) bool { return countDigits(s) == len(s) }

func isDigit(c byte) bool { return '0' <= c && c <= '9' }

func isASCII(s string) bool {
	for i := 0; i < len(s); i++ {
		if s[i] >= utf8.RuneSelf {
			return false
		}
	}
	return true
}
