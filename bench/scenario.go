package bench

import (
	"context"
	"encoding/json"
	"fmt"
	"net/url"
)

// Scenario is one kind of request, as a server sees it all day.
type Scenario struct {
	Name     string
	Requests [][]byte // formatted
	Order    []int32  // see Load.Order
	Status   int      // of every answer
	Goal     Goal
}

// Goal is what the design promises for a scenario. The zero Goal promises nothing.
type Goal struct {
	Ratio   float64 `json:"ratio,omitempty"` // of the bare handler's throughput
	NoAlloc bool    `json:"no_alloc,omitempty"`
}

// Site is what a server that speaks Flagsmith's protocol holds.
type Site struct {
	ClientKey, ServerKey string
	Stored               []Identity // known to the server, with these traits
	Visitors             []Identity // not known to it
}

// orderLength is long enough for the tail of a Zipf distribution to come up.
const orderLength = 1 << 15

// The goals of the design.
var (
	goalStatic     = Goal{Ratio: 0.95, NoAlloc: true}
	goalIdentities = Goal{Ratio: 0.75}
)

// Flagsmith returns the scenarios of the Flagsmith dialect. It asks the server at address for the document's validator.
func Flagsmith(ctx context.Context, address string, site *Site) ([]Scenario, error) {
	client := []Field{
		{"Host", "flags.example.com"},
		{"User-Agent", "Flagsmith-Python-SDK/3.10.1"},
		{"Accept", "*/*"},
		{"X-Environment-Key", site.ClientKey},
	}
	server := append([]Field(nil), client...)
	server[3].Value = site.ServerKey
	with := func(fields []Field, more ...Field) []Field { return append(fields[:len(fields):len(fields)], more...) }
	get := func(path string, fields []Field) [][]byte { return [][]byte{FormatRequest("GET", path, fields, nil)} }

	const flags, document = "/api/v1/flags/", "/api/v1/environment-document/"
	gzip, zstd := Field{"Accept-Encoding", "gzip, deflate"}, Field{"Accept-Encoding", "gzip, deflate, br, zstd"}
	a, err := Fetch(ctx, address, get(document, server)[0])
	if err != nil {
		return nil, err
	}
	etag := a.Field("ETag")
	if a.Status != 200 || etag == "" {
		return nil, fmt.Errorf("GET %s: status %d, ETag %q: %.200q", document, a.Status, etag, a.Body)
	}

	stored, visitors := ZipfOrder(1, len(site.Stored), orderLength), ZipfOrder(2, len(site.Visitors), orderLength)
	return []Scenario{
		{Name: "flags", Requests: get(flags, client), Status: 200, Goal: goalStatic},
		{Name: "flags, gzip", Requests: get(flags, with(client, gzip)), Status: 200, Goal: goalStatic},
		{Name: "flags, zstd", Requests: get(flags, with(client, zstd)), Status: 200, Goal: goalStatic},
		{Name: "document 200", Requests: get(document, server), Status: 200, Goal: goalStatic},
		{Name: "document 200, gzip", Requests: get(document, with(server, gzip)), Status: 200, Goal: goalStatic},
		{Name: "document 304", Requests: get(document, with(server, Field{"If-None-Match", etag})), Status: 304, Goal: goalStatic},
		{Name: "identities GET", Requests: identityGets(client, site.Stored), Order: stored, Status: 200},
		{Name: "identities POST", Requests: identityPosts(client, site.Stored, false), Order: stored, Status: 200, Goal: goalIdentities},
		{Name: "identities POST, transient", Requests: identityPosts(client, site.Visitors, true), Order: visitors, Status: 200, Goal: goalIdentities},
	}, nil
}

const identities = "/api/v1/identities/"

func identityGets(fields []Field, people []Identity) [][]byte {
	requests := make([][]byte, len(people))
	for i := range people {
		requests[i] = FormatRequest("GET", identities+"?identifier="+url.QueryEscape(people[i].Identifier), fields, nil)
	}
	return requests
}

func identityPosts(fields []Field, people []Identity, transient bool) [][]byte {
	fields = append(fields[:len(fields):len(fields)], Field{"Content-Type", "application/json"})
	requests := make([][]byte, len(people))
	for i := range people {
		body, err := json.Marshal(struct {
			Identity
			Transient bool `json:"transient,omitempty"`
		}{people[i], transient})
		if err != nil {
			panic("BUG: identity is no JSON: " + err.Error())
		}
		requests[i] = FormatRequest("POST", identities, fields, body)
	}
	return requests
}
