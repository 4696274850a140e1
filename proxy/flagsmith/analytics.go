package flagsmith

import (
	"strconv"

	"github.com/valyala/fasthttp"
	"github.com/valyala/fastjson"

	"github.com/flagstaff-io/flagstaff/evaluator/pyjson"
	"github.com/flagstaff-io/flagstaff/proxy"
)

var (
	analyticsEndpoint = plainEndpoint(varyOther, allowPost)
	// analyticsDone has no content type: it has no content.
	analyticsDone = proxy.NewAnswer(fasthttp.StatusOK, fields("", varyOther, allowPost), nil, false)
)

// postAnalytics serves POST /api/v1/analytics/flags/: counts by feature name. What is not an integer, or names no feature of
// the environment, is dropped without a word, as upstream does.
func (h *Handler) postAnalytics(ctx *fasthttp.RequestCtx, env *Environment, _ bool, body *fastjson.Value) {
	if body.Type() != fastjson.TypeObject {
		analyticsEndpoint.fail(ctx, fasthttp.StatusBadRequest, nonField("Expected a JSON object."))
		return
	}
	object, _ := body.Object()
	object.Visit(func(name []byte, v *fastjson.Value) {
		if v.Type() != fastjson.TypeNumber {
			return
		}
		if count, err := v.Int64(); err == nil {
			h.count(env, unsafeString(name), count)
		}
	})
	analyticsDone.Write(ctx)
	finish(ctx)
}

// count adds to a feature's evaluations under the name that the environment keeps for it.
func (h *Handler) count(env *Environment, name string, count int64) {
	if i, ok := env.featureByName[name]; ok {
		h.cfg.Counter.Add(env.ID, env.doc.FeatureStates[i].Feature.Name, count)
	}
}

// postAnalyticsV2 serves POST /api/v2/analytics/flags/: evaluations one by one.
func (h *Handler) postAnalyticsV2(ctx *fasthttp.RequestCtx, env *Environment, _ bool, body *fastjson.Value) {
	counts, p := decodeEvaluations(body)
	if p != nil {
		analyticsEndpoint.fail(ctx, fasthttp.StatusBadRequest, p)
		return
	}
	for _, c := range counts {
		h.count(env, c.feature, c.count)
	}
	analyticsDone.Write(ctx)
	ctx.SetStatusCode(fasthttp.StatusNoContent)
	finish(ctx)
}

type evaluationCount struct {
	feature string
	count   int64
}

// decodeEvaluations reads {"evaluations": […]}; the names alias the body.
func decodeEvaluations(body *fastjson.Value) ([]evaluationCount, problem) {
	if body.Type() != fastjson.TypeObject {
		return nil, notAnObject(body)
	}
	object, _ := body.Object()
	list := member(object, "evaluations")
	field := func(p problem) problem { return (&problems{}).add("evaluations", p).object() }
	switch {
	case list == nil:
		return nil, field(messages(msgRequired))
	case list.Type() == fastjson.TypeNull:
		return nil, field(messages(msgNull))
	case list.Type() != fastjson.TypeArray:
		return nil, field(nonField(msgNotList(pythonType(list))))
	}
	items, _ := list.Array()
	counts := make([]evaluationCount, 0, len(items))
	var bad problemList
	for _, item := range items {
		c, p := decodeEvaluation(item)
		bad.add(p)
		counts = append(counts, c)
	}
	if p := bad.list(); p != nil {
		return nil, field(p)
	}
	return counts, nil
}

func decodeEvaluation(item *fastjson.Value) (c evaluationCount, p problem) {
	if item.Type() != fastjson.TypeObject {
		if item.Type() == fastjson.TypeNull {
			return c, messages(msgNull)
		}
		return c, notAnObject(item)
	}
	object, _ := item.Object()
	var ps problems
	c.feature, p = requiredText(member(object, "feature_name"), 2000)
	ps.add("feature_name", p)
	if identity := member(object, "identity_identifier"); identity != nil {
		_, p = requiredText(identity, maxIdentifierChars)
		ps.add("identity_identifier", p)
	}
	if enabled := member(object, "enabled_when_evaluated"); enabled == nil {
		ps.add("enabled_when_evaluated", messages(msgRequired))
	} else {
		_, p = boolean(enabled)
		ps.add("enabled_when_evaluated", p)
	}
	c.count, p = integer(member(object, "count"))
	ps.add("count", p)
	return c, ps.object()
}

// telemetryFields are what a self-hosted Flagsmith tells of itself, in the order of its serializer.
var telemetryFields = []string{"organisations", "projects", "environments", "features", "segments", "users", "debug_enabled", "env"}

// postTelemetry serves POST analytics/telemetry/, which self-hosted Flagsmiths call after their migrations. What they tell is
// checked, echoed and kept nowhere.
func (h *Handler) postTelemetry(ctx *fasthttp.RequestCtx, _ *Environment, _ bool, body *fastjson.Value) {
	if body.Type() != fastjson.TypeObject {
		analyticsEndpoint.fail(ctx, fasthttp.StatusBadRequest, notAnObject(body))
		return
	}
	object, _ := body.Object()
	var ps problems
	var echo problems
	for _, name := range telemetryFields {
		v := member(object, name)
		var p problem
		var value []byte
		switch name {
		case "debug_enabled":
			var b bool
			if v == nil {
				p = messages(msgRequired)
			} else if b, p = boolean(v); b {
				value = []byte("true")
			} else {
				value = []byte("false")
			}
		case "env":
			var s string
			s, p = requiredText(v, 2000)
			value = pyjson.AppendString(nil, s)
		default:
			var n int64
			n, p = integer(v)
			value = strconv.AppendInt(nil, n, 10)
		}
		ps.add(name, p)
		echo.add(name, value)
	}
	if p := ps.object(); p != nil {
		analyticsEndpoint.fail(ctx, fasthttp.StatusBadRequest, p)
		return
	}
	analyticsEndpoint.ok(ctx, echo.object())
	ctx.SetStatusCode(fasthttp.StatusCreated)
}
