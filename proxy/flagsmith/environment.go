package flagsmith

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strings"
	"sync/atomic"
	"time"

	"github.com/valyala/fasthttp"

	"github.com/flagstaff-io/flagstaff/cachetier"
	engine "github.com/flagstaff-io/flagstaff/evaluator/flagsmith"
	"github.com/flagstaff-io/flagstaff/evaluator/pyjson"
	"github.com/flagstaff-io/flagstaff/proxy"
)

// Environment is one environment as this node serves it: the compiled rules and every answer that does not depend on who
// asks, rendered. It is immutable; a change of the environment is a new one.
type Environment struct {
	ID        int64
	APIKey    string // the client-side key
	UpdatedAt time.Time

	generation uint64 // tells this value from every other one of this process

	stopServing       bool // the organisation is disabled
	persistTraits     bool
	allowClientTraits bool
	hideSensitive     bool
	compositeKey      bool
	realtime          bool

	rules  *engine.Ruleset
	doc    *engine.Document
	client view
	server view

	document    *proxy.Answer
	notModified *proxy.Answer
	validators  proxy.Validators

	identityHeader *proxy.Answer // of answers to identities/, without a body
	featureByName  map[string]int
	featureByLower map[string]int // by lower-case name: names are unique ignoring case
	featureByID    map[int64]int
	updatedAtEvent []byte // one event of the realtime stream
}

// DecodeEnvironment makes an Environment of a cache entry. The cost is an estimate of the memory it takes, in bytes.
func DecodeEnvironment(_ string, entry cachetier.Entry) (*Environment, int64, error) {
	doc := new(engine.Document)
	if err := json.Unmarshal(entry.Body, doc); err != nil {
		return nil, 0, fmt.Errorf("decode environment document: %w", err)
	}
	env := NewEnvironment(doc)
	return env, env.bytes(), nil
}

// generations counts the environments that were made.
var generations atomic.Uint64

// NewEnvironment compiles a document and renders its answers. It keeps doc, which must not change any more.
func NewEnvironment(doc *engine.Document) *Environment {
	e := &Environment{
		ID:                doc.ID,
		generation:        generations.Add(1),
		APIKey:            doc.APIKey,
		UpdatedAt:         doc.UpdatedAt,
		stopServing:       doc.Project.Organisation.StopServingFlags,
		persistTraits:     doc.Project.Organisation.PersistTraitData,
		allowClientTraits: doc.AllowClientTraits,
		hideSensitive:     doc.HideSensitiveData,
		compositeKey:      doc.UseIdentityCompositeKeyForHashing,
		realtime:          doc.Project.EnableRealtimeUpdates,
		rules:             engine.Compile(doc),
		doc:               doc,
		featureByName:     make(map[string]int, len(doc.FeatureStates)),
		featureByLower:    make(map[string]int, len(doc.FeatureStates)),
		featureByID:       make(map[int64]int, len(doc.FeatureStates)),
	}
	for i := range doc.FeatureStates {
		f := &doc.FeatureStates[i].Feature
		e.featureByName[f.Name] = i
		e.featureByLower[strings.ToLower(f.Name)] = i
		e.featureByID[f.ID] = i
	}
	updatedAt := proxy.Header{Name: headerDocumentUpdatedAt, Value: string(pyjson.AppendUnixFloat(nil, doc.UpdatedAt))}
	e.renderFlags(updatedAt)
	e.renderDocument(updatedAt)
	e.identityHeader = proxy.NewAnswer(fasthttp.StatusOK, fields(contentJSON, varyIdentity, allowIdentities, updatedAt), nil, false)
	e.updatedAtEvent = []byte("event: environment_updated\ndata: {\"updated_at\": " + updatedAt.Value + "}\n\n")
	return e
}

// renderDocument makes the answers of environment-document/.
func (e *Environment) renderDocument(updatedAt proxy.Header) {
	body := bytes.Clone(engine.AppendPublic(nil, e.doc)) // without the slack of growing
	sum := sha256.Sum256(body)
	e.validators = proxy.NewValidators(hex.EncodeToString(sum[:16]), e.UpdatedAt)
	etag := proxy.Header{Name: fasthttp.HeaderETag, Value: string(e.validators.ETag)}
	modified := proxy.Header{Name: fasthttp.HeaderLastModified, Value: string(fasthttp.AppendHTTPDate(nil, e.UpdatedAt))}
	e.document = proxy.NewAnswer(fasthttp.StatusOK, fields(contentJSON, varyDocument, allowGet, updatedAt, etag, modified), body, true)
	e.notModified = e.document.NotModified(fields("", varyDocument, allowGet, etag, modified))
}

// bytes estimates the memory that e takes, on the safe side: TestEnvironmentBytes compares it with the heap.
func (e *Environment) bytes() int64 {
	const perEnvironment, perPiece = 24 << 10, 24 // the headers of the answers; a slice
	n := int64(perEnvironment)
	// The decoded document, its compiled rules and what they point to come to about five times its text.
	n += 5 * int64(len(e.document.Body()))
	n += int64(e.document.Bytes())
	for _, v := range []*view{&e.server, &e.client} {
		n += int64(v.flags.Bytes()) + perPiece*int64(len(v.list)+len(v.fragments))
		if e.client.flags == e.server.flags {
			break
		}
	}
	for _, f := range e.server.fragments {
		n += int64(len(f))
	}
	return n
}
