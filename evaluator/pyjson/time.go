package pyjson

import (
	"strconv"
	"time"
)

// AppendTime appends t in UTC as Django REST framework renders a datetime: 2026-01-12T09:30:11.482913Z, without
// quotes. Python counts in microseconds: what is finer is dropped, and a whole second has no fraction at all. Years
// outside 1 to 9999 do not exist there and are the caller's fault.
func AppendTime(dst []byte, t time.Time) []byte {
	return append(appendISO(dst, t), 'Z')
}

// AppendTimeOffset is [AppendTime] with +00:00 in place of Z, which is datetime.isoformat() as the environment
// document has it.
func AppendTimeOffset(dst []byte, t time.Time) []byte {
	return append(appendISO(dst, t), "+00:00"...)
}

func appendISO(dst []byte, t time.Time) []byte {
	t = t.UTC()
	if t.Nanosecond() < int(time.Microsecond) {
		return t.AppendFormat(dst, "2006-01-02T15:04:05")
	}
	return t.AppendFormat(dst, "2006-01-02T15:04:05.000000")
}

// AppendUnixFloat appends t in seconds since 1970 as datetime.timestamp() prints it: 1772359200.0 or
// 1772359200.123456. What is finer than a microsecond is dropped.
func AppendUnixFloat(dst []byte, t time.Time) []byte {
	// Up to 2^53 both operands are exact, so the quotient is the nearest float. That ends in the year 2255.
	micros := t.UnixMicro()
	if micros >= -1<<53 && micros <= 1<<53 {
		return appendFinite(dst, float64(micros)/1e6)
	}
	var buf [24]byte
	number := append(strconv.AppendInt(buf[:0], micros, 10), "e-6"...)
	return appendFinite(dst, parseFloat(number))
}
