package bench

import (
	"fmt"
	"math/rand/v2"
)

// Trait is one trait of an identity, as Flagsmith's API takes it.
type Trait struct {
	Key   string `json:"trait_key"`
	Value any    `json:"trait_value"` // string, int, float64 or bool
}

// Identity is one end user.
type Identity struct {
	Identifier string  `json:"identifier"`
	Traits     []Trait `json:"traits"`
}

// StoredTraits and VisitorTraits are how many traits the identities of a Population and of Visitors have.
const (
	StoredTraits  = 5
	VisitorTraits = 10
)

var (
	plans     = []string{"free", "free", "free", "starter", "starter", "business", "enterprise"}
	countries = []string{"DE", "FR", "GB", "US", "US", "US", "IN", "BR", "JP", "PL"}
	locales   = []string{"de-DE", "fr-FR", "en-GB", "en-US", "hi-IN", "pt-BR", "ja-JP", "pl-PL"}
	channels  = []string{"organic", "newsletter", "partner", "search", "social"}
	devices   = []string{"ios", "android", "web"}
)

// Population returns n customers with StoredTraits traits each. The same seed gives the same ones.
func Population(seed uint64, n int) []Identity {
	r := rand.New(rand.NewPCG(seed, 1))
	people := make([]Identity, n)
	for i := range people {
		people[i] = Identity{Identifier: fmt.Sprintf("customer-%06d@example.com", i), Traits: traits(r)[:StoredTraits]}
	}
	return people
}

// Visitors returns n people whom the server has not stored, with VisitorTraits traits each.
func Visitors(seed uint64, n int) []Identity {
	r := rand.New(rand.NewPCG(seed, 2))
	people := make([]Identity, n)
	for i := range people {
		people[i] = Identity{Identifier: fmt.Sprintf("%08x-%04x-4%03x", r.Uint32(), r.Uint32()>>16, r.Uint32()>>20), Traits: traits(r)}
	}
	return people
}

// traits are in the order in which a client would send them. The first five are what segments mostly look at.
func traits(r *rand.Rand) []Trait {
	pick := func(from []string) string { return from[r.IntN(len(from))] }
	return []Trait{
		{"plan", pick(plans)},
		{"country", pick(countries)},
		{"app_version", fmt.Sprintf("%d.%d.%d", 3+r.IntN(3), r.IntN(20), r.IntN(10))},
		{"seats", 1 + r.IntN(400)},
		{"beta_opt_in", r.IntN(5) == 0},
		{"email", fmt.Sprintf("%s.%d@%s", pick(channels), r.IntN(100_000), pick([]string{"example.com", "example.org", "acme.test"}))},
		{"locale", pick(locales)},
		{"device", pick(devices)},
		{"lifetime_value", float64(r.IntN(1_000_000)) / 100},
		{"signup_year", 2015 + r.IntN(11)},
	}
}

// ZipfOrder returns a sequence of length steps over n items in which few come often and most seldom, as users do.
func ZipfOrder(seed uint64, n, length int) []int32 {
	const exponent, offset = 1.1, 4
	z := rand.NewZipf(rand.New(rand.NewPCG(seed, 3)), exponent, offset, uint64(n-1))
	order := make([]int32, length)
	for i := range order {
		order[i] = int32(z.Uint64())
	}
	return order
}
