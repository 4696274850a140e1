package pyregexp

// program is a pattern compiled for backtracking.
type program struct {
	code     []inst
	groups   int // with group 0
	counters int
}

// inst is one instruction. Which fields count depends on code.
type inst struct {
	code     opcode
	node     *node // what to match, look up or repeat
	next     int   // where to go on, when that is not the following instruction
	other    int   // the second place
	register int   // of a capture or a counter
}

type opcode uint8

const (
	codeMatch       opcode = iota // the end, of the program or of a part run by itself
	codeOne                       // node is a single character
	codeRun                       // node repeats a single character
	codeAssert                    // node is an anchor or a boundary
	codeJump                      // to next
	codeSplit                     // to next, later to other
	codeSave                      // the position into a capture register
	codeLoopStart                 // resets a counter
	codeLoop                      // node repeats; body at next, exit at other
	codeLoopEnter                 // begins another round of the loop before it
	codeBackref                   // node names a group
	codeConditional               // to next if node's group has matched, else to other
	codeLook                      // the part from the following instruction on; then to next
	codeAtomic                    // likewise
)

// compile never fails: the parser has seen to what can.
func compile(n *node, groups int) *program {
	p := &program{groups: groups}
	p.add(n)
	p.emit(inst{code: codeMatch})
	return p
}

func (p *program) emit(i inst) int {
	p.code = append(p.code, i)
	return len(p.code) - 1
}

func (p *program) add(n *node) {
	switch n.op {
	case opEmpty:
	case opChar, opSet, opAny, opAnyNotLF:
		p.emit(inst{code: codeOne, node: n})
	case opConcat:
		for _, sub := range n.subs {
			p.add(sub)
		}
	case opAlternate:
		p.addAlternate(n)
	case opRepeat:
		p.addRepeat(n)
	case opCapture:
		p.emit(inst{code: codeSave, register: 2 * n.group})
		p.add(n.subs[0])
		p.emit(inst{code: codeSave, register: 2*n.group + 1})
	case opBackref:
		p.emit(inst{code: codeBackref, node: n})
	case opConditional:
		test := p.emit(inst{code: codeConditional, node: n})
		p.code[test].next = len(p.code)
		p.add(n.subs[0])
		jump := p.emit(inst{code: codeJump})
		p.code[test].other = len(p.code)
		p.add(n.subs[1])
		p.code[jump].next = len(p.code)
	case opLook:
		p.addPart(codeLook, n, n.subs[0])
	case opAtomic:
		p.addPart(codeAtomic, n, n.subs[0])
	default:
		p.emit(inst{code: codeAssert, node: n})
	}
}

func (p *program) addAlternate(n *node) {
	var jumps []int
	for i, sub := range n.subs {
		if i == len(n.subs)-1 {
			p.add(sub)
			break
		}
		split := p.emit(inst{code: codeSplit})
		p.code[split].next = len(p.code)
		p.add(sub)
		jumps = append(jumps, p.emit(inst{code: codeJump}))
		p.code[split].other = len(p.code)
	}
	for _, jump := range jumps {
		p.code[jump].next = len(p.code)
	}
}

// addPart adds a part that is matched by itself, without a way back into it.
func (p *program) addPart(code opcode, n, sub *node) {
	part := p.emit(inst{code: code, node: n})
	p.add(sub)
	p.emit(inst{code: codeMatch})
	p.code[part].next = len(p.code)
}

func (p *program) addRepeat(n *node) {
	sub := n.single()
	switch {
	case sub != nil:
		p.emit(inst{code: codeRun, node: &node{op: opRepeat, min: n.min, max: n.max, mode: n.mode, subs: []*node{sub}}})
	case n.mode == possessive:
		// Python does not go back into a single round either.
		eager := *n
		eager.mode, eager.subs = greedy, []*node{{op: opAtomic, subs: n.subs}}
		p.addPart(codeAtomic, n, &eager)
	default:
		register := p.counters
		p.counters++
		p.emit(inst{code: codeLoopStart, register: register})
		loop := p.emit(inst{code: codeLoop, node: n, register: register})
		p.emit(inst{code: codeLoopEnter, node: n, register: register})
		p.code[loop].next = len(p.code)
		p.add(n.subs[0])
		p.emit(inst{code: codeJump, next: loop})
		p.code[loop].other = len(p.code)
	}
}

// single returns the character that a repetition repeats, nil if it repeats anything else.
func (n *node) single() *node {
	sub := n.subs[0]
	for sub.op == opConcat && len(sub.subs) == 1 {
		sub = sub.subs[0]
	}
	switch sub.op {
	case opChar, opSet, opAny, opAnyNotLF:
		return sub
	}
	return nil
}
