package pyjson

import (
	"bytes"
	"math"
	"strconv"
	"unsafe"
)

// AppendFloat appends f as json.dumps(f) writes it: the shortest digits that read back as f, fixed notation with at
// least ".0" for decimal exponents in [-4, 16) and "1e+16", "1e-05" beyond. Infinities and not-a-number become
// Infinity, -Infinity and NaN, which Python writes by default although they are not JSON.
func AppendFloat(dst []byte, f float64) []byte {
	switch {
	case math.IsNaN(f):
		return append(dst, "NaN"...)
	case math.IsInf(f, 1):
		return append(dst, "Infinity"...)
	case math.IsInf(f, -1):
		return append(dst, "-Infinity"...)
	}
	return appendFinite(dst, f)
}

// AppendFloatText appends f as str(f) and repr(f) write it: like [AppendFloat], but inf, -inf and nan.
func AppendFloatText(dst []byte, f float64) []byte {
	switch {
	case math.IsNaN(f):
		return append(dst, "nan"...)
	case math.IsInf(f, 1):
		return append(dst, "inf"...)
	case math.IsInf(f, -1):
		return append(dst, "-inf"...)
	}
	return appendFinite(dst, f)
}

func appendFinite(dst []byte, f float64) []byte {
	if abs := math.Abs(f); abs != 0 && (abs < 1e-4 || abs >= 1e16) {
		return strconv.AppendFloat(dst, f, 'e', -1, 64)
	}
	start := len(dst)
	dst = strconv.AppendFloat(dst, f, 'f', -1, 64)
	if bytes.IndexByte(dst[start:], '.') < 0 {
		dst = append(dst, ".0"...)
	}
	return dst
}

// appendNumber appends the number that starts at text[i], a digit or a minus sign, and returns the index after it.
func appendNumber(dst, text []byte, i int) ([]byte, int) {
	end, isFloat := i+1, false
	for ; end < len(text); end++ {
		c := text[end]
		if c == '.' || c == 'e' || c == 'E' {
			isFloat = true
		} else if (c < '0' || c > '9') && c != '-' && c != '+' {
			break
		}
	}
	number := text[i:end]
	switch {
	case isFloat:
		return AppendFloat(dst, parseFloat(number)), end
	case len(number) == 2 && number[0] == '-' && number[1] == '0':
		return append(dst, '0'), end // Python has no negative zero among the integers
	}
	return append(dst, number...), end
}

// parseFloat reads a JSON number; one that is too large becomes an infinity, as in Python.
func parseFloat(number []byte) float64 {
	// strconv reads the string only during the call. A conversion would allocate for numbers above 32 bytes.
	f, _ := strconv.ParseFloat(unsafe.String(unsafe.SliceData(number), len(number)), 64)
	return f
}
