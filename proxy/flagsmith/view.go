package flagsmith

import (
	"bytes"
	"slices"

	"github.com/valyala/fasthttp"

	engine "github.com/flagstaff-io/flagstaff/evaluator/flagsmith"
	"github.com/flagstaff-io/flagstaff/proxy"
)

// view is an environment as one kind of key sees it.
type view struct {
	flags *proxy.Answer
	// list holds the flag of each feature as GET flags/ shows it, nil where it is hidden.
	list [][]byte
	// fragments holds each outcome as the identities endpoints show it, with a comma behind it; nil where it is hidden.
	fragments [][]byte
}

// view returns what a key of this kind sees.
func (e *Environment) view(serverKey bool) *view {
	if serverKey {
		return &e.server
	}
	return &e.client
}

// hidesDisabled tells whether flags that are off are left out: the environment decides, else its project.
func (e *Environment) hidesDisabled() bool {
	if e.doc.HideDisabledFlags != nil {
		return *e.doc.HideDisabledFlags
	}
	return e.doc.Project.HideDisabledFlags
}

// hidden tells whether an outcome is kept from a kind of key.
func (e *Environment) hidden(o *engine.Outcome, serverKey bool) bool {
	return !o.Enabled && e.hidesDisabled() || !serverKey && slices.Contains(e.doc.Project.ServerKeyOnlyFeatureID, o.State.Feature.ID)
}

// renderFlags fills both views.
func (e *Environment) renderFlags(updatedAt proxy.Header) {
	r := newRenderer(e.doc)
	outcomes := e.rules.Outcomes()
	hideDisabled := e.hidesDisabled()
	var list, fragments pieces
	for _, id := range e.rules.Defaults() {
		if o := &outcomes[id]; o.Enabled || !hideDisabled {
			list.buf = r.appendFlag(list.buf, o, false)
		}
		list.end()
	}
	for i := range outcomes {
		if o := &outcomes[i]; o.Enabled || !hideDisabled {
			fragments.buf = append(r.appendFlag(fragments.buf, o, true), ',')
		}
		fragments.end()
	}
	flags, all := list.slices(), fragments.slices()
	e.server = newView(flags, all, updatedAt)
	e.client = e.server
	if hidden := e.serverKeyOnly(); len(hidden) > 0 {
		e.client = newView(without(flags, hidden, func(i int) int { return i }),
			without(all, hidden, func(i int) int { return outcomes[i].Feature }), updatedAt)
	}
}

// pieces are rendered one after another into one buffer: a buffer each would be a third slack.
type pieces struct {
	buf  []byte
	ends []int
}

// end closes the piece that was appended to buf since the last one. An empty piece is a hidden one.
func (p *pieces) end() { p.ends = append(p.ends, len(p.buf)) }

// slices returns all pieces, nil for the hidden ones.
func (p *pieces) slices() [][]byte {
	buf := bytes.Clone(p.buf)
	all := make([][]byte, len(p.ends))
	start := 0
	for i, end := range p.ends {
		if end > start {
			all[i] = buf[start:end:end]
		}
		start = end
	}
	return all
}

// serverKeyOnly is the set of features that client keys do not see, by their place.
func (e *Environment) serverKeyOnly() map[int]bool {
	hidden := make(map[int]bool)
	for _, id := range e.doc.Project.ServerKeyOnlyFeatureID {
		if i, ok := e.featureByID[id]; ok {
			hidden[i] = true
		}
	}
	return hidden
}

// without copies rendered pieces, leaving out those of hidden features.
func without(all [][]byte, hidden map[int]bool, feature func(i int) int) [][]byte {
	kept := make([][]byte, len(all))
	for i, p := range all {
		if !hidden[feature(i)] {
			kept[i] = p
		}
	}
	return kept
}

// newView joins the flags into the answer of flags/, and keeps each as a part of that answer.
func newView(flags, fragments [][]byte, updatedAt proxy.Header) view {
	size := len("[]") + len(flags)
	for _, flag := range flags {
		size += len(flag)
	}
	body := append(make([]byte, 0, size), '[')
	list := make([][]byte, len(flags))
	for i, flag := range flags {
		if flag == nil {
			continue
		}
		if len(body) > 1 {
			body = append(body, ',')
		}
		start := len(body)
		body = append(body, flag...)
		list[i] = body[start:len(body):len(body)]
	}
	body = append(body, ']')
	return view{
		flags:     proxy.NewAnswer(fasthttp.StatusOK, fields(contentJSON, varyFlags, allowGet, updatedAt), body, true),
		list:      list,
		fragments: fragments,
	}
}

// first returns the first flag of the list, nil when the list is empty.
func (v *view) first() []byte {
	for _, flag := range v.list {
		if flag != nil {
			return flag
		}
	}
	return nil
}
