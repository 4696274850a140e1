package flagsmith

import (
	"bytes"
	"context"
	"html"
	"strconv"
	"strings"
	"time"

	"github.com/valyala/fasthttp"

	"github.com/flagstaff-io/flagstaff/evaluator/pyjson"
)

// Version is what /version/ tells about this build.
type Version struct {
	Commit    string // "unknown" when empty
	Flagstaff string // the release of this binary
	HasUsers  bool
}

func orUnknown(s string) string {
	if s == "" {
		return "unknown"
	}
	return s
}

func (v Version) json() []byte {
	dst := []byte(`{"ci_commit_sha": `)
	dst = pyjson.AppendString(dst, orUnknown(v.Commit))
	dst = append(dst, `, "image_tag": "`+CompatibleVersion+`", "has_email_provider": false, "is_enterprise": false, "is_saas": false, `...)
	dst = append(dst, `"self_hosted_data": {"has_users": `...)
	dst = strconv.AppendBool(dst, v.HasUsers)
	dst = append(dst, `, "has_logins": false}, "package_versions": {".": "`+CompatibleVersion+`", "flagstaff": `...)
	dst = pyjson.AppendString(dst, orUnknown(v.Flagstaff))
	return append(dst, "}}"...)
}

var (
	probeEndpoint = plainEndpoint(varyOther, allowGet)
	alive         = []byte(`{"status": "ok"}`)
)

// probe lets GET, HEAD and a preflight through to an operational path.
func probe(ctx *fasthttp.RequestCtx) bool {
	switch {
	case isPreflight(ctx):
		preflightAnswer.Write(ctx)
	case ctx.IsGet(), ctx.IsHead():
		return true
	default:
		probeEndpoint.fail(ctx, fasthttp.StatusMethodNotAllowed, detail("Method \""+string(ctx.Method())+"\" not allowed."))
	}
	return false
}

// liveness serves /health/liveness/: the process answers.
func (h *Handler) liveness(ctx *fasthttp.RequestCtx) {
	if probe(ctx) {
		probeEndpoint.ok(ctx, alive)
	}
}

// version serves /version/.
func (h *Handler) version(ctx *fasthttp.RequestCtx) {
	if probe(ctx) {
		probeEndpoint.ok(ctx, h.cfg.Version.json())
	}
}

// readiness serves /health and its other names: whether the node can serve, and how what is behind it does. Like upstream it
// is a page, unless JSON is asked for.
func (h *Handler) readiness(ctx *fasthttp.RequestCtx) {
	if !probe(ctx) {
		return
	}
	limit, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	checks, ready := h.cfg.Health.Health(limit)
	cancel()
	status := fasthttp.StatusOK
	if !ready {
		status = fasthttp.StatusInternalServerError
	}
	if wantsJSON(ctx) {
		probeEndpoint.fail(ctx, status, checksJSON(checks))
		return
	}
	probeEndpoint.fail(ctx, status, checksPage(checks, ready))
	ctx.Response.Header.SetContentType("text/html; charset=utf-8")
}

func wantsJSON(ctx *fasthttp.RequestCtx) bool {
	return string(queryValue(ctx, "format")) == "json" ||
		bytes.Contains(ctx.Request.Header.Peek(fasthttp.HeaderAccept), jsonType)
}

func checksJSON(checks []Check) problem {
	dst := problem{'{'}
	for i, c := range checks {
		if i > 0 {
			dst = append(dst, ", "...)
		}
		dst = pyjson.AppendString(dst, c.Name)
		dst = append(dst, ": "...)
		dst = pyjson.AppendString(dst, c.Status)
	}
	return append(dst, '}')
}

func checksPage(checks []Check, ready bool) problem {
	var page strings.Builder
	title := "System status: ready"
	if !ready {
		title = "System status: not ready"
	}
	page.WriteString("<!doctype html>\n<html lang=\"en\">\n<head><meta charset=\"utf-8\"><title>" + title + "</title></head>\n<body>\n<h1>" + title + "</h1>\n<table>\n")
	for _, c := range checks {
		page.WriteString("<tr><td>" + html.EscapeString(c.Name) + "</td><td>" + html.EscapeString(c.Status) + "</td></tr>\n")
	}
	page.WriteString("</table>\n</body>\n</html>\n")
	return problem(page.String())
}
