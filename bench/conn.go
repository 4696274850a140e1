package bench

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
)

// conn is one connection that stays open. It is not safe for concurrent use. Once its buffer holds the largest answer it
// allocates nothing, so that it can stand beside a server whose allocations are counted.
type conn struct {
	net.Conn
	buf []byte
}

// initialBuffer holds most answers; larger ones make the buffer grow.
const initialBuffer = 64 << 10

func dial(ctx context.Context, address string) (*conn, error) {
	var d net.Dialer
	c, err := d.DialContext(ctx, "tcp", address)
	if err != nil {
		return nil, err
	}
	return &conn{Conn: c, buf: make([]byte, initialBuffer)}, nil
}

// reply is one answer. Its bytes are the connection's and live until the next round trip.
type reply struct {
	status int
	head   []byte // with the status line and the empty line
	body   []byte
}

// roundTrip sends a formatted request and reads the answer.
func (c *conn) roundTrip(request []byte) (reply, error) {
	if _, err := c.Write(request); err != nil {
		return reply{}, err
	}
	var r reply
	read, total := 0, -1
	for total < 0 || read < total {
		if max(total, read+1) > len(c.buf) {
			c.buf = append(c.buf, make([]byte, max(total, 2*len(c.buf))-len(c.buf))...)
		}
		n, err := c.Read(c.buf[read:])
		read += n
		if err != nil {
			if errors.Is(err, io.EOF) && read > 0 {
				err = io.ErrUnexpectedEOF
			}
			return reply{}, err
		}
		if total < 0 {
			end := bytes.Index(c.buf[:read], endOfHead)
			if end < 0 {
				continue
			}
			end += len(endOfHead)
			var length int
			if r.status, length, err = parseHead(c.buf[:end]); err != nil {
				return reply{}, err
			}
			total = end + length
			r.head = c.buf[:end]
		}
	}
	if read > total {
		return reply{}, fmt.Errorf("%d bytes more than the answer has", read-total)
	}
	headLen := len(r.head) // the buffer may have grown since
	r.head, r.body = c.buf[:headLen], c.buf[headLen:total]
	return r, nil
}

var (
	endOfHead     = []byte("\r\n\r\n")
	contentLength = []byte("\r\nContent-Length: ")
)

// parseHead reads the status and the length of the body that follows. Bodies in chunks are not understood: a generator that
// had to parse them would measure itself.
func parseHead(head []byte) (status, length int, err error) {
	if len(head) < len("HTTP/1.1 200") || string(head[:7]) != "HTTP/1." {
		return 0, 0, fmt.Errorf("not an HTTP/1 answer: %.40q", head)
	}
	for _, c := range head[9:12] {
		if c < '0' || c > '9' {
			return 0, 0, fmt.Errorf("bad status line: %.40q", head)
		}
		status = status*10 + int(c-'0')
	}
	if status == 304 || status == 204 || status < 200 {
		return status, 0, nil
	}
	if at := bytes.Index(head, contentLength); at >= 0 { // as nearly every server spells it
		length, err = leadingInt(head[at+len(contentLength):])
		return status, length, err
	}
	for _, f := range parseFields(head) {
		if bytes.EqualFold([]byte(f.Name), contentLength[2:len(contentLength)-2]) {
			length, err = strconv.Atoi(f.Value)
			return status, length, err
		}
	}
	return 0, 0, errors.New("answer without Content-Length")
}

// leadingInt reads the digits before the end of the line.
func leadingInt(b []byte) (n int, err error) {
	i := 0
	for ; i < len(b) && b[i] >= '0' && b[i] <= '9' && i < 12; i++ {
		n = n*10 + int(b[i]-'0')
	}
	if i == 0 || i == len(b) || b[i] != '\r' {
		return 0, fmt.Errorf("bad Content-Length: %.20q", b)
	}
	return n, nil
}
