// Package flagsmith speaks the Flagsmith SDK protocol: it decodes a request, finds the environment of its key, evaluates and
// encodes. Shapes, status codes and error bodies are those of Flagsmith's core API (spec/flagsmith-sdk-api.md); where the
// core API crashes or leaks, docs/compatibility.md says what is answered instead.
//
// It reads environments and identities through cachetier and writes traits through the IdentityWriter that it is given. It
// knows neither SQL nor the admin API.
package flagsmith
