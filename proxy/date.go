package proxy

import (
	"sync/atomic"
	"time"

	"github.com/valyala/fasthttp"
)

// httpDate is the text of the current second, made once a second for all requests.
var httpDate atomic.Pointer[dateText]

type dateText struct {
	sec  int64
	text []byte
}

// HTTPDate returns now in the format of the Date header. The caller must not change it.
func HTTPDate(now time.Time) []byte {
	sec := now.Unix()
	if d := httpDate.Load(); d != nil && d.sec == sec {
		return d.text
	}
	d := &dateText{sec: sec, text: fasthttp.AppendHTTPDate(nil, now)}
	httpDate.Store(d)
	return d.text
}
