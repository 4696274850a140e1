package cachetest

import (
	"testing"

	"github.com/flagstaff-io/flagstaff/cachetier"
)

func TestContract(t *testing.T) {
	TestTier(t, func(*testing.T) cachetier.Tier { return NewTier() })
}
