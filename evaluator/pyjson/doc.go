// Package pyjson writes JSON, and complains about it, as Python's json module does. Services built on Django REST
// framework put exactly these bytes on the wire, and clients compare, hash and cache them.
//
// It must not know what the JSON means: no flag, no trait, no HTTP. It reads no clock and does no I/O. Every function
// is safe for concurrent use, reads its input only during the call, and keeps none of it.
//
//	dst = append(dst, `{"identifier":`...)
//	dst = pyjson.AppendString(dst, identifier)
//	dst = append(dst, `,"traits":`...)
//	dst = pyjson.AppendCompact(dst, rawTraits)
//	dst = append(dst, '}')
//
// The reference is CPython 3.11 with Unicode 14 and its default limits; testdata/python.json holds what it answered.
package pyjson

// MaxDepth is how many arrays and objects may be open at once. CPython stops near 1000 frames in total; a web
// framework has used some of them before the parser starts, so the limit here is a round number below what is left.
const MaxDepth = 900
