package proxy

import (
	"bytes"
	"fmt"
	"strings"
	"sync"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	"github.com/valyala/fasthttp"
)

// minCompressedBytes is the size below which a body is sent as it is: gzip would not save a packet. Flagsmith draws its
// line at the same size.
const minCompressedBytes = 200

// Header is one header field of an answer. Name must be in canonical form (X-Frame-Options).
type Header struct{ Name, Value string }

// Answer is a response that was rendered before the request came: status, header, and the body in each encoding that made
// it smaller. It is immutable and may be written by any number of requests at once.
type Answer struct {
	plain, gzip, zstd representation
}

// representation is the answer in one content encoding.
type representation struct {
	header  fasthttp.ResponseHeader
	body    []byte
	offered bool
}

// NewAnswer renders an answer. It keeps body. With compress, bodies in gzip and zstd are made too where they are smaller; a
// strong ETag among the fields gets a suffix there, since a strong validator names the bytes that are sent.
func NewAnswer(status int, fields []Header, body []byte, compress bool) *Answer {
	a := &Answer{}
	a.plain.set(status, fields, body, "")
	if !compress || len(body) < minCompressedBytes {
		return a
	}
	if z := gzipped(body); len(z) < len(body) {
		a.gzip.set(status, fields, z, "gzip")
	}
	if z := zstandard(body); len(z) < len(body) {
		a.zstd.set(status, fields, z, "zstd")
	}
	return a
}

// NotModified renders the 304 that belongs to a. A client is shown the ETag of the encoding in which it would get a now: a
// cache would replace the one it holds by any other.
func (a *Answer) NotModified(fields []Header) *Answer {
	n := &Answer{}
	n.plain.set(fasthttp.StatusNotModified, fields, nil, "")
	if a.gzip.offered {
		n.gzip.set(fasthttp.StatusNotModified, fields, nil, "gzip")
	}
	if a.zstd.offered {
		n.zstd.set(fasthttp.StatusNotModified, fields, nil, "zstd")
	}
	return n
}

func (r *representation) set(status int, fields []Header, body []byte, encoding string) {
	r.body, r.offered = body, true
	h := &r.header
	h.SetNoDefaultContentType(true)
	h.SetStatusCode(status)
	var name string // of the first field of the block
	var block []byte
	for _, f := range fields {
		if f.Name == fasthttp.HeaderETag && encoding != "" {
			f.Value = encodedETag(f.Value, encoding)
		}
		switch {
		case strings.ContainsAny(f.Name+f.Value, "\r\n"):
			panic("BUG: line break in header field " + f.Name)
		case f.Name == fasthttp.HeaderContentType: // fasthttp keeps it apart
			h.SetContentType(f.Value)
		case name == "":
			name, block = f.Name, append(block, f.Value...)
		default:
			block = append(block, "\r\n"+f.Name+": "+f.Value...)
		}
	}
	if name != "" {
		setBlock(h, name, block)
	}
	if encoding != "" && body != nil {
		h.SetContentEncoding(encoding)
	}
}

// setBlock makes all fields of an answer one field of fasthttp's, whose value holds the others with their line breaks. Copied
// and written as one, ten fields cost 100 to 150 ns less a request. fasthttp blanks line breaks in values that it is given,
// so that the block is written over the value that it keeps; TestAnswerFieldsArriveOneByOne holds that this works.
func setBlock(h *fasthttp.ResponseHeader, name string, block []byte) {
	h.Set(name, strings.Repeat("x", len(block)))
	if kept := h.Peek(name); copy(kept, block) != len(block) || len(kept) != len(block) {
		panic("BUG: fasthttp keeps another value than it was given for " + name)
	}
}

// encodedETag names the same version in another encoding: "abc" -> "abc-gzip".
func encodedETag(etag, encoding string) string {
	if len(etag) < 2 || etag[len(etag)-1] != '"' {
		return etag
	}
	return etag[:len(etag)-1] + "-" + encoding + `"`
}

// Bytes is the memory that the answer's bodies take.
func (a *Answer) Bytes() int {
	return len(a.plain.body) + len(a.gzip.body) + len(a.zstd.body)
}

// Body returns the plain body. The caller must not change it.
func (a *Answer) Body() []byte { return a.plain.body }

// Write makes the answer the response of ctx, in the best encoding that the client accepts. It replaces the response's
// header: set fields of your own afterwards. Nothing is copied but the header fields.
func (a *Answer) Write(ctx *fasthttp.RequestCtx) {
	r := &a.plain
	if a.zstd.offered || a.gzip.offered {
		switch gz, zs := acceptedEncodings(ctx.Request.Header.PeekCanonical(headerAcceptEncoding)); {
		case zs && a.zstd.offered:
			r = &a.zstd
		case gz && a.gzip.offered:
			r = &a.gzip
		}
	}
	r.header.CopyTo(&ctx.Response.Header)
	ctx.Response.SetBodyRaw(r.body)
}

// WriteHeader makes the answer's plain header the response's, for a caller that fills the body itself.
func (a *Answer) WriteHeader(ctx *fasthttp.RequestCtx) {
	a.plain.header.CopyTo(&ctx.Response.Header)
}

var headerAcceptEncoding = []byte(fasthttp.HeaderAcceptEncoding)

// acceptedEncodings tells whether an Accept-Encoding field allows gzip and zstd. A coding with q=0 is refused; "*" stands
// for those not named.
func acceptedEncodings(field []byte) (gzipOK, zstdOK bool) {
	if len(field) == 0 {
		return false, false
	}
	var gzipNamed, zstdNamed, starOK bool
	for len(field) > 0 {
		var item []byte
		if i := bytes.IndexByte(field, ','); i >= 0 {
			item, field = field[:i], field[i+1:]
		} else {
			item, field = field, nil
		}
		name, ok := codingAndQuality(item)
		switch {
		case equalFold(name, "gzip"), equalFold(name, "x-gzip"):
			gzipOK, gzipNamed = ok, true
		case equalFold(name, "zstd"):
			zstdOK, zstdNamed = ok, true
		case len(name) == 1 && name[0] == '*':
			starOK = ok
		}
	}
	// Only gzip is guessed from "*": a client that writes a bare star is old, and zstd is young.
	if !gzipNamed && starOK {
		gzipOK = true
	}
	return gzipOK, zstdOK && zstdNamed
}

// codingAndQuality splits `gzip;q=0.5` and tells whether the quality is above zero.
func codingAndQuality(item []byte) (name []byte, ok bool) {
	i := bytes.IndexByte(item, ';')
	if i < 0 {
		return bytes.TrimSpace(item), true
	}
	name, params := bytes.TrimSpace(item[:i]), item[i+1:]
	q := bytes.IndexByte(params, '=')
	if q < 0 {
		return name, true
	}
	for _, c := range bytes.TrimSpace(params[q+1:]) {
		if c != '0' && c != '.' {
			return name, true
		}
	}
	return name, false
}

// equalFold compares with a lower-case ASCII word, without allocation.
func equalFold(b []byte, word string) bool {
	if len(b) != len(word) {
		return false
	}
	for i := range b {
		c := b[i]
		if 'A' <= c && c <= 'Z' {
			c += 'a' - 'A'
		}
		if c != word[i] {
			return false
		}
	}
	return true
}

// Compressors are costly to make and are used at load only, by as many loads as run at once.
var gzipWriters = sync.Pool{New: func() any {
	w, err := gzip.NewWriterLevel(nil, gzip.DefaultCompression)
	if err != nil {
		panic(fmt.Sprintf("BUG: gzip level: %v", err))
	}
	return w
}}

func gzipped(body []byte) []byte {
	var buf bytes.Buffer
	buf.Grow(len(body) / 4)
	w := gzipWriters.Get().(*gzip.Writer)
	w.Reset(&buf)
	_, err := w.Write(body)
	if cerr := w.Close(); err == nil {
		err = cerr
	}
	gzipWriters.Put(w)
	if err != nil { // a bytes.Buffer does not fail
		return body
	}
	return bytes.Clone(buf.Bytes())
}

var zstdEncoder = sync.OnceValue(func() *zstd.Encoder {
	e, err := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1), zstd.WithWindowSize(1<<20))
	if err != nil {
		panic(fmt.Sprintf("BUG: zstd options: %v", err))
	}
	return e
})

func zstandard(body []byte) []byte {
	return bytes.Clone(zstdEncoder().EncodeAll(body, nil))
}
