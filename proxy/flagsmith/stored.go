package flagsmith

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"

	"github.com/flagstaff-io/flagstaff/cachetier"
	engine "github.com/flagstaff-io/flagstaff/evaluator/flagsmith"
)

// StoredIdentity is an identity as this node keeps it in memory, with its traits rendered. What is stored of it is immutable.
type StoredIdentity struct {
	engine.Identity
	traits []byte // the "traits" list of an answer
	last   atomic.Pointer[evaluation]
}

// evaluation is what an identity's flags came to. It holds as long as neither the identity nor the environment changes, and each
// of their versions is a value of its own. Most requests are of users whose traits did not change: for them this saves 2.5 of
// 7.5 µs.
type evaluation struct {
	generation uint64 // of the Environment
	outcomes   []engine.OutcomeID
}

// evaluationBytes is what an evaluation of the usual hundred features takes.
const evaluationBytes = 512

// evaluated returns the outcomes in env as far as they are known.
func (s *StoredIdentity) evaluated(env *Environment) []engine.OutcomeID {
	if e := s.last.Load(); e != nil && e.generation == env.generation {
		return e.outcomes
	}
	return nil
}

// remember keeps a copy of outcomes.
func (s *StoredIdentity) remember(env *Environment, outcomes []engine.OutcomeID) {
	s.last.Store(&evaluation{env.generation, slices.Clone(outcomes)})
}

// NewStoredIdentity renders an identity's traits. It keeps id, which must not change any more.
func NewStoredIdentity(id engine.Identity) *StoredIdentity {
	return &StoredIdentity{Identity: id, traits: appendTraits(nil, id.Traits)}
}

// bytes estimates the memory that s takes.
func (s *StoredIdentity) bytes() int64 {
	n := 256 + evaluationBytes + len(s.Identifier) + len(s.traits)
	for i := range s.Traits {
		n += 96 + len(s.Traits[i].Key) + len(s.Traits[i].Value.Text())
	}
	return int64(n)
}

// IdentityCacheID is the id of an identity in its cache.
func IdentityCacheID(environmentID int64, identifier string) string {
	return string(appendIdentityCacheID(nil, environmentID, identifier))
}

func appendIdentityCacheID(dst []byte, environmentID int64, identifier string) []byte {
	dst = strconv.AppendInt(dst, environmentID, 10)
	dst = append(dst, 0) // identifiers hold none
	return append(dst, identifier...)
}

// SplitIdentityCacheID undoes IdentityCacheID.
func SplitIdentityCacheID(id string) (environmentID int64, identifier string, ok bool) {
	environment, identifier, ok := strings.Cut(id, "\x00")
	if !ok {
		return 0, "", false
	}
	environmentID, err := strconv.ParseInt(environment, 10, 64)
	return environmentID, identifier, err == nil
}

// identityEntry is the JSON of an identity in a cache entry.
type identityEntry struct {
	ID         int64        `json:"id"`
	Identifier string       `json:"identifier"`
	Traits     []traitEntry `json:"traits"`
}

type traitEntry struct {
	ID    int64           `json:"id"`
	Key   string          `json:"key"`
	Value json.RawMessage `json:"value"` // floats carry a fraction or an exponent, integers never
}

// EncodeIdentity makes a cache entry of a stored identity.
func EncodeIdentity(id engine.Identity) (cachetier.Entry, error) {
	e := identityEntry{ID: id.ID, Identifier: id.Identifier, Traits: make([]traitEntry, len(id.Traits))}
	for i, t := range id.Traits {
		e.Traits[i] = traitEntry{ID: t.ID, Key: t.Key, Value: appendValue(nil, t.Value)}
	}
	body, err := json.Marshal(e)
	if err != nil {
		return cachetier.Entry{}, fmt.Errorf("encode identity: %w", err)
	}
	return cachetier.Entry{Body: body, Version: id.Version}, nil
}

// DecodeIdentity undoes EncodeIdentity. The cost is an estimate of the memory that the identity takes, in bytes.
func DecodeIdentity(_ string, entry cachetier.Entry) (*StoredIdentity, int64, error) {
	var e identityEntry
	if err := json.Unmarshal(entry.Body, &e); err != nil {
		return nil, 0, fmt.Errorf("decode identity: %w", err)
	}
	id := engine.Identity{ID: e.ID, Identifier: e.Identifier, Version: entry.Version, Traits: make([]engine.Trait, len(e.Traits))}
	for i, t := range e.Traits {
		value, err := decodeValue(t.Value)
		if err != nil {
			return nil, 0, fmt.Errorf("decode identity: trait %q: %w", t.Key, err)
		}
		id.Traits[i] = engine.Trait{ID: t.ID, Key: t.Key, Value: value}
	}
	stored := NewStoredIdentity(id)
	return stored, stored.bytes(), nil
}

func decodeValue(raw json.RawMessage) (engine.Value, error) {
	text := string(raw)
	switch {
	case text == "true", text == "false":
		return engine.BoolValue(text == "true"), nil
	case strings.HasPrefix(text, `"`):
		var s string
		err := json.Unmarshal(raw, &s)
		return engine.StringValue(s), err
	case !isInteger(text):
		f, err := strconv.ParseFloat(text, 64)
		return engine.FloatValue(f), err
	}
	i, err := strconv.ParseInt(text, 10, 64)
	return engine.IntValue(i), err
}
