// Package evaluator groups the evaluation engines, one package a dialect.
//
// Everything below it is pure: (rules, context) -> outcome. No HTTP, cache, log, goroutine or clock, and no import of a
// sibling directory; a test of the repository holds that.
package evaluator
