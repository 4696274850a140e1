package proxy

import (
	"bytes"
	"time"

	"github.com/valyala/fasthttp"
)

// Validators name one version of a document: a strong ETag, with its quotes, and the second of its last change.
type Validators struct {
	ETag         []byte
	LastModified int64 // Unix seconds
}

// NewValidators takes the tag without its quotes.
func NewValidators(tag string, modified time.Time) Validators {
	return Validators{ETag: []byte(`"` + tag + `"`), LastModified: modified.Unix()}
}

// Precondition is what a conditional request comes to.
type Precondition int

// The outcomes of a conditional request (RFC 9110, 13.2.2).
const (
	Send        Precondition = iota // send the document
	NotModified                     // 304
	Failed                          // 412
)

var (
	headerIfMatch           = []byte(fasthttp.HeaderIfMatch)
	headerIfNoneMatch       = []byte(fasthttp.HeaderIfNoneMatch)
	headerIfModifiedSince   = []byte(fasthttp.HeaderIfModifiedSince)
	headerIfUnmodifiedSince = []byte(fasthttp.HeaderIfUnmodifiedSince)
)

// Check evaluates the request's conditions against v. An ETag wins over a date; a date that does not parse is ignored.
func (v *Validators) Check(h *fasthttp.RequestHeader) Precondition {
	if field := h.PeekCanonical(headerIfMatch); len(field) > 0 {
		if !v.matches(field, false) {
			return Failed
		}
	} else if field := h.PeekCanonical(headerIfUnmodifiedSince); len(field) > 0 {
		if t, ok := parseHTTPDate(field); ok && v.LastModified > t {
			return Failed
		}
	}
	if field := h.PeekCanonical(headerIfNoneMatch); len(field) > 0 {
		if v.matches(field, true) {
			return NotModified
		}
		return Send
	}
	if field := h.PeekCanonical(headerIfModifiedSince); len(field) > 0 {
		if t, ok := parseHTTPDate(field); ok && v.LastModified <= t {
			return NotModified
		}
	}
	return Send
}

// matches looks for the tag, in any of its encodings, in an If-Match or If-None-Match list. A weak tag in the list matches
// only where the comparison is weak.
func (v *Validators) matches(field []byte, weak bool) bool {
	if bytes.Equal(field, v.ETag) { // what nearly every poller sends
		return true
	}
	base := v.ETag[:len(v.ETag)-1] // without the closing quote
	for len(field) > 0 {
		item := field
		if i := bytes.IndexByte(field, ','); i >= 0 { // our tags hold no comma
			item, field = field[:i], field[i+1:]
		} else {
			field = nil
		}
		item = bytes.TrimSpace(item)
		if len(item) == 1 && item[0] == '*' {
			return true
		}
		if len(item) > 2 && item[0] == 'W' && item[1] == '/' {
			if !weak {
				continue
			}
			item = item[2:]
		}
		if !bytes.HasPrefix(item, base) {
			continue
		}
		switch string(item[len(base):]) {
		case `"`, `-gzip"`, `-zstd"`:
			return true
		}
	}
	return false
}

// parseHTTPDate reads the three date formats of HTTP, as Unix seconds.
func parseHTTPDate(field []byte) (int64, bool) {
	if sec, ok := parseIMFFixdate(field); ok {
		return sec, true
	}
	t, err := fasthttp.ParseHTTPDate(field)
	if err == nil {
		return t.Unix(), true
	}
	for _, layout := range []string{time.RFC850, time.ANSIC} {
		if t, err := time.Parse(layout, string(field)); err == nil {
			return t.Unix(), true
		}
	}
	return 0, false
}

// parseIMFFixdate reads `Mon, 02 Jan 2006 15:04:05 GMT`, the one format that clients send. time.Parse costs 120 ns here,
// this 15 ns.
func parseIMFFixdate(b []byte) (int64, bool) {
	if len(b) != 29 || b[3] != ',' || b[4] != ' ' || b[7] != ' ' || b[11] != ' ' || b[16] != ' ' ||
		b[19] != ':' || b[22] != ':' || string(b[25:]) != " GMT" {
		return 0, false
	}
	month := monthNumber(b[8:11])
	day, ok1 := digits(b[5:7])
	year, ok2 := digits(b[12:16])
	hour, ok3 := digits(b[17:19])
	minute, ok4 := digits(b[20:22])
	sec, ok5 := digits(b[23:25])
	if month == 0 || !ok1 || !ok2 || !ok3 || !ok4 || !ok5 || day < 1 || day > 31 || hour > 23 || minute > 59 || sec > 60 {
		return 0, false
	}
	return time.Date(year, month, day, hour, minute, sec, 0, time.UTC).Unix(), true
}

func digits(b []byte) (n int, ok bool) {
	for _, c := range b {
		if c < '0' || c > '9' {
			return 0, false
		}
		n = n*10 + int(c-'0')
	}
	return n, true
}

func monthNumber(b []byte) time.Month {
	switch string(b) {
	case "Jan":
		return time.January
	case "Feb":
		return time.February
	case "Mar":
		return time.March
	case "Apr":
		return time.April
	case "May":
		return time.May
	case "Jun":
		return time.June
	case "Jul":
		return time.July
	case "Aug":
		return time.August
	case "Sep":
		return time.September
	case "Oct":
		return time.October
	case "Nov":
		return time.November
	case "Dec":
		return time.December
	}
	return 0
}
