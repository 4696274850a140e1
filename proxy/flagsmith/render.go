package flagsmith

import (
	"strconv"

	engine "github.com/flagstaff-io/flagstaff/evaluator/flagsmith"
	"github.com/flagstaff-io/flagstaff/evaluator/pyjson"
)

// renderer turns what a feature can come to into JSON, once, when an environment is loaded.
type renderer struct {
	doc      *engine.Document
	features [][]byte // the "feature" object of each feature
}

func newRenderer(doc *engine.Document) *renderer {
	r := &renderer{doc: doc, features: make([][]byte, len(doc.FeatureStates))}
	for i := range doc.FeatureStates {
		r.features[i] = r.appendFeature(nil, &doc.FeatureStates[i].Feature)
	}
	return r
}

// appendFeature renders what a flag tells about its feature.
func (r *renderer) appendFeature(dst []byte, f *engine.Feature) []byte {
	dst = append(dst, `{"id":`...)
	dst = strconv.AppendInt(dst, f.ID, 10)
	dst = append(dst, `,"name":`...)
	dst = pyjson.AppendString(dst, f.Name)
	if r.doc.Core {
		core := f.Core
		if r.doc.HideSensitiveData || core == nil {
			dst = append(dst, `,"created_date":null,"description":null,"initial_value":null,"default_enabled":null`...)
		} else {
			dst = append(dst, `,"created_date":"`...)
			dst = pyjson.AppendTime(dst, core.CreatedDate)
			dst = append(dst, `","description":`...)
			dst = appendOptional(dst, core.Description)
			dst = append(dst, `,"initial_value":`...)
			dst = appendOptional(dst, core.InitialValue)
			dst = append(dst, `,"default_enabled":`...)
			dst = strconv.AppendBool(dst, core.DefaultEnabled)
		}
	}
	dst = append(dst, `,"type":`...)
	dst = pyjson.AppendString(dst, f.Type)
	return append(dst, '}')
}

// appendFlag renders one outcome. A flag of an identity also tells its variant; GET flags/ does not.
func (r *renderer) appendFlag(dst []byte, o *engine.Outcome, forIdentity bool) []byte {
	if !r.doc.Core {
		return r.appendSlimFlag(dst, o)
	}
	if r.doc.HideSensitiveData {
		dst = append(dst, `{"id":null`...)
	} else {
		dst = append(dst, `{"id":`...)
		dst = strconv.AppendInt(dst, o.State.RowID, 10)
	}
	dst = append(dst, `,"feature":`...)
	dst = append(dst, r.features[o.Feature]...)
	dst = append(dst, `,"feature_state_value":`...)
	dst = appendJSON(dst, o.Value)
	dst = append(dst, `,"environment":`...)
	if r.doc.HideSensitiveData {
		dst = append(dst, `null,"identity":null,"feature_segment":null`...)
	} else {
		dst = strconv.AppendInt(dst, r.doc.ID, 10)
		dst = append(dst, `,"identity":`...)
		if o.Identity != nil {
			dst = strconv.AppendInt(dst, o.Identity.IdentityID, 10)
		} else {
			dst = append(dst, "null"...)
		}
		dst = append(dst, `,"feature_segment":`...)
		if o.State.FeatureSegment != nil {
			dst = strconv.AppendInt(dst, o.State.FeatureSegment.ID, 10)
		} else {
			dst = append(dst, "null"...)
		}
	}
	dst = append(dst, `,"enabled":`...)
	dst = strconv.AppendBool(dst, o.Enabled)
	if forIdentity {
		dst = append(dst, `,"variant":`...)
		dst = r.appendVariant(dst, o)
	}
	return append(dst, '}')
}

// appendSlimFlag renders the shape of the Edge Proxy, for a document that has no more.
func (r *renderer) appendSlimFlag(dst []byte, o *engine.Outcome) []byte {
	dst = append(dst, `{"feature":`...)
	dst = append(dst, r.features[o.Feature]...)
	dst = append(dst, `,"enabled":`...)
	dst = strconv.AppendBool(dst, o.Enabled)
	dst = append(dst, `,"feature_state_value":`...)
	dst = appendJSON(dst, o.Value)
	return append(dst, '}')
}

// appendVariant renders the key of the variant that was hit (null when the option has none), "control" for a multivariate
// feature without a hit, and null for any other.
func (r *renderer) appendVariant(dst []byte, o *engine.Outcome) []byte {
	switch {
	case o.Hit:
		return appendOptional(dst, o.Variant)
	case r.doc.FeatureStates[o.Feature].Feature.Type == "MULTIVARIATE":
		return append(dst, `"control"`...)
	}
	return append(dst, "null"...)
}

func appendOptional(dst []byte, s *string) []byte {
	if s == nil {
		return append(dst, "null"...)
	}
	return pyjson.AppendString(dst, *s)
}

func appendJSON(dst, raw []byte) []byte {
	if len(raw) == 0 {
		return append(dst, "null"...)
	}
	return pyjson.AppendCompact(dst, raw)
}
