package flagsmith_test

import (
	"bytes"
	"compress/gzip"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"
	"github.com/stretchr/testify/require"

	engine "github.com/flagstaff-io/flagstaff/evaluator/flagsmith"
)

const documentPath = "/api/v1/environment-document/"

// conditions are pairs of a field and its value.
func conditions(pairs ...string) []sending {
	how := []sending{withKey(serverKey)}
	for i := 0; i < len(pairs); i += 2 {
		how = append(how, withHeader(pairs[i], pairs[i+1]))
	}
	return how
}

func TestConditionalDocument(t *testing.T) {
	t.Parallel()
	const (
		then   = "Sun, 01 Mar 2026 10:00:00 GMT" // the document's second
		before = "Sun, 01 Mar 2026 09:59:59 GMT"
		after  = "Sun, 01 Mar 2026 10:00:01 GMT"
	)
	r := newRig(t, shop())
	etag := r.get(documentPath, withKey(serverKey)).header.Get("ETag")
	bare := strings.Trim(etag, `"`)
	for _, row := range []struct {
		name   string
		fields []string
		want   int
	}{
		{"nothing is asked", nil, 200},
		{"If-None-Match with the tag", []string{"If-None-Match", etag}, 304},
		{"If-None-Match with the tag of the gzip body", []string{"If-None-Match", `"` + bare + `-gzip"`}, 304},
		{"If-None-Match with the tag of the zstd body", []string{"If-None-Match", `"` + bare + `-zstd"`}, 304},
		{"If-None-Match with the weak form", []string{"If-None-Match", "W/" + etag}, 304},
		{"If-None-Match with the weak form of the gzip body", []string{"If-None-Match", `W/"` + bare + `-gzip"`}, 304},
		{"If-None-Match with any", []string{"If-None-Match", "*"}, 304},
		{"If-None-Match with a list that has the tag", []string{"If-None-Match", `"a", "b" , ` + etag + `,"c"`}, 304},
		{"If-None-Match with another tag", []string{"If-None-Match", `"other"`}, 200},
		{"If-None-Match with another encoding", []string{"If-None-Match", `"` + bare + `-br"`}, 200},
		{"If-None-Match with half the tag", []string{"If-None-Match", `"` + bare[:8] + `"`}, 200},
		{"If-None-Match without quotes", []string{"If-None-Match", bare}, 200},
		{"If-None-Match that is empty", []string{"If-None-Match", ""}, 200},

		{"If-Modified-Since the second", []string{"If-Modified-Since", then}, 304},
		{"If-Modified-Since later", []string{"If-Modified-Since", after}, 304},
		{"If-Modified-Since earlier", []string{"If-Modified-Since", before}, 200},
		{"If-Modified-Since in the old format", []string{"If-Modified-Since", "Sunday, 01-Mar-26 10:00:00 GMT"}, 304},
		{"If-Modified-Since in the format of C", []string{"If-Modified-Since", "Sun Mar  1 10:00:00 2026"}, 304},
		{"If-Modified-Since that is no date", []string{"If-Modified-Since", "yesterday"}, 200},
		{"If-Modified-Since on no day of a month", []string{"If-Modified-Since", "Sun, 32 Mar 2026 10:00:00 GMT"}, 200},

		{"a tag that differs outdoes the date", []string{"If-None-Match", `"other"`, "If-Modified-Since", after}, 200},
		{"a tag that matches outdoes the date", []string{"If-None-Match", etag, "If-Modified-Since", before}, 304},

		{"If-Match with the tag", []string{"If-Match", etag}, 200},
		{"If-Match with any", []string{"If-Match", "*"}, 200},
		{"If-Match with another tag", []string{"If-Match", `"other"`}, 412},
		{"If-Match with the weak form", []string{"If-Match", "W/" + etag}, 412},
		{"If-Unmodified-Since the second", []string{"If-Unmodified-Since", then}, 200},
		{"If-Unmodified-Since earlier", []string{"If-Unmodified-Since", before}, 412},
		{"If-Unmodified-Since that is no date", []string{"If-Unmodified-Since", "yesterday"}, 200},
		{"If-Match outdoes If-Unmodified-Since", []string{"If-Match", etag, "If-Unmodified-Since", before}, 200},
		{"412 outdoes 304", []string{"If-Match", `"other"`, "If-None-Match", etag}, 412},
		{"304 after a condition that holds", []string{"If-Match", etag, "If-None-Match", etag}, 304},
	} {
		t.Run(row.name, func(t *testing.T) {
			for _, method := range []string{"GET", "HEAD"} {
				a := r.send(method, documentPath, "", conditions(row.fields...)...)
				require.Equal(t, row.want, a.status, method)
				if row.want != http.StatusOK {
					require.Empty(t, a.body)
					require.Empty(t, a.header.Get("X-Flagsmith-Document-Updated-At"))
				}
			}
		})
	}
}

func TestOtherEndpointsTakeNoConditions(t *testing.T) {
	t.Parallel()
	r := newRig(t, shop())
	for _, path := range []string{"/api/v1/flags/", "/api/v1/identities/?identifier=bob"} {
		a := r.get(path, conditions("If-None-Match", "*", "If-Modified-Since", "Sun, 01 Mar 2099 10:00:00 GMT")...)
		require.NotEmpty(t, a.body)
		require.Empty(t, a.header.Get("ETag"))
	}
}

// A change inside one second is invisible to a date, but not to the tag.
func TestChangeWithinASecondChangesTheTag(t *testing.T) {
	t.Parallel()
	r := newRig(t, shop())
	first := r.get(documentPath, withKey(serverKey))
	r.publish(shop(func(d *engine.Document) {
		d.UpdatedAt = shopUpdated.Add(time.Millisecond)
		d.FeatureStates[0].Enabled = false
	}))
	a := r.get(documentPath, conditions("If-None-Match", first.header.Get("ETag"))...)
	require.NotEqual(t, first.header.Get("ETag"), a.header.Get("ETag"))
	require.Equal(t, first.header.Get("Last-Modified"), a.header.Get("Last-Modified"))
	require.NotEqual(t, first.body, a.body)
	require.Equal(t, http.StatusNotModified, r.send("GET", documentPath, "", conditions("If-None-Match", a.header.Get("ETag"))...).status)
}

// The same environment has the same tag on every node and after every restart, or pollers would fetch it again.
func TestTagDependsOnTheDocumentAlone(t *testing.T) {
	t.Parallel()
	tag := func() string {
		return newHandlerRig(t, shop()).get(documentPath, withKey(serverKey)).header.Get("ETag")
	}
	require.Equal(t, tag(), tag())
}

// TestNotModifiedNamesTheEncoding: a cache replaces the tag it holds by the one of a 304.
func TestNotModifiedNamesTheEncoding(t *testing.T) {
	t.Parallel()
	r := newRig(t, shop())
	for _, encoding := range []string{"", "gzip", "zstd"} {
		how := conditions("Accept-Encoding", encoding)
		ok := r.get(documentPath, how...)
		etag := ok.header.Get("ETag")
		require.Equal(t, encoding, ok.header.Get("Content-Encoding"))
		a := r.send("GET", documentPath, "", append(how, withHeader("If-None-Match", etag))...)
		require.Equal(t, http.StatusNotModified, a.status)
		require.Equal(t, etag, a.header.Get("ETag"))
		require.Empty(t, a.header.Get("Content-Encoding"))
	}
}

func TestCompressedBodies(t *testing.T) {
	t.Parallel()
	r := newRig(t, shop())
	for _, row := range []struct {
		accept, want string
	}{
		{"", ""},
		{"gzip", "gzip"},
		{"zstd", "zstd"},
		{"gzip, zstd", "zstd"},
		{"gzip, deflate, br, zstd", "zstd"},
		{"gzip, deflate", "gzip"},
		{"GZIP", "gzip"},
		{"x-gzip", "gzip"},
		{"zstd;q=0, gzip", "gzip"},
		{"gzip;q=0", ""},
		{"gzip;q=0.0, zstd; q=0.000", ""},
		{"gzip;q=0.001", "gzip"},
		{"*", "gzip"},
		{"*;q=0", ""},
		{"*;q=0.5, gzip;q=0", ""},
		{"identity", ""},
		{"br", ""},
		{"gzipped", ""},
	} {
		for _, path := range []string{"/api/v1/flags/", documentPath} {
			t.Run(path+" with "+row.accept, func(t *testing.T) {
				plain := r.get(path, withKey(serverKey))
				a := r.get(path, withKey(serverKey), withHeader("Accept-Encoding", row.accept))
				require.Equal(t, row.want, a.header.Get("Content-Encoding"))
				require.Contains(t, a.header.Get("Vary"), "Accept-Encoding")
				require.Equal(t, plain.body, decompressed(t, a))
				if row.want != "" {
					require.Less(t, len(a.body), len(plain.body))
				}
				if tag := plain.header.Get("ETag"); tag != "" && row.want != "" {
					require.Equal(t, strings.TrimSuffix(tag, `"`)+"-"+row.want+`"`, a.header.Get("ETag"))
				}
				head := r.send("HEAD", path, "", withKey(serverKey), withHeader("Accept-Encoding", row.accept))
				require.Equal(t, a.header.Get("Content-Length"), head.header.Get("Content-Length"))
			})
		}
	}
}

func decompressed(t *testing.T, a *answer) string {
	t.Helper()
	var from io.Reader = strings.NewReader(a.body)
	switch encoding := a.header.Get("Content-Encoding"); encoding {
	case "gzip":
		z, err := gzip.NewReader(from)
		require.NoError(t, err)
		from = z
	case "zstd":
		z, err := zstd.NewReader(from)
		require.NoError(t, err)
		defer z.Close()
		from = z
	default:
		require.Empty(t, encoding)
	}
	var text bytes.Buffer
	_, err := text.ReadFrom(from)
	require.NoError(t, err)
	return text.String()
}

func TestSmallBodiesAreNeverCompressed(t *testing.T) {
	t.Parallel()
	r := newRig(t, empty())
	all := withHeader("Accept-Encoding", "gzip, zstd")
	a := r.get("/api/v1/flags/", all)
	require.Equal(t, "[]", a.body)
	require.Empty(t, a.header.Get("Content-Encoding"))
	require.Contains(t, a.header.Get("Vary"), "Accept-Encoding")
	require.Empty(t, r.get("/api/v1/identities/?identifier=bob", all).header.Get("Content-Encoding"))
}
