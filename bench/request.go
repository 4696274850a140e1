package bench

import (
	"strconv"
)

// Field is one header field.
type Field struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// FormatRequest returns the bytes of an HTTP/1.1 request. Content-Length is added when there is a body; Host is the first of
// fields if it is wanted there, else "localhost".
func FormatRequest(method, target string, fields []Field, body []byte) []byte {
	b := append([]byte(method), ' ')
	b = append(b, target...)
	b = append(b, " HTTP/1.1\r\n"...)
	if len(fields) == 0 || fields[0].Name != "Host" {
		b = append(b, "Host: localhost\r\n"...)
	}
	for _, f := range fields {
		b = append(b, f.Name...)
		b = append(b, ": "...)
		b = append(b, f.Value...)
		b = append(b, "\r\n"...)
	}
	if len(body) > 0 {
		b = append(b, "Content-Length: "...)
		b = strconv.AppendInt(b, int64(len(body)), 10)
		b = append(b, "\r\n"...)
	}
	b = append(b, "\r\n"...)
	return append(b, body...)
}
