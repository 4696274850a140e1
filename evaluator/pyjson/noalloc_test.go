//go:build !race

package pyjson

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestAppendNoAlloc(t *testing.T) {
	var members []string
	for i := range 500 {
		members = append(members, fmt.Sprintf(`"key %d" : { "é": [%d.50, "\u00e9\ud83d\ude00", null] }`, i, i))
	}
	large := []byte("{" + strings.Join(members, ",\n") + "}")
	small := []byte(`{"trait_key": "größe", "trait_value": 0.10000000000000000000000000000000000001, "transient": true}`)
	text := "it's <größe> 😀\n\xff"
	at := time.Date(2026, 1, 12, 9, 30, 11, 482913000, time.UTC)
	dst := make([]byte, 0, 1<<20)

	for name, run := range map[string]func(){
		"AppendString":          func() { dst = AppendString(dst[:0], text) },
		"AppendFloat":           func() { dst = AppendFloat(dst[:0], 54.54) },
		"AppendFloat exponent":  func() { dst = AppendFloat(dst[:0], 1e-5) },
		"AppendFloatText":       func() { dst = AppendFloatText(dst[:0], 1e16) },
		"AppendCompact small":   func() { dst = AppendCompact(dst[:0], small) },
		"AppendCompact large":   func() { dst = AppendCompact(dst[:0], large) },
		"AppendStr":             func() { dst = AppendStr(dst[:0], small) },
		"AppendTime":            func() { dst = AppendTime(dst[:0], at) },
		"AppendTimeOffset":      func() { dst = AppendTimeOffset(dst[:0], at) },
		"AppendUnixFloat":       func() { dst = AppendUnixFloat(dst[:0], at) },
		"AppendUnixFloat later": func() { dst = AppendUnixFloat(dst[:0], at.AddDate(1000, 0, 0)) },
		"Valid":                 func() { Valid(large) },
		"ErrorMessage accepted": func() { ErrorMessage(large) },
	} {
		t.Run(name, func(t *testing.T) {
			require.Zero(t, testing.AllocsPerRun(100, run))
		})
	}
}
