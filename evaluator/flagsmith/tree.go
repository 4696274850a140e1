package flagsmith

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"unicode/utf8"
)

// maxTreeDepth bounds how deep lists and objects nest in evaluation contexts and in the values of conditions.
const maxTreeDepth = 500

// node is a JSON value that remembers the order of its objects. It is immutable once fill has run, or never needs to run.
type node struct {
	kind nodeKind
	keys []string // of an object, without duplicates
	kids []*node  // of an object, beside keys; of a list
	// value is a scalar: nil, bool, string or json.Number. Of a list or an object it is nil until fill makes the []any or
	// map[string]any that the filters of a JSONPath see.
	value any
}

type nodeKind uint8

const (
	scalarNode nodeKind = iota
	listNode
	objectNode
)

func newScalar(value any) *node { return &node{value: value} }

// object is an object under construction.
type object struct {
	keys  []string
	kids  []*node
	index map[string]int
}

// put adds a member. Of duplicate keys the last value stays, in the first one's place.
func (o *object) put(key string, kid *node) {
	if i, ok := o.index[key]; ok {
		o.kids[i] = kid
		return
	}
	if o.index == nil {
		o.index = map[string]int{}
	}
	o.index[key] = len(o.keys)
	o.keys, o.kids = append(o.keys, key), append(o.kids, kid)
}

// done returns the object.
func (o *object) done() *node { return &node{kind: objectNode, keys: o.keys, kids: o.kids} }

// add appends a member to an object. The caller knows that the key is new.
func (n *node) add(key string, kid *node) {
	n.keys = append(n.keys, key)
	n.kids = append(n.kids, kid)
}

// set replaces a member of an object where it is, or appends it.
func (n *node) set(key string, kid *node) {
	for i, k := range n.keys {
		if k == key {
			n.kids[i] = kid
			return
		}
	}
	n.add(key, kid)
}

// get returns a member of an object, or nil. Of anything else it returns nil.
func (n *node) get(key string) *node {
	for i, k := range n.keys {
		if k == key {
			return n.kids[i]
		}
	}
	return nil
}

// isNull tells whether a member is absent or null.
func (n *node) isNull() bool { return n == nil || n.kind == scalarNode && n.value == nil }

// size counts n and all below it.
func (n *node) size() int {
	total := 1
	for _, kid := range n.kids {
		total += kid.size()
	}
	return total
}

// fill makes value for n and all below it.
func (n *node) fill() {
	if n.kind == scalarNode || n.value != nil {
		return
	}
	for _, kid := range n.kids {
		kid.fill()
	}
	if n.kind == listNode {
		list := make([]any, len(n.kids))
		for i, kid := range n.kids {
			list[i] = kid.value
		}
		n.value = list
		return
	}
	object := make(map[string]any, len(n.kids))
	for i, kid := range n.kids {
		object[n.keys[i]] = kid.value
	}
	n.value = object
}

// parseTree reads exactly one JSON value.
func parseTree(data []byte) (*node, error) {
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.UseNumber()
	n, err := readNode(dec, 0)
	if err != nil {
		if errors.Is(err, io.EOF) {
			err = io.ErrUnexpectedEOF
		}
		return nil, err
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("more than one value, at byte %d", dec.InputOffset())
	}
	return n, nil
}

func readNode(dec *json.Decoder, depth int) (*node, error) {
	if depth > maxTreeDepth {
		return nil, fmt.Errorf("nested deeper than %d, at byte %d", maxTreeDepth, dec.InputOffset())
	}
	token, err := dec.Token()
	if err != nil {
		return nil, err
	}
	switch token {
	case json.Delim('['):
		n := &node{kind: listNode}
		for dec.More() {
			kid, err := readNode(dec, depth+1)
			if err != nil {
				return nil, err
			}
			n.kids = append(n.kids, kid)
		}
		_, err = dec.Token()
		return n, err
	case json.Delim('{'):
		return readObject(dec, depth)
	}
	return newScalar(token), nil
}

func readObject(dec *json.Decoder, depth int) (*node, error) {
	var members object
	for dec.More() {
		token, err := dec.Token()
		if err != nil {
			return nil, err
		}
		key, ok := token.(string)
		if !ok {
			return nil, fmt.Errorf("object key is not a string, at byte %d", dec.InputOffset())
		}
		kid, err := readNode(dec, depth+1)
		if err != nil {
			return nil, err
		}
		members.put(key, kid)
	}
	_, err := dec.Token()
	return members.done(), err
}

// appendJSON appends n as compact JSON, numbers as they were written.
func (n *node) appendJSON(dst []byte) []byte {
	switch n.kind {
	case listNode:
		dst = append(dst, '[')
		for i, kid := range n.kids {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = kid.appendJSON(dst)
		}
		return append(dst, ']')
	case objectNode:
		dst = append(dst, '{')
		for i, kid := range n.kids {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = appendJSONString(dst, n.keys[i])
			dst = append(dst, ':')
			dst = kid.appendJSON(dst)
		}
		return append(dst, '}')
	}
	switch v := n.value.(type) {
	case bool:
		return strconv.AppendBool(dst, v)
	case string:
		return appendJSONString(dst, v)
	case json.Number:
		return append(dst, v...)
	}
	return append(dst, "null"...)
}

// appendJSONString appends s as a JSON string that escapes only what JSON requires, so that text outside ASCII and HTML
// stay readable. encoding/json cannot leave U+2028 alone.
func appendJSONString(dst []byte, s string) []byte {
	const hex = "0123456789abcdef"
	dst = append(dst, '"')
	for _, r := range s { // invalid UTF-8 comes out as U+FFFD
		switch {
		case r == '"' || r == '\\':
			dst = append(dst, '\\', byte(r))
		case r >= ' ':
			dst = utf8.AppendRune(dst, r)
		case r == '\n':
			dst = append(dst, '\\', 'n')
		case r == '\r':
			dst = append(dst, '\\', 'r')
		case r == '\t':
			dst = append(dst, '\\', 't')
		default:
			dst = append(dst, '\\', 'u', '0', '0', hex[r>>4], hex[r&15])
		}
	}
	return append(dst, '"')
}

// pythonText is Python's str() of a scalar; of lists and objects it is "".
func pythonText(n *node) string {
	switch v := n.value.(type) {
	case string:
		return v
	case bool:
		if v {
			return "True"
		}
		return "False"
	case json.Number:
		value := coerce(numberValue(v))
		return string(value.appendText(nil))
	}
	if n.kind == scalarNode {
		return "None"
	}
	return ""
}

// pythonTexts is Python's str() of the elements of a list. Lists and objects among them are left out: no text that could
// equal theirs is worth the code. Of an object it is nothing; ok is false for scalars.
func pythonTexts(n *node) (texts []string, ok bool) {
	if n.kind != listNode {
		return nil, n.kind == objectNode
	}
	for _, kid := range n.kids {
		if kid.kind == scalarNode {
			texts = append(texts, pythonText(kid))
		}
	}
	return texts, true
}
