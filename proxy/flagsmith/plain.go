package flagsmith

import (
	"bytes"
	"strconv"

	engine "github.com/flagstaff-io/flagstaff/evaluator/flagsmith"
)

// decodePlain reads the body of POST identities/ in one pass, if it is as plain as those of SDKs nearly always are: known keys, each
// once, ASCII strings without escapes, small numbers, nothing that is wrong. It returns false for any other body, good or bad, which
// then takes the complete way: check, parse, decode. For what it reads both mean the same (FuzzDecodePlain); this one takes a third
// of the time, 1 µs less for five traits. The strings alias body.
func (r *identifyRequest) decodePlain(body []byte) bool {
	r.identifier, r.transient, r.traits = "", false, r.traits[:0]
	p := plainReader{text: body}
	var seen seenKeys
	ok := p.object(func(key string) bool {
		switch key {
		case "identifier":
			return seen.first(0) && p.trimmed(&r.identifier, maxIdentifierChars)
		case "transient":
			return seen.first(1) && p.boolean(&r.transient)
		case "traits":
			return seen.first(2) && p.list(func() bool { return p.trait(r) })
		}
		return false
	})
	p.space()
	return ok && p.at == len(body)
}

// trait appends one trait.
func (p *plainReader) trait(r *identifyRequest) bool {
	var t engine.Trait
	var seen seenKeys
	ok := p.object(func(key string) bool {
		switch key {
		case "trait_key":
			return seen.first(0) && p.trimmed(&t.Key, maxTraitKeyChars)
		case "trait_value":
			return seen.first(1) && p.value(&t.Value)
		case "transient":
			return seen.first(2) && p.boolean(&t.Transient)
		}
		return false
	})
	const keyAndValue = 1<<0 | 1<<1
	if !ok || seen&keyAndValue != keyAndValue {
		return false
	}
	r.traits = append(r.traits, t)
	return true
}

// seenKeys are the keys of an object that were read, by bit.
type seenKeys uint8

// first notes a key and tells whether it is new.
func (s *seenKeys) first(bit int) bool {
	before := *s
	*s |= 1 << bit
	return *s != before
}

// plainReader reads JSON as far as it is plain. Each method returns false where it is not, and then nothing more may be read.
type plainReader struct {
	text []byte
	at   int
}

func (p *plainReader) space() {
	for p.at < len(p.text) && (p.text[p.at] == ' ' || p.text[p.at] == '\n' || p.text[p.at] == '\r' || p.text[p.at] == '\t') {
		p.at++
	}
}

// mark skips space and one character.
func (p *plainReader) mark(c byte) bool {
	p.space()
	if p.at < len(p.text) && p.text[p.at] == c {
		p.at++
		return true
	}
	return false
}

// object reads an object whose values member reads.
func (p *plainReader) object(member func(key string) bool) bool {
	if !p.mark('{') {
		return false
	}
	if p.mark('}') {
		return true
	}
	for {
		var key string
		if !p.string(&key) || !p.mark(':') || !member(key) {
			return false
		}
		if !p.mark(',') {
			return p.mark('}')
		}
	}
}

// list reads a list whose elements element reads.
func (p *plainReader) list(element func() bool) bool {
	if !p.mark('[') {
		return false
	}
	if p.mark(']') {
		return true
	}
	for {
		if !element() {
			return false
		}
		if !p.mark(',') {
			return p.mark(']')
		}
	}
}

// string reads a string of printable ASCII without escapes.
func (p *plainReader) string(s *string) bool {
	if !p.mark('"') {
		return false
	}
	n := bytes.IndexByte(p.text[p.at:], '"')
	if n < 0 {
		return false
	}
	text := p.text[p.at : p.at+n]
	for _, c := range text {
		if c < ' ' || c > '~' || c == '\\' {
			return false
		}
	}
	p.at += n + 1
	*s = unsafeString(text)
	return true
}

// trimmed reads a string that is not blank, has no space around it and is not too long.
func (p *plainReader) trimmed(s *string, limit int) bool {
	return p.string(s) && *s != "" && len(*s) <= limit && (*s)[0] != ' ' && (*s)[len(*s)-1] != ' '
}

func (p *plainReader) boolean(b *bool) bool {
	p.space()
	*b = bytes.HasPrefix(p.text[p.at:], []byte("true"))
	return *b && p.skip("true") || p.skip("false")
}

func (p *plainReader) skip(word string) bool {
	if !bytes.HasPrefix(p.text[p.at:], []byte(word)) {
		return false
	}
	p.at += len(word)
	return true
}

// value reads what a trait may hold, but for null, lists and objects.
func (p *plainReader) value(v *engine.Value) bool {
	p.space()
	if p.at == len(p.text) {
		return false
	}
	switch c := p.text[p.at]; {
	case c == '"':
		var s string
		ok := p.string(&s) && len(s) <= maxTraitTextChars
		*v = engine.StringValue(s)
		return ok
	case c == 't', c == 'f':
		var b bool
		ok := p.boolean(&b)
		*v = engine.BoolValue(b)
		return ok
	}
	return p.number(v)
}

// number reads a number without exponent, of at most 15 digits before the point.
func (p *plainReader) number(v *engine.Value) bool {
	from := p.at
	negative := p.skip("-")
	whole := p.at
	n := p.digits()
	if d := p.at - whole; d == 0 || d > 15 || d > 1 && p.text[whole] == '0' {
		return false
	}
	if p.skip(".") {
		fraction := p.at
		p.digits()
		if p.at == fraction || p.exponent() {
			return false
		}
		f, err := strconv.ParseFloat(unsafeString(p.text[from:p.at]), 64)
		*v = engine.FloatValue(f)
		return err == nil
	}
	if negative {
		n = -n
	}
	*v = engine.IntValue(n)
	return !p.exponent()
}

func (p *plainReader) exponent() bool {
	return p.at < len(p.text) && (p.text[p.at] == 'e' || p.text[p.at] == 'E')
}

// digits reads digits. Their number is exact up to 18 of them.
func (p *plainReader) digits() (n int64) {
	for p.at < len(p.text) && '0' <= p.text[p.at] && p.text[p.at] <= '9' {
		n = n*10 + int64(p.text[p.at]-'0')
		p.at++
	}
	return n
}
