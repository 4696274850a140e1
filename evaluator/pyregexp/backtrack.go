package pyregexp

import (
	"unicode/utf8"
)

// maxSteps bounds the work of one backtracking match: instructions and characters looked at. A match that would need more
// is none. Unlike a time limit it gives the same answer on every machine.
const maxSteps = 100_000

// machine runs a program over a text. Positions are byte offsets.
type machine struct {
	program  *program
	text     string
	steps    int // left
	captures []int
	counters []counter
	stack    []frame
}

// counter is the state of a loop: how many rounds have begun, and where the last optional one did (-1: there is none).
type counter struct{ rounds, start int }

// frame is what to do when the current way fails: go another way, or put back what it has changed.
type frame struct {
	kind frameKind
	pc   int // of another way; the register to put back
	pos  int
	more int // frameRun: the least position; frameLazyRun: characters taken; frameCounter: start
}

type frameKind uint8

const (
	frameWay     frameKind = iota // go on at pc
	frameRun                      // give back one character of a run, go on after it
	frameLazyRun                  // take one more character of a run, go on after it
	frameCapture                  // put back a capture register
	frameCounter                  // put back a counter
)

// match tells whether the program matches at the start of text.
func (p *program) match(text string) bool {
	_, ok := newMachine(p, text).run(0, 0)
	return ok
}

func newMachine(p *program, text string) *machine {
	m := &machine{
		program:  p,
		text:     text,
		steps:    maxSteps,
		captures: make([]int, 2*p.groups),
		counters: make([]counter, p.counters),
	}
	for i := range m.captures {
		m.captures[i] = -1
	}
	return m
}

// run matches from an instruction to the codeMatch of its part, and returns where that ended. The frames that it leaves
// on the stack belong to its caller.
func (m *machine) run(pc, pos int) (end int, ok bool) {
	base := len(m.stack)
	for {
		if m.steps--; m.steps < 0 {
			return 0, false
		}
		in := &m.program.code[pc]
		ok := true
		switch in.code {
		case codeMatch:
			return pos, true
		case codeOne:
			pos, ok = m.one(in.node, pos)
			pc++
		case codeRun:
			pos, ok = m.runOf(in.node, pc, pos)
			pc++
		case codeAssert:
			ok = m.assert(in.node, pos)
			pc++
		case codeJump:
			pc = in.next
		case codeSplit:
			m.push(frame{kind: frameWay, pc: in.other, pos: pos})
			pc = in.next
		case codeSave:
			m.push(frame{kind: frameCapture, pc: in.register, pos: m.captures[in.register]})
			m.captures[in.register] = pos
			pc++
		case codeLoopStart:
			m.setCounter(in.register, counter{start: -1})
			pc++
		case codeLoop:
			pc = m.loop(in, pc, pos)
		case codeLoopEnter:
			m.enter(in, pos)
			pc++
		case codeBackref:
			pos, ok = m.backref(in.node, pos)
			pc++
		case codeConditional:
			pc = in.other
			if _, set := m.group(in.node.group); set {
				pc = in.next
			}
		case codeLook:
			ok = m.look(in.node, pc+1, pos)
			pc = in.next
		case codeAtomic:
			pos, ok = m.part(pc+1, pos)
			pc = in.next
		}
		if ok {
			continue
		}
		if pc, pos, ok = m.back(base); !ok {
			return 0, false
		}
	}
}

func (m *machine) push(f frame) { m.stack = append(m.stack, f) }

func (m *machine) setCounter(register int, c counter) {
	old := m.counters[register]
	m.push(frame{kind: frameCounter, pc: register, pos: old.start, more: old.rounds})
	m.counters[register] = c
}

// back undoes until there is another way; false if there is none above base.
func (m *machine) back(base int) (pc, pos int, ok bool) {
	for len(m.stack) > base {
		f := &m.stack[len(m.stack)-1]
		switch f.kind {
		case frameWay:
			pc, pos = f.pc, f.pos
			m.stack = m.stack[:len(m.stack)-1]
			return pc, pos, true
		case frameRun:
			_, size := utf8.DecodeLastRuneInString(m.text[:f.pos])
			f.pos -= size
			pc, pos = f.pc, f.pos
			if f.pos <= f.more {
				m.stack = m.stack[:len(m.stack)-1]
			}
			return pc, pos, true
		case frameLazyRun:
			if pc, pos, ok = m.takeOne(f); ok {
				return pc, pos, true
			}
			m.stack = m.stack[:len(m.stack)-1]
		case frameCapture:
			m.captures[f.pc] = f.pos
			m.stack = m.stack[:len(m.stack)-1]
		case frameCounter:
			m.counters[f.pc] = counter{rounds: f.more, start: f.pos}
			m.stack = m.stack[:len(m.stack)-1]
		}
	}
	return 0, 0, false
}

// takeOne lengthens a lazy run by a character.
func (m *machine) takeOne(f *frame) (pc, pos int, ok bool) {
	repeat := m.program.code[f.pc].node
	if repeat.max >= 0 && f.more >= repeat.max {
		return 0, 0, false
	}
	if pos, ok = m.one(repeat.subs[0], f.pos); !ok {
		return 0, 0, false
	}
	f.pos, f.more = pos, f.more+1
	return f.pc + 1, pos, true
}

// one matches a single character.
func (m *machine) one(n *node, pos int) (int, bool) {
	if pos >= len(m.text) {
		return pos, false
	}
	r, size := rune(m.text[pos]), 1
	if r >= utf8.RuneSelf {
		r, size = utf8.DecodeRuneInString(m.text[pos:])
	}
	ok := false
	switch n.op {
	case opChar:
		ok = r == n.char
	case opSet:
		ok = n.set.contains(r)
	case opAny:
		ok = true
	case opAnyNotLF:
		ok = r != '\n'
	}
	return pos + size, ok
}

// runOf matches a repeated character: as often as it may, or as it must if it is lazy.
func (m *machine) runOf(n *node, pc, pos int) (int, bool) {
	limit := n.max
	if n.mode == lazy {
		limit = n.min
	}
	least, taken := pos, 0
	for ; limit < 0 || taken < limit; taken++ {
		if m.steps--; m.steps < 0 {
			return pos, false
		}
		next, ok := m.one(n.subs[0], pos)
		if !ok {
			break
		}
		pos = next
		if taken < n.min {
			least = pos
		}
	}
	switch {
	case taken < n.min:
		return pos, false
	case n.mode == lazy:
		m.push(frame{kind: frameLazyRun, pc: pc, pos: pos, more: taken})
	case n.mode == greedy && taken > n.min:
		m.push(frame{kind: frameRun, pc: pc + 1, pos: pos, more: least})
	}
	return pos, true
}

// enter begins a round of a loop. Where it began counts beyond the least count only.
func (m *machine) enter(in *inst, pos int) {
	c := m.counters[in.register]
	if c.rounds >= in.node.min {
		c.start = pos
	}
	c.rounds++
	m.setCounter(in.register, c)
}

// loop decides between another round and the exit. Beyond the least count a round that matched nothing is the last one.
func (m *machine) loop(in *inst, pc, pos int) int {
	c, n := m.counters[in.register], in.node
	switch {
	case c.rounds < n.min:
		return pc + 1
	case c.start == pos || n.max >= 0 && c.rounds >= n.max:
		return in.other
	case n.mode == lazy:
		m.push(frame{kind: frameWay, pc: pc + 1, pos: pos})
		return in.other
	}
	m.push(frame{kind: frameWay, pc: in.other, pos: pos})
	return pc + 1
}

// part runs the part that begins at pc and keeps its result, not its other ways.
func (m *machine) part(pc, pos int) (int, bool) {
	base := len(m.stack)
	end, ok := m.run(pc, pos)
	if !ok {
		return pos, false
	}
	kept := m.stack[:base]
	for _, f := range m.stack[base:] {
		if f.kind == frameCapture || f.kind == frameCounter {
			kept = append(kept, f)
		}
	}
	m.stack = kept
	return end, true
}

// look runs the part of a look-around.
func (m *machine) look(n *node, pc, pos int) bool {
	if n.behind {
		for range n.width {
			if m.steps--; m.steps < 0 {
				return false
			}
			if pos == 0 {
				return n.negate
			}
			_, size := utf8.DecodeLastRuneInString(m.text[:pos])
			pos -= size
		}
	}
	base := len(m.stack)
	_, ok := m.part(pc, pos)
	if !n.negate || m.steps < 0 {
		return ok && m.steps >= 0
	}
	if ok { // what was captured in there is forgotten
		m.unwind(base)
	}
	return !ok
}

// unwind puts back all that has changed since the stack was base high.
func (m *machine) unwind(base int) {
	for len(m.stack) > base {
		f := m.stack[len(m.stack)-1]
		m.stack = m.stack[:len(m.stack)-1]
		switch f.kind {
		case frameCapture:
			m.captures[f.pc] = f.pos
		case frameCounter:
			m.counters[f.pc] = counter{rounds: f.more, start: f.pos}
		}
	}
}

// group returns the text of a group; false if it has not matched.
func (m *machine) group(i int) (string, bool) {
	from, to := m.captures[2*i], m.captures[2*i+1]
	if from < 0 || to < from {
		return "", false
	}
	return m.text[from:to], true
}

func (m *machine) backref(n *node, pos int) (int, bool) {
	want, ok := m.group(n.group)
	if !ok {
		return pos, false
	}
	for _, r := range want {
		if m.steps--; m.steps < 0 || pos >= len(m.text) {
			return pos, false
		}
		got, size := utf8.DecodeRuneInString(m.text[pos:])
		if !sameLetter(r, got, n.fold) {
			return pos, false
		}
		pos += size
	}
	return pos, true
}

// assert matches what stands between characters.
func (m *machine) assert(n *node, pos int) bool {
	switch n.op {
	case opBegin:
		return pos == 0
	case opBeginLine:
		return pos == 0 || m.text[pos-1] == '\n'
	case opEnd:
		return pos == len(m.text) || pos == len(m.text)-1 && m.text[pos] == '\n'
	case opEndLine:
		return pos == len(m.text) || m.text[pos] == '\n'
	case opEndText:
		return pos == len(m.text)
	case opBoundary:
		return m.boundary(n.ascii, pos)
	case opNotBoundary:
		return m.text != "" && !m.boundary(n.ascii, pos)
	}
	return false
}

func (m *machine) boundary(ascii bool, pos int) bool {
	before, _ := utf8.DecodeLastRuneInString(m.text[:pos])
	after, _ := utf8.DecodeRuneInString(m.text[pos:])
	return (pos > 0 && isWord(before, ascii)) != (pos < len(m.text) && isWord(after, ascii))
}
