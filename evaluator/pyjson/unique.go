package pyjson

import (
	"encoding/binary"
	"hash/maphash"
	"slices"
)

var keySeed = maphash.MakeSeed()

// mayRepeatKey reports whether an object in dst[start:], compact text with the given number of keys, may have the same
// key twice. It never misses one. The hash table it needs is on the stack or, for many keys, in the spare capacity of
// dst, which is why it returns dst: a table of its own would be garbage for each call.
func mayRepeatKey(dst []byte, start, keys int) ([]byte, bool) {
	var small [64 * 8]byte
	if keys <= 32 {
		return dst, hasTwin(dst[start:], small[:])
	}
	slots := 64
	for slots < 2*keys {
		slots *= 2
	}
	text := len(dst)
	dst = slices.Grow(dst, slots*8)
	table := dst[text : text+slots*8]
	clear(table)
	return dst, hasTwin(dst[start:text], table)
}

// hasTwin reports whether two keys of one object have the same 64-bit hash. table is zero and has a power of two of
// 8-byte slots, more than text has keys.
func hasTwin(text, table []byte) bool {
	var (
		object  [MaxDepth]uint64 // numbers of the open objects
		objects uint64
		depth   int
	)
	for i := 0; i < len(text); i++ {
		switch text[i] {
		case '{':
			if depth == MaxDepth {
				return true // not valid anyway
			}
			objects++
			object[depth] = objects
			depth++
		case '}':
			depth = max(depth-1, 0)
		case '"':
			end := skipString(text, i)
			if depth > 0 && end < len(text) && text[end] == ':' {
				// The odd factor keeps equal keys of different objects apart.
				hash := maphash.Bytes(keySeed, text[i:end]) + object[depth-1]*0x9E3779B97F4A7C15
				if !insert(table, max(hash, 1)) {
					return true
				}
			}
			i = end - 1
		}
	}
	return false
}

// insert puts hash, which is not zero, into the table and reports whether it is new there.
func insert(table []byte, hash uint64) bool {
	mask := len(table)/8 - 1
	for slot := int(hash) & mask; ; slot = (slot + 1) & mask {
		entry := table[slot*8:]
		switch binary.LittleEndian.Uint64(entry) {
		case 0:
			binary.LittleEndian.PutUint64(entry, hash)
			return true
		case hash:
			return false
		}
	}
}

// dropRepeatedKeys rewrites dst[start:], valid compact text, with each key once: the last value at the first place. It
// copies what it reads and allocates freely, because such input is a client's mistake.
func dropRepeatedKeys(dst []byte, start int) []byte {
	d := deduper{text: slices.Clone(dst[start:]), ends: make(map[int]int)}
	d.matchBrackets()
	return d.appendValue(dst[:start], 0, len(d.text))
}

type deduper struct {
	text []byte
	ends map[int]int // index of an opening bracket -> index after its closing one
}

func (d *deduper) matchBrackets() {
	var open []int
	for i := 0; i < len(d.text); i++ {
		switch d.text[i] {
		case '{', '[':
			open = append(open, i)
		case '}', ']':
			last := len(open) - 1
			d.ends[open[last]] = i + 1
			open = open[:last]
		case '"':
			i = skipString(d.text, i) - 1
		}
	}
}

// valueEnd returns the index after the value at text[i].
func (d *deduper) valueEnd(i int) int {
	switch d.text[i] {
	case '{', '[':
		return d.ends[i]
	case '"':
		return skipString(d.text, i)
	}
	for i < len(d.text) && d.text[i] != ',' && d.text[i] != '}' && d.text[i] != ']' {
		i++
	}
	return i
}

// appendValue appends the value text[i:end]. It recurses at most MaxDepth deep: the text came from valid JSON.
func (d *deduper) appendValue(dst []byte, i, end int) []byte {
	switch d.text[i] {
	case '{':
		return d.appendObject(dst, i, end)
	case '[':
		return d.appendArray(dst, i, end)
	}
	return append(dst, d.text[i:end]...)
}

func (d *deduper) appendArray(dst []byte, i, end int) []byte {
	dst = append(dst, '[')
	for i++; i < end-1; {
		next := d.valueEnd(i)
		dst = d.appendValue(dst, i, next)
		if next < end-1 {
			dst = append(dst, ',')
		}
		i = next + 1
	}
	return append(dst, ']')
}

func (d *deduper) appendObject(dst []byte, i, end int) []byte {
	type member struct {
		key      []byte // with its quotes
		from, to int    // the value
	}
	var members []member
	place := make(map[string]int)
	for i++; i < end-1; {
		keyEnd := skipString(d.text, i)
		m := member{key: d.text[i:keyEnd], from: keyEnd + 1, to: d.valueEnd(keyEnd + 1)}
		if first, repeated := place[string(m.key)]; repeated {
			members[first] = m
		} else {
			place[string(m.key)] = len(members)
			members = append(members, m)
		}
		i = m.to + 1
	}
	dst = append(dst, '{')
	for n, m := range members {
		if n > 0 {
			dst = append(dst, ',')
		}
		dst = append(append(dst, m.key...), ':')
		dst = d.appendValue(dst, m.from, m.to)
	}
	return append(dst, '}')
}
