package flagsmith

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"strconv"
	"strings"

	engine "github.com/flagstaff-io/flagstaff/evaluator/flagsmith"
	"github.com/flagstaff-io/flagstaff/evaluator/pyjson"
)

// anonymousIdentifier names an identity that gave no identifier: the same name for the same traits, a random one without
// any.
func anonymousIdentifier(traits []engine.Trait) string {
	if len(traits) == 0 {
		var b [16]byte
		_, _ = rand.Read(b[:])  // never fails
		b[6] = b[6]&0x0f | 0x40 // version 4
		b[8] = b[8]&0x3f | 0x80 // RFC 9562 variant
		return hex.EncodeToString(b[:])
	}
	sorted := slices.Clone(traits)
	slices.SortStableFunc(sorted, func(a, b engine.Trait) int { return strings.Compare(a.Key, b.Key) })
	h := sha256.New()
	for _, t := range sorted {
		if t.Value.Kind() == engine.KindNull {
			continue
		}
		h.Write([]byte(t.Key))
		h.Write(pythonText(t.Value))
	}
	return hex.EncodeToString(h.Sum(nil))
}

// pythonText is what Python's str makes of a trait's value.
func pythonText(v engine.Value) []byte {
	switch v.Kind() {
	case engine.KindString, engine.KindBigInt:
		return []byte(v.Text())
	case engine.KindInt:
		return strconv.AppendInt(nil, v.Int(), 10)
	case engine.KindFloat:
		return pyjson.AppendFloatText(nil, v.Float())
	case engine.KindBool:
		if v.Bool() {
			return []byte("True")
		}
		return []byte("False")
	}
	return []byte("None")
}

// maxScanned is the length up to which a list is searched by a scan. Identities have a handful of traits, for which a scan beats
// a map; but a request may bring tens of thousands, and scanning for each of them would take seconds.
const maxScanned = 32

// traitIndex is a list of traits, at most one for a key, in which keys are found.
type traitIndex struct {
	traits []engine.Trait
	byKey  map[string]int // nil while the list is short
}

// find returns the place of a key, or -1.
func (x *traitIndex) find(key string) int {
	if len(x.traits) <= maxScanned {
		return indexOf(x.traits, key)
	}
	if x.byKey == nil {
		x.byKey = make(map[string]int, 2*len(x.traits))
		for i := range x.traits {
			x.byKey[x.traits[i].Key] = i
		}
	}
	if at, ok := x.byKey[key]; ok {
		return at
	}
	return -1
}

// put sets a trait in the way of a Python dict: a key keeps its first place and takes the last value.
func (x *traitIndex) put(t engine.Trait) {
	if at := x.find(t.Key); at >= 0 {
		x.traits[at] = t
		return
	}
	x.traits = append(x.traits, t)
	if x.byKey != nil {
		x.byKey[t.Key] = len(x.traits) - 1
	}
}

// indexOf finds a key in a short list.
func indexOf(traits []engine.Trait, key string) int {
	for i := range traits {
		if traits[i].Key == key {
			return i
		}
	}
	return -1
}

// unchanged tells whether storing incoming on top of stored would change nothing and evaluation would see nothing new.
func unchanged(stored, incoming []engine.Trait) bool {
	index := traitIndex{traits: stored}
	for i := range incoming {
		in := &incoming[i]
		if in.Transient {
			return false
		}
		at := index.find(in.Key)
		switch {
		case in.Value.Kind() == engine.KindNull:
			if at >= 0 {
				return false
			}
		case at < 0 || !stored[at].Value.Equal(in.Value):
			return false
		}
	}
	return true
}

// withoutNull collapses incoming traits by key and drops null values. With transient set, all are marked so.
func withoutNull(dst, incoming []engine.Trait, transient bool) []engine.Trait {
	list := traitIndex{traits: dst}
	for _, t := range incoming {
		if t.Value.Kind() == engine.KindNull {
			continue
		}
		t.Transient = t.Transient || transient
		list.put(t)
	}
	return list.traits
}

// laidOver puts incoming traits over stored ones for this one evaluation, storing nothing: transient ones shadow, also with
// null; null of a trait that is not transient is ignored.
func laidOver(dst, stored, incoming []engine.Trait, transient bool) []engine.Trait {
	list := traitIndex{traits: append(dst, stored...)}
	for _, t := range incoming {
		t.Transient = t.Transient || transient
		if t.Value.Kind() == engine.KindNull && !t.Transient {
			continue
		}
		list.put(t)
	}
	return list.traits
}

// split sorts incoming traits into those to store, the keys to delete, and the transient ones. The last of a key wins.
func split(incoming []engine.Trait) (set []engine.Trait, remove []string, transient []engine.Trait) {
	var lasting, passing traitIndex
	for _, t := range incoming {
		if t.Transient {
			passing.put(t)
		} else {
			lasting.put(t)
		}
	}
	set = lasting.traits[:0]
	for _, t := range lasting.traits {
		if t.Value.Kind() == engine.KindNull {
			remove = append(remove, t.Key)
		} else {
			set = append(set, t)
		}
	}
	return set, remove, passing.traits
}

// owned copies traits whose strings alias a request, so that they may be kept.
func owned(traits []engine.Trait) []engine.Trait {
	kept := make([]engine.Trait, len(traits))
	for i, t := range traits {
		t.Key = strings.Clone(t.Key)
		switch t.Value.Kind() {
		case engine.KindString:
			t.Value = engine.StringValue(strings.Clone(t.Value.Text()))
		case engine.KindBigInt:
			t.Value = engine.BigIntValue(strings.Clone(t.Value.Text()))
		}
		kept[i] = t
	}
	return kept
}

// appendTraits renders a list of traits as the identities endpoints show it.
func appendTraits(dst []byte, traits []engine.Trait) []byte {
	dst = append(dst, '[')
	for i := range traits {
		t := &traits[i]
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(dst, `{"id":`...)
		if t.ID == 0 {
			dst = append(dst, "null"...)
		} else {
			dst = strconv.AppendInt(dst, t.ID, 10)
		}
		dst = append(dst, `,"trait_key":`...)
		dst = pyjson.AppendString(dst, t.Key)
		dst = append(dst, `,"trait_value":`...)
		dst = appendValue(dst, t.Value)
		dst = append(dst, `,"transient":`...)
		dst = strconv.AppendBool(dst, t.Transient)
		dst = append(dst, '}')
	}
	return append(dst, ']')
}
