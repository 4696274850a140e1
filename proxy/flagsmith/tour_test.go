package flagsmith_test

import (
	"bufio"
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	engine "github.com/flagstaff-io/flagstaff/evaluator/flagsmith"
	"github.com/flagstaff-io/flagstaff/evaluator/pyjson"
	"github.com/flagstaff-io/flagstaff/proxy/flagsmith"
)

// recorded is one line of the recording of a real Flagsmith.
type recorded struct {
	Name    string
	Method  string
	Path    string
	Status  int
	Request json.RawMessage
	Headers map[string]string
	JSON    json.RawMessage
}

// tour is the recording by name, and what its administrator's requests tell about the environment.
type tour struct {
	t      *testing.T
	lines  []recorded
	byName map[string]recorded
}

// sdkPaths are the paths of the recording that SDKs call; the rest is the admin API.
var sdkPaths = []string{
	"/api/v1/flags/", "/api/v1/identities/", "/api/v1/traits/", "/api/v1/environment-document/", "/api/v1/analytics/", "/api/v2/analytics/",
}

func loadTour(t *testing.T) *tour {
	t.Helper()
	const file = "flagsmith-tour.ndjson"
	root := requireEnv(t, "FLAGSTAFF_VECTORS", "the directory with the recording golden/"+file)
	var f *os.File
	for _, dir := range []string{filepath.Join(root, "golden"), filepath.Join(root, "..", "golden")} {
		var err error
		if f, err = os.Open(filepath.Join(dir, file)); err == nil {
			break
		}
	}
	require.NotNil(t, f, "no golden/%s in or beside FLAGSTAFF_VECTORS=%s", file, root)
	defer func() { require.NoError(t, f.Close()) }()
	to := &tour{t: t, byName: make(map[string]recorded)}
	scanner := bufio.NewScanner(f)
	scanner.Buffer(nil, 1<<20)
	for scanner.Scan() {
		var line recorded
		require.NoError(t, json.Unmarshal(scanner.Bytes(), &line))
		to.lines = append(to.lines, line)
		to.byName[line.Name] = line
	}
	require.NoError(t, scanner.Err())
	return to
}

// read decodes the answer of one line.
func (to *tour) read(name string, v any) {
	to.t.Helper()
	line, ok := to.byName[name]
	require.True(to.t, ok, "no line %q in the recording", name)
	require.NoError(to.t, json.Unmarshal(line.JSON, v), name)
}

// document puts the environment together as it was at the end: the public document, and beside it the core fields from what
// the administrator was answered.
func (to *tour) document() *engine.Document {
	to.t.Helper()
	doc := new(engine.Document)
	to.read("document full", doc)
	doc.Core, doc.Version = true, 1

	var flags []struct {
		ID      int64
		Feature struct {
			ID             int64
			CreatedDate    time.Time `json:"created_date"`
			Description    *string
			InitialValue   *string `json:"initial_value"`
			DefaultEnabled bool    `json:"default_enabled"`
		}
	}
	to.read("flags full", &flags)
	require.Len(to.t, doc.FeatureStates, len(flags))
	for i := range doc.FeatureStates {
		state, f := &doc.FeatureStates[i], flags[i].Feature
		require.Equal(to.t, state.Feature.ID, f.ID)
		state.RowID = flags[i].ID
		state.Feature.Core = &engine.FeatureCore{
			CreatedDate: f.CreatedDate, Description: f.Description, InitialValue: f.InitialValue, DefaultEnabled: f.DefaultEnabled,
		}
	}

	var override struct {
		ID             int64
		FeatureSegment int64 `json:"feature_segment"`
	}
	to.read("segment override create", &override)
	to.link(doc, override.ID, override.FeatureSegment)
	var direct struct {
		ID             int64
		FeatureSegment struct{ ID int64 } `json:"feature_segment"`
	}
	to.read("segment override direct", &direct)
	to.link(doc, direct.ID, direct.FeatureSegment.ID)

	// An identity's rows are their own seeds here: nothing was recreated by versioning.
	for i := range doc.IdentityOverrides {
		for j := range doc.IdentityOverrides[i].Features {
			state := &doc.IdentityOverrides[i].Features[j]
			state.RowID = state.HashingSeed
		}
	}
	return doc
}

// link gives the segment override of a row its row id and the id of its link.
func (to *tour) link(doc *engine.Document, row, link int64) {
	to.t.Helper()
	for i := range doc.Project.Segments {
		for j := range doc.Project.Segments[i].FeatureStates {
			if state := &doc.Project.Segments[i].FeatureStates[j]; state.HashingSeed == row {
				state.RowID, state.FeatureSegment.ID = row, link
				return
			}
		}
	}
	to.t.Fatalf("no segment override has the row %d", row)
}

// TestRecordedTour sends the SDK requests of the recording, each to the environment as it was then, and compares status, Allow
// and the whole body byte for byte: the recording keeps the order of keys and the spelling of numbers.
//
// Nothing in a body is masked. Trait ids follow from the order of the writes, since the sequence starts where the real one stood;
// all other ids, uuids and times come out of the recording itself.
//
// X-Flagsmith-Document-Updated-At and Last-Modified are compared only while the recorded server knew the truth: it took them from
// an object that it caches for a minute, so in the whole recording they show the moment before the first feature was made.
func TestRecordedTour(t *testing.T) {
	t.Parallel()
	to := loadTour(t)
	full := to.document()
	var serverKey struct{ Key string }
	to.read("server key create", &serverKey)
	clientKey := full.APIKey

	var early engine.Document
	to.read("document empty", &early)
	early.Core, early.Version = true, 1
	before := *full // no overrides of identities yet
	before.IdentityOverrides = nil
	// The override that "identity with override" shows was changed before "document full", by a request that is not recorded.
	var override struct {
		Enabled bool
		Value   json.RawMessage `json:"feature_state_value"`
	}
	to.read("identity override create", &override)
	overridden := to.document()
	overridden.IdentityOverrides[0].Features[0].Enabled = override.Enabled
	overridden.IdentityOverrides[0].Features[0].Value = override.Value

	r := newRig(t, &early)
	r.addKey(clientKey, flagsmith.Key{EnvironmentID: early.ID, Active: true})
	r.addKey(serverKey.Key, flagsmith.Key{EnvironmentID: early.ID, Active: true, Server: true})
	r.people.number(1, firstTraitID(to))

	steps := map[string]struct {
		now    *engine.Document // publish this before
		body   string           // where the recording has none
		key    string           // "": the client key
		before func()
	}{
		"flags empty":        {},
		"document empty":     {key: serverKey.Key},
		"flags full":         {now: &before},
		"flags one":          {},
		"flags unknown":      {},
		"flags wrong key":    {key: "nope"},
		"flags no key":       {key: "none"},
		"identify ann":       {},
		"identify dee":       {before: func() { tourIdentifiesBob(r, clientKey) }},
		"identity get bob":   {},
		"identity transient": {},
		"identity post bad json": {
			body: "{nope", // the recorder dropped what does not parse; its answer complains about the second character
		},
		"traits create":          {},
		"traits increment":       {},
		"traits bulk":            {},
		"identity with override": {now: overridden},
		"document full":          {now: full, key: serverKey.Key},
		"document client key":    {},
		"analytics v1":           {},
		"analytics v2":           {},
	}
	played := 0
	for _, line := range to.lines {
		if !isSDKPath(line.Path) {
			continue
		}
		played++
		t.Run(line.Name, func(t *testing.T) {
			step, known := steps[line.Name]
			require.True(t, known, "nobody says how to play %q", line.Name)
			if step.now != nil {
				r.publish(step.now)
			}
			if step.before != nil {
				step.before()
			}
			body := string(line.Request) + step.body
			how := []sending{withKey(clientKey)}
			switch step.key {
			case "":
			case "none":
				how = []sending{without("X-Environment-Key")}
			default:
				how = []sending{withKey(step.key)}
			}
			a := r.send(line.Method, line.Path, body, how...)
			requireRecorded(t, line, a)
		})
	}
	require.Equal(t, len(steps), played)
}

// requireRecorded compares an answer with the recorded one.
func requireRecorded(t *testing.T, line recorded, a *answer) {
	t.Helper()
	require.Equal(t, line.Status, a.status)
	require.Equal(t, line.Headers["Allow"], a.header.Get("Allow"))
	if string(line.JSON) == "null" {
		require.Empty(t, a.body)
		require.Empty(t, a.header.Values("Content-Type"))
		return
	}
	require.Equal(t, string(line.JSON), a.body)

	const updatedAt = "X-Flagsmith-Document-Updated-At"
	_, recorded := line.Headers[updatedAt]
	require.Equal(t, recorded, a.header.Get(updatedAt) != "", updatedAt)
	if strings.HasSuffix(line.Name, " empty") {
		require.Equal(t, line.Headers[updatedAt], a.header.Get(updatedAt))
		require.Equal(t, line.Headers["Last-Modified"], a.header.Get("Last-Modified"))
	}
	if line.Name == "document full" {
		var body struct {
			UpdatedAt time.Time `json:"updated_at"`
		}
		require.NoError(t, json.Unmarshal([]byte(a.body), &body))
		require.Equal(t, string(pyjson.AppendUnixFloat(nil, body.UpdatedAt)), a.header.Get(updatedAt))
		require.Equal(t, body.UpdatedAt.UTC().Format(http.TimeFormat), a.header.Get("Last-Modified"))
	}
}

// tourIdentifiesBob makes the request that the recording lacks: bob has traits, whose ids lie between those of ann and dee.
func tourIdentifiesBob(r *rig, key string) {
	r.t.Helper()
	r.post("/api/v1/identities/", `{"identifier":"bob","traits":[{"trait_key":"plan","trait_value":"free"},{"trait_key":"age","trait_value":61}]}`, withKey(key))
}

// firstTraitID is where the recorded server's sequence stood.
func firstTraitID(to *tour) int64 {
	to.t.Helper()
	var ann struct{ Traits []struct{ ID int64 } }
	to.read("identify ann", &ann)
	require.NotEmpty(to.t, ann.Traits)
	return ann.Traits[0].ID
}

func isSDKPath(path string) bool {
	for _, prefix := range sdkPaths {
		if strings.HasPrefix(path, prefix) {
			return true
		}
	}
	return false
}
