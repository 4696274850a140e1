// Package admin is the management side: what changes flags, as opposed to what serves them. Its SQL lives in admin/store.
// Its HTTP API is mounted behind the front tier by cmd as a plain http.Handler, so admin never imports proxy.
package admin
