package flagsmith

import (
	"strings"
)

// inSet is the value of an IN condition: spec section 3.6.
type inSet struct {
	texts    map[string]struct{}
	integers map[int64]struct{} // those texts that are canonical decimal integers
}

func newInSet(value conditionValue) inSet {
	var set inSet
	for _, item := range inItems(value) {
		if set.texts == nil {
			set.texts = map[string]struct{}{}
		}
		set.texts[item] = struct{}{}
		i, ok := parseDigits(item)
		if !ok || i.digits != "" || item != string(i.appendText(nil)) {
			continue
		}
		if set.integers == nil {
			set.integers = map[int64]struct{}{}
		}
		set.integers[i.small] = struct{}{}
	}
	return set
}

// inItems lists what IN compares with: the elements of a list, of text that is a JSON list, or the text cut at commas.
func inItems(value conditionValue) []string {
	switch {
	case value.isList:
		return value.list
	case value.isNull:
		return nil
	case strings.HasPrefix(value.text, "["):
		tree, err := parseTree([]byte(value.text))
		if err == nil {
			items, _ := pythonTexts(tree)
			return items
		}
	}
	return strings.Split(value.text, ",")
}

// contains looks up text as it is and integers by their canonical text; nothing else is ever in a set.
func (set *inSet) contains(v *operand) bool {
	switch v.kind {
	case KindString:
		_, ok := set.texts[v.text]
		return ok
	case KindInt:
		if v.integer.digits == "" {
			_, ok := set.integers[v.integer.small]
			return ok
		}
		_, ok := set.texts[string(v.integer.appendText(nil))]
		return ok
	}
	return false
}
