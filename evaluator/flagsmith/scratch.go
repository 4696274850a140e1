package flagsmith

// Scratch is the working memory of one evaluation at a time: what has been worked out about the identity at hand. The
// zero value works, and one that has been used works with any Ruleset. It must not be shared by concurrent calls. Until
// its next use it may refer to the last identity's strings, but does not read them.
type Scratch struct {
	ruleset *Ruleset
	id      *Identity
	hashKey string // "": the implicit key

	traits   []Value    // by slot: what the identity has under the names that conditions ask for
	operands []resolved // by property
	segments []verdict  // by segment
	buf      []byte     // texts to hash and to match

	// identityNode is the identity as the evaluation context gave it; nil when there is only id.
	identityNode *node
	root         *node // what JSONPaths walk, built by the first of them
}

// resolved is the value of a property, once it has been asked for.
type resolved struct {
	ready bool
	value operand
}

// verdict is what is known about a segment.
type verdict uint8

const (
	unevaluated verdict = iota
	noMatch
	match
)

// begin forgets the last identity and takes up another one.
func (s *Scratch) begin(r *Ruleset, id *Identity, hashKey string) {
	s.ruleset, s.id, s.hashKey, s.root = r, id, hashKey, nil
	s.traits = cleared(s.traits, len(r.slots))
	s.operands = cleared(s.operands, len(r.properties))
	s.segments = cleared(s.segments, len(r.segments))
	if id == nil || len(r.slots) == 0 {
		return
	}
	for i := range id.Traits {
		trait := &id.Traits[i]
		if slot, ok := r.slots[trait.Key]; ok {
			s.traits[slot] = trait.Value // of duplicates the last one stays
		}
	}
}

// cleared returns n zeros, in the memory of old if they fit.
func cleared[T any](old []T, n int) []T {
	if cap(old) < n {
		return make([]T, n)
	}
	old = old[:n]
	clear(old)
	return old
}

// matches tells whether segment i matches, evaluating it at most once.
func (s *Scratch) matches(i int) bool {
	if s.segments[i] == unevaluated {
		s.segments[i] = noMatch
		if s.ruleset.segments[i].matches(s) {
			s.segments[i] = match
		}
	}
	return s.segments[i] == match
}

// operand returns the value of property i, resolving it at most once.
func (s *Scratch) operand(i int) *operand {
	slot := &s.operands[i]
	if !slot.ready {
		slot.ready = true
		slot.value = s.ruleset.properties[i].resolve(s)
	}
	return &slot.value
}

// appendKey appends the identity's hash key. There must be an identity.
func (s *Scratch) appendKey(dst []byte) []byte {
	if s.hashKey != "" {
		return append(dst, s.hashKey...)
	}
	dst = append(dst, s.ruleset.environmentKey...)
	dst = append(dst, '_')
	return append(dst, s.id.Identifier...)
}

// keyBucket places the identity's key: spec section 4.4. There must be an identity.
func (s *Scratch) keyBucket(seed string) int {
	s.buf = append(s.buf[:0], seed...)
	s.buf = append(s.buf, ',')
	return s.bucket(s.appendKey(s.buf))
}

// operandBucket places the text of a property.
func (s *Scratch) operandBucket(seed string, v *operand) int {
	s.buf = append(s.buf[:0], seed...)
	s.buf = append(s.buf, ',')
	return s.bucket(v.appendText(s.buf))
}

func (s *Scratch) bucket(text []byte) int {
	bucket, text := bucketOf(text)
	s.buf = text
	return bucket
}
