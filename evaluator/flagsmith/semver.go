package flagsmith

import (
	"cmp"
	"strings"
)

// semverSuffix marks a condition value as a semantic version.
const semverSuffix = ":semver"

// version is a parsed semantic version. Its parts share the text that they come from.
type version struct {
	core       [3]string // major, minor, patch: digits without leading zeros, of any length
	prerelease string    // "" when there is none
	build      string    // "" when there is none
}

// parseVersion reads a strict SemVer 2.0.0 version: no "v", no blanks, no leading zeros.
func parseVersion(s string) (version, bool) {
	var v version
	for i := range v.core {
		n := countDigits(s)
		if n == 0 || n > 1 && s[0] == '0' {
			return version{}, false
		}
		v.core[i], s = s[:n], s[n:]
		if i < len(v.core)-1 {
			if s == "" || s[0] != '.' {
				return version{}, false
			}
			s = s[1:]
		}
	}
	if s != "" && s[0] == '-' {
		v.prerelease, s = s[1:], ""
		if plus := strings.IndexByte(v.prerelease, '+'); plus >= 0 {
			v.prerelease, s = v.prerelease[:plus], v.prerelease[plus:]
		}
		if !areIdentifiers(v.prerelease, false) {
			return version{}, false
		}
	}
	if s != "" {
		v.build = s[1:]
		if s[0] != '+' || !areIdentifiers(v.build, true) {
			return version{}, false
		}
	}
	return v, true
}

// areIdentifiers checks identifiers joined by dots. Numeric ones may have leading zeros only in a build.
func areIdentifiers(s string, build bool) bool {
	for {
		id, rest, more := strings.Cut(s, ".")
		if id == "" {
			return false
		}
		for i := 0; i < len(id); i++ {
			c := id[i]
			if !isDigit(c) && (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && c != '-' {
				return false
			}
		}
		if !build && len(id) > 1 && id[0] == '0' && allDigits(id) {
			return false
		}
		if !more {
			return true
		}
		s = rest
	}
}

// compare orders versions by SemVer 2.0.0 section 11: the build does not count.
func (v version) compare(w version) int {
	for i := range v.core {
		if c := compareDigits(v.core[i], w.core[i]); c != 0 {
			return c
		}
	}
	switch {
	case v.prerelease == w.prerelease:
		return 0
	case v.prerelease == "":
		return 1
	case w.prerelease == "":
		return -1
	}
	a, b := v.prerelease, w.prerelease
	for {
		idA, restA, moreA := strings.Cut(a, ".")
		idB, restB, moreB := strings.Cut(b, ".")
		if c := compareIdentifiers(idA, idB); c != 0 {
			return c
		}
		switch {
		case !moreA && !moreB:
			return 0
		case !moreA:
			return -1
		case !moreB:
			return 1
		}
		a, b = restA, restB
	}
}

// compareIdentifiers orders two identifiers of a pre-release: numbers by value and before everything else.
func compareIdentifiers(a, b string) int {
	numericA, numericB := allDigits(a), allDigits(b)
	switch {
	case numericA && numericB:
		return compareDigits(a, b)
	case numericA:
		return -1
	case numericB:
		return 1
	}
	return strings.Compare(a, b)
}

// compareDigits orders numbers of any length that have no leading zeros.
func compareDigits(a, b string) int {
	if c := cmp.Compare(len(a), len(b)); c != 0 {
		return c
	}
	return strings.Compare(a, b)
}
