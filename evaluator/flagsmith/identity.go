package flagsmith

// Identity is one end user of an environment, with the traits that are stored for it.
type Identity struct {
	// ID is the row's id, 0 when the identity is not stored.
	ID         int64
	Identifier string
	Traits     []Trait // by ID; at most one for a key
	// Version grows with every stored change of the identity. Zero when it is not stored.
	Version int64

	// WithoutOverrides keeps identity overrides away from this identity: somebody who only bears the name.
	WithoutOverrides bool
}

// Trait is one property of an identity.
type Trait struct {
	ID    int64 // 0 when it is not stored
	Key   string
	Value Value
	// Transient marks a trait that its request asked not to store.
	Transient bool
}
