package proxy_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/valyala/fasthttp"

	"github.com/flagstaff-io/flagstaff/proxy"
)

var changed = time.Date(2026, 3, 1, 10, 0, 0, 999_999_999, time.UTC)

func check(pairs ...string) proxy.Precondition {
	v := proxy.NewValidators("abc", changed)
	var h fasthttp.RequestHeader
	for i := 0; i < len(pairs); i += 2 {
		h.Set(pairs[i], pairs[i+1])
	}
	return v.Check(&h)
}

func TestValidators(t *testing.T) {
	v := proxy.NewValidators("abc", changed)
	require.Equal(t, `"abc"`, string(v.ETag))
	require.Equal(t, changed.Unix(), v.LastModified, "the second is cut off, not rounded")
}

func TestCheck(t *testing.T) {
	const then, before, after = "Sun, 01 Mar 2026 10:00:00 GMT", "Sun, 01 Mar 2026 09:59:59 GMT", "Sun, 01 Mar 2026 10:00:01 GMT"
	for _, row := range []struct {
		want   proxy.Precondition
		fields []string
	}{
		{proxy.Send, nil},
		{proxy.NotModified, []string{"If-None-Match", `"abc"`}},
		{proxy.NotModified, []string{"If-None-Match", `W/"abc"`}},
		{proxy.NotModified, []string{"If-None-Match", `"abc-gzip"`}},
		{proxy.NotModified, []string{"If-None-Match", `"abc-zstd"`}},
		{proxy.NotModified, []string{"If-None-Match", `*`}},
		{proxy.NotModified, []string{"If-None-Match", `"x","abc"`}},
		{proxy.NotModified, []string{"If-None-Match", `"x" , W/"abc-gzip" ,`}},
		{proxy.Send, []string{"If-None-Match", `"abcd"`}},
		{proxy.Send, []string{"If-None-Match", `"ab"`}},
		{proxy.Send, []string{"If-None-Match", `abc`}},
		{proxy.Send, []string{"If-None-Match", `"abc`}},
		{proxy.Send, []string{"If-None-Match", `"abc-br"`}},
		{proxy.Send, []string{"If-None-Match", `w/"abc"`}}, // W is case-sensitive
		{proxy.Send, []string{"If-None-Match", `"ABC"`}},
		{proxy.Send, []string{"If-None-Match", `,`}},
		{proxy.Send, []string{"If-None-Match", `W/`}},
		{proxy.NotModified, []string{"If-Modified-Since", then}},
		{proxy.NotModified, []string{"If-Modified-Since", after}},
		{proxy.Send, []string{"If-Modified-Since", before}},
		{proxy.Send, []string{"If-None-Match", `"x"`, "If-Modified-Since", after}},
		{proxy.NotModified, []string{"If-None-Match", `"abc"`, "If-Modified-Since", before}},
		{proxy.Send, []string{"If-Match", `"abc"`}},
		{proxy.Send, []string{"If-Match", `"abc-zstd"`}},
		{proxy.Send, []string{"If-Match", `*`}},
		{proxy.Send, []string{"If-Match", `W/"abc", "abc"`}},
		{proxy.Failed, []string{"If-Match", `W/"abc"`}},
		{proxy.Failed, []string{"If-Match", `"x"`}},
		{proxy.Send, []string{"If-Unmodified-Since", then}},
		{proxy.Send, []string{"If-Unmodified-Since", after}},
		{proxy.Failed, []string{"If-Unmodified-Since", before}},
		{proxy.Send, []string{"If-Match", `"abc"`, "If-Unmodified-Since", before}},
		{proxy.Failed, []string{"If-Match", `"x"`, "If-None-Match", `"abc"`}},
		{proxy.NotModified, []string{"If-Unmodified-Since", then, "If-Modified-Since", then}},
		{proxy.Failed, []string{"If-Unmodified-Since", before, "If-None-Match", `"abc"`}},
	} {
		require.Equal(t, row.want, check(row.fields...), "%v", row.fields)
	}
}

// TestDates: the three formats of HTTP, and what is none of them is ignored.
func TestDates(t *testing.T) {
	for date, want := range map[string]proxy.Precondition{
		"Sun, 01 Mar 2026 10:00:00 GMT":   proxy.NotModified,
		"Sunday, 01-Mar-26 10:00:00 GMT":  proxy.NotModified,
		"Sun Mar  1 10:00:00 2026":        proxy.NotModified,
		"Wrong, 01 Mar 2026 10:00:00 GMT": proxy.Send,
		"Sun, 01 Mar 2026 10:00:00":       proxy.Send,
		"Sun, 01 Mar 2026 10:00:00 CET":   proxy.Send,
		"Sun, 00 Mar 2026 10:00:00 GMT":   proxy.Send,
		"Sun, 32 Mar 2026 10:00:00 GMT":   proxy.Send,
		"Sun, 01 Mrz 2026 10:00:00 GMT":   proxy.Send,
		"Sun, 01 Mar 2026 24:00:00 GMT":   proxy.Send,
		"Sun, 01 Mar 2026 10:60:00 GMT":   proxy.Send,
		"Sun, 01 Mar 2026 10:00:61 GMT":   proxy.Send,
		"Sun, 01 Mar 20x6 10:00:00 GMT":   proxy.Send,
		"1772359200":                      proxy.Send,
		"2026-03-01T10:00:00Z":            proxy.Send,
		" ":                               proxy.Send,
	} {
		require.Equal(t, want, check("If-Modified-Since", date), date)
	}
	for _, month := range []string{"Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"} {
		date := "Mon, 15 " + month + " 2027 00:00:00 GMT"
		require.Equal(t, proxy.NotModified, check("If-Modified-Since", date), date)
	}
}

// FuzzCheck: a date counts as net/http reads it, conditions never panic, and what was sent as a tag is always found again.
func FuzzCheck(f *testing.F) {
	f.Add(`"abc"`, "", "Sun, 01 Mar 2026 10:00:00 GMT", "")
	f.Add(`W/"a", *`, `"x`, "", "Sunday, 01-Mar-26 10:00:00 GMT")
	f.Add(",", "W/", "Sun Mar  1 10:00:00 2026", "x")
	f.Fuzz(func(t *testing.T, noneMatch, match, modified, unmodified string) {
		v := proxy.NewValidators("abc", changed)
		var h fasthttp.RequestHeader
		h.Set("If-None-Match", noneMatch)
		h.Set("If-Match", match)
		h.Set("If-Modified-Since", modified)
		h.Set("If-Unmodified-Since", unmodified)
		require.Contains(t, []proxy.Precondition{proxy.Send, proxy.NotModified, proxy.Failed}, v.Check(&h))

		h.Reset()
		h.Set("If-Modified-Since", modified)
		if at, err := http.ParseTime(modified); err == nil && len(h.Peek("If-Modified-Since")) == len(modified) {
			want := proxy.Send
			if changed.Unix() <= at.Unix() {
				want = proxy.NotModified
			}
			require.Equal(t, want, v.Check(&h), modified)
		}

		h.Reset()
		h.Set("If-None-Match", noneMatch+`,"abc"`)
		require.Equal(t, proxy.NotModified, v.Check(&h))
	})
}
