package flagsmith

import (
	"math"
	"strconv"

	"github.com/flagstaff-io/flagstaff/evaluator/pyjson"
)

// AppendPublic renders the environment document that SDKs download, in the key order and the JSON dialect of Flagsmith's
// core API (spec/flagsmith-sdk-api.md, 2.8). Core fields are left out; identity overrides are left out where the
// environment keeps them from local evaluation. The same document always gives the same bytes.
func AppendPublic(dst []byte, d *Document) []byte {
	dst = append(dst, `{"id":`...)
	dst = strconv.AppendInt(dst, d.ID, 10)
	dst = append(dst, `,"api_key":`...)
	dst = pyjson.AppendString(dst, d.APIKey)
	dst = append(dst, `,"project":`...)
	dst = appendProject(dst, &d.Project)
	dst = append(dst, `,"feature_states":`...)
	dst = appendStates(dst, d.FeatureStates)
	dst = append(dst, `,"identity_overrides":[`...)
	if d.UseIdentityOverridesInLocalEval {
		for i := range d.IdentityOverrides {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = appendOverride(dst, &d.IdentityOverrides[i])
		}
	}
	dst = append(dst, `],"name":`...)
	dst = pyjson.AppendString(dst, d.Name)
	dst = append(dst, `,"allow_client_traits":`...)
	dst = strconv.AppendBool(dst, d.AllowClientTraits)
	dst = append(dst, `,"updated_at":"`...)
	dst = pyjson.AppendTimeOffset(dst, d.UpdatedAt)
	dst = append(dst, `","hide_sensitive_data":`...)
	dst = strconv.AppendBool(dst, d.HideSensitiveData)
	dst = append(dst, `,"hide_disabled_flags":`...)
	if d.HideDisabledFlags == nil {
		dst = append(dst, "null"...)
	} else {
		dst = strconv.AppendBool(dst, *d.HideDisabledFlags)
	}
	dst = append(dst, `,"use_identity_composite_key_for_hashing":`...)
	dst = strconv.AppendBool(dst, d.UseIdentityCompositeKeyForHashing)
	dst = append(dst, `,"use_identity_overrides_in_local_eval":`...)
	dst = strconv.AppendBool(dst, d.UseIdentityOverridesInLocalEval)
	return append(dst, '}')
}

func appendProject(dst []byte, p *Project) []byte {
	dst = append(dst, `{"id":`...)
	dst = strconv.AppendInt(dst, p.ID, 10)
	dst = append(dst, `,"name":`...)
	dst = pyjson.AppendString(dst, p.Name)
	dst = append(dst, `,"organisation":{"id":`...)
	dst = strconv.AppendInt(dst, p.Organisation.ID, 10)
	dst = append(dst, `,"name":`...)
	dst = pyjson.AppendString(dst, p.Organisation.Name)
	dst = append(dst, `,"feature_analytics":`...)
	dst = strconv.AppendBool(dst, p.Organisation.FeatureAnalytics)
	dst = append(dst, `,"stop_serving_flags":`...)
	dst = strconv.AppendBool(dst, p.Organisation.StopServingFlags)
	dst = append(dst, `,"persist_trait_data":`...)
	dst = strconv.AppendBool(dst, p.Organisation.PersistTraitData)
	dst = append(dst, `},"hide_disabled_flags":`...)
	dst = strconv.AppendBool(dst, p.HideDisabledFlags)
	dst = append(dst, `,"segments":[`...)
	for i := range p.Segments {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = appendSegment(dst, &p.Segments[i])
	}
	dst = append(dst, `],"enable_realtime_updates":`...)
	dst = strconv.AppendBool(dst, p.EnableRealtimeUpdates)
	dst = append(dst, `,"server_key_only_feature_ids":[`...)
	for i, id := range p.ServerKeyOnlyFeatureID {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = strconv.AppendInt(dst, id, 10)
	}
	return append(dst, "]}"...)
}

func appendSegment(dst []byte, s *Segment) []byte {
	dst = append(dst, `{"id":`...)
	dst = strconv.AppendInt(dst, s.ID, 10)
	dst = append(dst, `,"name":`...)
	dst = pyjson.AppendString(dst, s.Name)
	dst = append(dst, `,"rules":`...)
	dst = appendRules(dst, s.Rules)
	dst = append(dst, `,"feature_states":`...)
	dst = appendStates(dst, s.FeatureStates)
	return append(dst, '}')
}

// appendRules recurses as deep as the decoder let the document be nested.
func appendRules(dst []byte, rules []Rule) []byte {
	dst = append(dst, '[')
	for i := range rules {
		r := &rules[i]
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(dst, `{"type":`...)
		dst = pyjson.AppendString(dst, r.Type)
		dst = append(dst, `,"rules":`...)
		dst = appendRules(dst, r.Rules)
		dst = append(dst, `,"conditions":[`...)
		for j := range r.Conditions {
			c := &r.Conditions[j]
			if j > 0 {
				dst = append(dst, ',')
			}
			dst = append(dst, `{"operator":`...)
			dst = pyjson.AppendString(dst, c.Operator)
			dst = append(dst, `,"value":`...)
			dst = appendRaw(dst, c.Value)
			dst = append(dst, `,"property_":`...)
			dst = appendStringOrNull(dst, c.Property)
			dst = append(dst, '}')
		}
		dst = append(dst, "]}"...)
	}
	return append(dst, ']')
}

func appendStates(dst []byte, states []FeatureState) []byte {
	dst = append(dst, '[')
	for i := range states {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = appendState(dst, &states[i])
	}
	return append(dst, ']')
}

func appendState(dst []byte, s *FeatureState) []byte {
	dst = append(dst, `{"feature":{"id":`...)
	dst = strconv.AppendInt(dst, s.Feature.ID, 10)
	dst = append(dst, `,"name":`...)
	dst = pyjson.AppendString(dst, s.Feature.Name)
	dst = append(dst, `,"type":`...)
	dst = pyjson.AppendString(dst, s.Feature.Type)
	dst = append(dst, `},"enabled":`...)
	dst = strconv.AppendBool(dst, s.Enabled)
	dst = append(dst, `,"django_id":`...)
	dst = appendIDOrNull(dst, s.HashingSeed)
	dst = append(dst, `,"feature_segment":`...)
	if s.FeatureSegment == nil {
		dst = append(dst, "null"...)
	} else {
		dst = append(dst, `{"priority":`...)
		dst = appendPriority(dst, s.FeatureSegment.Priority)
		dst = append(dst, '}')
	}
	dst = append(dst, `,"featurestate_uuid":`...)
	dst = pyjson.AppendString(dst, s.UUID)
	dst = append(dst, `,"feature_state_value":`...)
	dst = appendRaw(dst, s.Value)
	dst = append(dst, `,"multivariate_feature_state_values":[`...)
	for i := range s.Variants {
		v := &s.Variants[i]
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(dst, `{"multivariate_feature_option":{"value":`...)
		dst = appendRaw(dst, v.Option.Value)
		dst = append(dst, `,"id":`...)
		dst = appendIDOrNull(dst, v.Option.ID)
		dst = append(dst, `,"key":`...)
		dst = appendStringOrNull(dst, v.Option.Key)
		dst = append(dst, `},"percentage_allocation":`...)
		dst = pyjson.AppendFloat(dst, v.Allocation)
		dst = append(dst, `,"id":`...)
		dst = appendIDOrNull(dst, v.ID)
		dst = append(dst, `,"mv_fs_value_uuid":`...)
		dst = pyjson.AppendString(dst, v.UUID)
		dst = append(dst, '}')
	}
	return append(dst, "]}"...)
}

func appendOverride(dst []byte, o *IdentityOverride) []byte {
	dst = append(dst, `{"identifier":`...)
	dst = pyjson.AppendString(dst, o.Identifier)
	dst = append(dst, `,"environment_api_key":`...)
	dst = pyjson.AppendString(dst, o.EnvironmentKey)
	dst = append(dst, `,"created_date":"`...)
	dst = pyjson.AppendTimeOffset(dst, o.CreatedDate)
	dst = append(dst, `","identity_features":`...)
	dst = appendStates(dst, o.Features)
	dst = append(dst, `,"identity_traits":[],"identity_uuid":`...)
	dst = pyjson.AppendString(dst, o.IdentityUUID)
	dst = append(dst, `,"django_id":`...)
	dst = appendIDOrNull(dst, o.IdentityID)
	dst = append(dst, `,"dashboard_alias":`...)
	dst = appendStringOrNull(dst, o.DashboardAlias)
	dst = append(dst, `,"composite_key":`...)
	dst = pyjson.AppendString(dst, o.CompositeKey)
	return append(dst, '}')
}

// appendRaw re-encodes JSON that the document keeps as it came; nothing at all is null.
func appendRaw(dst, raw []byte) []byte {
	if len(raw) == 0 {
		return append(dst, "null"...)
	}
	return pyjson.AppendCompact(dst, raw)
}

func appendIDOrNull(dst []byte, id int64) []byte {
	if id == 0 {
		return append(dst, "null"...)
	}
	return strconv.AppendInt(dst, id, 10)
}

func appendStringOrNull(dst []byte, s *string) []byte {
	if s == nil {
		return append(dst, "null"...)
	}
	return pyjson.AppendString(dst, *s)
}

// appendPriority writes whole numbers as integers: SDKs read them into one.
func appendPriority(dst []byte, p *float64) []byte {
	switch {
	case p == nil:
		return append(dst, "null"...)
	case *p == math.Trunc(*p) && math.Abs(*p) < 1<<53:
		return strconv.AppendInt(dst, int64(*p), 10)
	}
	return pyjson.AppendFloat(dst, *p)
}
