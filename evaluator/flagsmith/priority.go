package flagsmith

import (
	"encoding/json"
	"math"
	"math/big"
	"strings"
)

// priority orders overrides and variants: the lower one is stronger. The zero priority is an absent one, the weakest.
// Numbers compare exactly, whatever their size: a UUID may serve as one.
type priority struct{ number *big.Float }

func floatPriority(f float64) priority {
	if math.IsNaN(f) {
		return priority{}
	}
	return priority{big.NewFloat(f)}
}

// numberPriority reads a JSON number; with a point or an exponent it is a float64, as everywhere.
func numberPriority(n json.Number) priority {
	if i, ok := new(big.Int).SetString(string(n), 10); ok && !strings.ContainsAny(string(n), ".eE") {
		return priority{new(big.Float).SetInt(i)}
	}
	v := numberValue(n)
	return floatPriority(v.Float())
}

// compare returns -1, 0 or +1 as p is stronger than, equal to or weaker than q.
func (p priority) compare(q priority) int {
	switch {
	case p.number == nil && q.number == nil:
		return 0
	case p.number == nil:
		return 1
	case q.number == nil:
		return -1
	}
	return p.number.Cmp(q.number)
}
