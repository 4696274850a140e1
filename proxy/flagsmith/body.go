package flagsmith

import (
	"bytes"
	"encoding/json"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/valyala/fasthttp"
	"github.com/valyala/fastjson"

	engine "github.com/flagstaff-io/flagstaff/evaluator/flagsmith"
	"github.com/flagstaff-io/flagstaff/evaluator/pyjson"
	"github.com/flagstaff-io/flagstaff/proxy"
)

// workspace is the memory that one request works in and the next one reuses.
type workspace struct {
	parser   fastjson.Parser
	parsed   int // bytes of the last body
	request  identifyRequest
	scratch  engine.Scratch
	outcomes []engine.OutcomeID
	merged   []engine.Trait
	identity engine.Identity
	cacheID  []byte
	hashKey  []byte
	body     identityBody
	lent     bool // to body, which gives it back
}

// One giant request must not pin its memory for ever. The parser keeps 80 bytes for each value it has ever seen in one body:
// half a million for a body of 1 MiB.
const maxPooledTraits, maxPooledOutcomes, maxPooledBodyBytes, maxPooledHeadBytes = 1024, 16 << 10, 64 << 10, 64 << 10

func (h *Handler) workspace() *workspace { return h.workspaces.Get().(*workspace) }

func (h *Handler) release(ws *workspace) {
	if ws.lent {
		return
	}
	if cap(ws.request.traits) > maxPooledTraits || cap(ws.merged) > maxPooledTraits || cap(ws.outcomes) > maxPooledOutcomes ||
		ws.parsed > maxPooledBodyBytes || cap(ws.body.head) > maxPooledHeadBytes {
		return
	}
	// What points into the request must not outlive it.
	clear(ws.request.traits)
	clear(ws.merged)
	ws.request.identifier = ""
	ws.identity = engine.Identity{}
	h.workspaces.Put(ws)
}

var (
	typeJSON = []byte(contentJSON)
	typeForm = []byte("application/x-www-form-urlencoded")
	typeMany = []byte("multipart/form-data")
)

// body parses the request's body. When it cannot be parsed it has answered and returns nil. The value aliases the
// workspace.
func (h *Handler) body(ctx *fasthttp.RequestCtx, ep *endpoint, ws *workspace) *fastjson.Value {
	body := ctx.Request.Body()
	mediaType := proxy.MediaType(ctx)
	switch {
	case len(body) == 0:
		body = []byte("{}")
	case bytes.EqualFold(mediaType, typeJSON):
	case len(mediaType) == 0, bytes.EqualFold(mediaType, typeForm):
		// curl --data calls everything a form. A form never starts with a bracket, JSON of these endpoints always does.
		if first := bytes.TrimLeft(body, " \t\r\n"); len(first) > 0 && (first[0] == '{' || first[0] == '[') {
			break
		}
		if len(mediaType) == 0 {
			ep.fail(ctx, fasthttp.StatusUnsupportedMediaType, unsupported(mediaType))
			return nil
		}
		body = formJSON(ctx.PostArgs().All())
	case bytes.EqualFold(mediaType, typeMany):
		form, err := ctx.MultipartForm()
		if err != nil {
			// The words of Django for the usual mistake; the library's own are no client's business.
			ep.fail(ctx, fasthttp.StatusBadRequest, detail("Multipart form parse error - Invalid boundary in multipart: None"))
			return nil
		}
		body = formJSON(func(yield func(k, v []byte) bool) {
			for name, values := range form.Value {
				if len(values) > 0 && !yield([]byte(name), []byte(values[len(values)-1])) {
					return
				}
			}
		})
	default:
		ep.fail(ctx, fasthttp.StatusUnsupportedMediaType, unsupported(mediaType))
		return nil
	}
	// fastjson reads more than JSON, so the text is checked as strictly as Python's parser does.
	if !pyjson.Valid(body) {
		ep.fail(ctx, fasthttp.StatusBadRequest, detail("JSON parse error - "+pyjson.ErrorMessage(body)))
		return nil
	}
	ws.parsed = len(body)
	value, err := ws.parser.ParseBytes(body)
	if err != nil { // valid, but nested deeper than fastjson goes
		ep.fail(ctx, fasthttp.StatusBadRequest, detail("JSON parse error - nested too deeply"))
		return nil
	}
	return value
}

// A bodyAction serves a request whose body was parsed. The body is its for as long as it runs.
type bodyAction func(ctx *fasthttp.RequestCtx, env *Environment, serverKey bool, body *fastjson.Value)

// reading parses the body for act.
func (h *Handler) reading(ep *endpoint, act bodyAction) action {
	return func(ctx *fasthttp.RequestCtx, env *Environment, serverKey bool) {
		ws := h.workspace()
		defer h.release(ws)
		if body := h.body(ctx, ep, ws); body != nil {
			act(ctx, env, serverKey, body)
		}
	}
}

// storing is reading for what stores traits: whether the organisation does is checked before the body is looked at.
func (h *Handler) storing(ep *endpoint, act bodyAction) action {
	read := h.reading(ep, act)
	return func(ctx *fasthttp.RequestCtx, env *Environment, serverKey bool) {
		if mayStoreTraits(ctx, ep, env) {
			read(ctx, env, serverKey)
		}
	}
}

func unsupported(mediaType []byte) problem {
	return detail("Unsupported media type \"" + strings.ToValidUTF8(string(mediaType), "?") + "\" in request.")
}

// formKey is the name of a form field as Django REST framework nests it: name, name.part, name[2]part, [2]part.part.
var formKey = regexp.MustCompile(`^([^\[.]*)(?:\[([0-9]{1,4})\])?\.?(.*)$`)

// maxFormItems bounds the length of a list, and maxFormDepth the nesting of a.a.a.a.
const maxFormItems, maxFormDepth = 1000, 4

// formList is a list by the numbers in its fields' names. Numbers that do not occur leave no gap, and cost nothing.
type formList map[int]any

// MarshalJSON implements json.Marshaler.
func (l formList) MarshalJSON() ([]byte, error) {
	items := make([]any, 0, len(l))
	for _, i := range slices.Sorted(maps.Keys(l)) {
		items = append(items, l[i])
	}
	return json.Marshal(items)
}

// formJSON turns form fields into the JSON that they stand for. Every value is a string.
func formJSON(fields func(yield func(k, v []byte) bool)) []byte {
	root := make(map[string]any)
	for k, v := range fields {
		setFormField(root, string(k), string(v), 0)
	}
	var tree any = root
	if list, ok := root[""].(formList); ok { // the whole body is a list: [0]trait_key
		tree = list
	}
	text, err := json.Marshal(tree)
	if err != nil { // strings, maps and lists always marshal
		return []byte("{}")
	}
	return text
}

// setFormField puts a value where its key says. What contradicts an earlier key replaces it.
func setFormField(object map[string]any, key, value string, depth int) {
	m := formKey.FindStringSubmatch(key)
	if m == nil || depth == maxFormDepth {
		return
	}
	name, index, rest := m[1], m[2], m[3]
	if index == "" {
		object[name] = formValue(object[name], rest, value, depth)
		return
	}
	n, _ := strconv.Atoi(index)
	if n >= maxFormItems {
		return
	}
	list, ok := object[name].(formList)
	if !ok {
		list = make(formList)
		object[name] = list
	}
	list[n] = formValue(list[n], rest, value, depth)
}

// formValue is what becomes of old when the rest of a key gives it a value: the value, or an object that holds it.
func formValue(old any, rest, value string, depth int) any {
	if rest == "" {
		return value
	}
	object, ok := old.(map[string]any)
	if !ok {
		object = make(map[string]any)
	}
	setFormField(object, rest, value, depth+1)
	return object
}
