package flagsmith

import (
	"bytes"
	"io"

	engine "github.com/flagstaff-io/flagstaff/evaluator/flagsmith"
)

// identityBody is the body of an answer about an identity. It goes from the fragments straight into the connection's write
// buffer: fasthttp asks it to with WriteTo. Put together in memory first, 44 KB would be copied once more, which costs 0.6 µs,
// and each connection would keep a buffer of that size.
//
// It owns the workspace of its request, which lives until fasthttp closes the body.
type identityBody struct {
	handler  *Handler
	ws       *workspace
	head     []byte // up to and with `"flags":[`
	view     *view
	outcomes []engine.OutcomeID
	rest     *bytes.Reader // what Read gives; nil until somebody reads instead of WriteTo
}

var identityTail = []byte("]}")

// size is the length of the body in bytes.
func (b *identityBody) size() int {
	n := 0
	for _, o := range b.outcomes {
		n += len(b.view.fragments[o])
	}
	if n > 0 {
		n-- // the last comma
	}
	return len(b.head) + n + len(identityTail)
}

// WriteTo writes the body. Each fragment ends in a comma; the last one's is not written.
func (b *identityBody) WriteTo(w io.Writer) (total int64, err error) {
	put := func(p []byte) {
		if err == nil {
			var n int
			n, err = w.Write(p)
			total += int64(n)
		}
	}
	put(b.head)
	var last []byte
	for _, o := range b.outcomes {
		if f := b.view.fragments[o]; f != nil {
			if last != nil {
				put(last)
			}
			last = f
		}
	}
	if last != nil {
		put(last[:len(last)-1])
	}
	put(identityTail)
	return total, err
}

// Read is for those who do not know WriteTo.
func (b *identityBody) Read(p []byte) (int, error) {
	if b.rest == nil {
		var all bytes.Buffer
		if _, err := b.WriteTo(&all); err != nil {
			return 0, err
		}
		b.rest = bytes.NewReader(all.Bytes())
	}
	return b.rest.Read(p)
}

// Close gives the workspace back. fasthttp calls it when the answer is written, or given up.
func (b *identityBody) Close() error {
	ws, h := b.ws, b.handler
	if ws == nil { // closed before
		return nil
	}
	*b = identityBody{head: b.head[:0]}
	ws.lent = false
	h.release(ws)
	return nil
}
