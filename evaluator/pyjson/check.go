package pyjson

import (
	"bytes"
	"fmt"
	"unicode/utf8"
)

// maxIntDigits is Python's default limit for reading an integer, sys.int_info.default_max_str_digits.
const maxIntDigits = 4300

// ErrorMessage returns "" if Python accepts body, and otherwise the text of the exception that
// json.loads(body.decode("utf-8")) raises, with the parse_constant of Django REST framework's strict mode, which
// refuses NaN and the infinities. Lines, columns and characters count code points; the position in a complaint about
// UTF-8 itself counts bytes.
//
// It takes time in proportion to len(body), and memory only for the text. Nesting deeper than [MaxDepth] gets the text
// of Python's RecursionError, which such a framework does not catch: the origin answers 500 there.
func ErrorMessage(body []byte) string {
	if message := decodeError(body); message != "" {
		return message
	}
	c := checker{text: body}
	if c.run() {
		return ""
	}
	return c.message()
}

// Valid reports whether Python accepts body: ErrorMessage(body) == "", without the cost of the text.
func Valid(body []byte) bool {
	c := checker{text: body}
	return utf8.Valid(body) && c.run()
}

// checker walks a text as Python's parser does and stops at the first thing that one would complain about.
type checker struct {
	text []byte
	i    int

	what  string // the complaint, without its position
	at    int    // byte index of the complaint
	plain bool   // Python gives no position
}

func (c *checker) message() string {
	if c.plain {
		return c.what
	}
	before := c.text[:c.at]
	line := bytes.Count(before, []byte{'\n'}) + 1
	column := utf8.RuneCount(before[bytes.LastIndexByte(before, '\n')+1:]) + 1
	return fmt.Sprintf("%s: line %d column %d (char %d)", c.what, line, column, utf8.RuneCount(before))
}

func (c *checker) fail(what string, at int) bool {
	c.what, c.at = what, at
	return false
}

func (c *checker) failPlain(what string) bool {
	c.what, c.plain = what, true
	return false
}

// run reports whether the whole text is one value.
func (c *checker) run() bool {
	if bytes.HasPrefix(c.text, []byte("\ufeff")) {
		return c.fail("Unexpected UTF-8 BOM (decode using utf-8-sig)", 0)
	}
	var open [MaxDepth]byte // the brackets that wait for their partner
	depth := 0
	c.skipSpace()
	for {
		// A value begins here.
		switch bracket := c.peek(); bracket {
		case '[', '{':
			if depth == MaxDepth {
				return c.failPlain(tooDeep(bracket))
			}
			open[depth] = bracket
			depth++
			c.i++
			c.skipSpace()
			if c.peek() != closing(bracket) {
				if bracket == '{' && !c.key() {
					return false
				}
				continue
			}
			c.i++
			depth--
		default:
			if !c.scalar() {
				return false
			}
		}

		// A value has ended: so may the containers around it.
		c.skipSpace()
		for depth > 0 && c.peek() == closing(open[depth-1]) {
			c.i++
			depth--
			c.skipSpace()
		}
		if depth == 0 {
			return c.i == len(c.text) || c.fail("Extra data", c.i)
		}
		if c.peek() != ',' {
			return c.fail("Expecting ',' delimiter", c.i)
		}
		c.i++
		c.skipSpace()
		if open[depth-1] == '{' && !c.key() {
			return false
		}
	}
}

func closing(bracket byte) byte {
	if bracket == '[' {
		return ']'
	}
	return '}'
}

func tooDeep(bracket byte) string {
	if bracket == '[' {
		return "maximum recursion depth exceeded while decoding a JSON array from a unicode string"
	}
	return "maximum recursion depth exceeded while decoding a JSON object from a unicode string"
}

// peek returns the byte at i, or 0 at the end. A NUL in the text is as wrong everywhere as the end would be.
func (c *checker) peek() byte {
	return c.byteAt(c.i)
}

func (c *checker) byteAt(i int) byte {
	if i < len(c.text) {
		return c.text[i]
	}
	return 0
}

func (c *checker) skipSpace() {
	for c.i < len(c.text) {
		switch c.text[c.i] {
		case ' ', '\t', '\n', '\r':
			c.i++
		default:
			return
		}
	}
}

// key passes an object's key, the colon, and the space on both sides of it.
func (c *checker) key() bool {
	if c.peek() != '"' {
		return c.fail("Expecting property name enclosed in double quotes", c.i)
	}
	if !c.str() {
		return false
	}
	c.skipSpace()
	if c.peek() != ':' {
		return c.fail("Expecting ':' delimiter", c.i)
	}
	c.i++
	c.skipSpace()
	return true
}

// scalar passes a string, number or word.
func (c *checker) scalar() bool {
	switch b := c.peek(); {
	case b == '"':
		return c.str()
	case b >= '0' && b <= '9', b == '-' && isDigit(c.byteAt(c.i+1)):
		return c.number()
	case c.word("true"), c.word("false"), c.word("null"):
		return true
	}
	for _, constant := range [...]string{"NaN", "Infinity", "-Infinity"} {
		if c.word(constant) {
			return c.failPlain("Out of range float values are not JSON compliant: '" + constant + "'")
		}
	}
	return c.fail("Expecting value", c.i)
}

func (c *checker) word(w string) bool {
	rest := c.text[c.i:]
	if len(rest) < len(w) || string(rest[:len(w)]) != w {
		return false
	}
	c.i += len(w)
	return true
}

func isDigit(b byte) bool {
	return b >= '0' && b <= '9'
}

// number passes the longest prefix that is a number; what follows is for the caller to dislike. An integer that
// begins with 0 is 0.
func (c *checker) number() bool {
	if c.text[c.i] == '-' {
		c.i++
	}
	start := c.i
	if c.text[c.i] == '0' {
		c.i++
	} else {
		c.skipDigits()
	}
	digits, isInt := c.i-start, true
	if c.peek() == '.' && isDigit(c.byteAt(c.i+1)) {
		isInt = false
		c.i++
		c.skipDigits()
	}
	if e := c.peek(); e == 'e' || e == 'E' {
		next := c.i + 1
		if sign := c.byteAt(next); sign == '+' || sign == '-' {
			next++
		}
		if isDigit(c.byteAt(next)) {
			isInt = false
			c.i = next
			c.skipDigits()
		}
	}
	if isInt && digits > maxIntDigits {
		return c.failPlain(fmt.Sprintf("Exceeds the limit (%d digits) for integer string conversion: value has %d "+
			"digits; use sys.set_int_max_str_digits() to increase the limit", maxIntDigits, digits))
	}
	return true
}

func (c *checker) skipDigits() {
	for isDigit(c.peek()) {
		c.i++
	}
}

// str passes the string that opens at i.
func (c *checker) str() bool {
	open := c.i
	for c.i++; c.i < len(c.text); c.i++ {
		switch b := c.text[c.i]; {
		case b == '"':
			c.i++
			return true
		case b < ' ':
			return c.fail("Invalid control character at", c.i)
		case b == '\\':
			if c.i+1 == len(c.text) {
				return c.fail("Unterminated string starting at", open)
			}
			if !c.escape() {
				return false
			}
		}
	}
	return c.fail("Unterminated string starting at", open)
}

// escape moves from a backslash to the last byte of its escape.
func (c *checker) escape() bool {
	switch c.text[c.i+1] {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		c.i++
		return true
	case 'u':
		// Python wants to see a byte after the digits too, before it looks at them.
		if _, ok := hex4(c.text, c.i+2); !ok || c.i+6 == len(c.text) {
			return c.fail(`Invalid \uXXXX escape`, c.i+1)
		}
		c.i += 5
		return true
	}
	return c.fail(`Invalid \escape`, c.i)
}
