//go:build !race

package cachetier_test

const raceEnabled = false
