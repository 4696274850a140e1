// Package pyregexp tells whether a pattern of Python's re module matches at the start of a text, as re.match does.
//
// Flag conditions are written for Python, whose dialect is not Go's: look-around, back-references and possessive
// repetitions exist, \d \w \s and \b know all of Unicode, $ also matches before a final newline. The package reads that
// dialect (of Python 3.11) and leaves to Go's regexp what that can express; the rest is backtracked, within a fixed
// number of steps.
//
//	re, err := pyregexp.Compile(`(?i)beta(?!-internal)`)
//	ok := err == nil && re.MatchString("BETA-7")
package pyregexp

import (
	"fmt"
	"regexp"
)

// maxWork bounds what is left to Go's regexp: the size of the program times the length of the text. Beyond it nothing
// matches.
const maxWork = 10_000_000

// Regexp is a compiled pattern. It is safe for concurrent use.
type Regexp struct {
	program *program

	// re does the same for the texts that meet the conditions of its translation, in linear time and without allocation.
	// It is nil for a pattern beyond RE2.
	re    *regexp.Regexp
	texts texts
}

// Compile prepares a pattern. The error says what Python would refuse. Three things that Python takes are refused too:
// names of characters (\N{...}), patterns longer than 10,000 bytes, groups nested deeper than 200.
func Compile(pattern string) (*Regexp, error) {
	n, groups, err := parse(pattern)
	if err != nil {
		return nil, fmt.Errorf("compile pattern: %w", err)
	}
	re := &Regexp{program: compile(n, groups)}
	if translated, texts, err := translate(n); err == nil {
		// Go may still find the program too large, and backtracking is always there.
		if re.re, err = regexp.Compile(translated); err == nil {
			re.texts = texts
		}
	}
	return re, nil
}

// MatchString tells whether the pattern matches at the start of text; it need not reach the end. The answer depends on
// pattern and text alone: a match that would take too much work (100,000 steps of backtracking) is none.
func (re *Regexp) MatchString(text string) bool {
	if re.re == nil || !fits(&re.texts, text) {
		return re.program.match(text)
	}
	return re.texts.size*len(text) <= maxWork && re.re.MatchString(text)
}

// Match is MatchString for bytes, which it does not keep.
func (re *Regexp) Match(text []byte) bool {
	if re.re == nil || !fits(&re.texts, text) {
		return re.program.match(string(text))
	}
	return re.texts.size*len(text) <= maxWork && re.re.Match(text)
}

// fits tells whether a translation means the same as its pattern for this text.
func fits[T string | []byte](t *texts, text T) bool {
	switch {
	case t.noFinalLF && len(text) > 0 && text[len(text)-1] == '\n':
		return false
	case t.onlyNonEmpty && len(text) == 0:
		return false
	}
	return !t.onlyASCII || isASCII(text)
}

func isASCII[T string | []byte](text T) bool {
	for i := range len(text) {
		if text[i] >= 0x80 {
			return false
		}
	}
	return true
}
