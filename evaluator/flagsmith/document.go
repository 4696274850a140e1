package flagsmith

import (
	"encoding/json"
	"time"
)

// Document is one environment as Flagstaff keeps it in its tiers: the public environment document of Flagsmith and, beside
// it, what the core API's answers show and the public document lacks ("core" fields, absent from a document that came
// from an upstream). Its JSON is the body of a cache entry; AppendPublic renders what SDKs may see.
//
// Unknown keys are ignored and missing ones are zero, so that documents of older and newer servers load.
type Document struct {
	ID                                int64              `json:"id"`
	APIKey                            string             `json:"api_key"` // the client-side key
	Project                           Project            `json:"project"`
	FeatureStates                     []FeatureState     `json:"feature_states"`
	IdentityOverrides                 []IdentityOverride `json:"identity_overrides"`
	Name                              string             `json:"name"`
	AllowClientTraits                 bool               `json:"allow_client_traits"`
	UpdatedAt                         time.Time          `json:"updated_at"`
	HideSensitiveData                 bool               `json:"hide_sensitive_data"`
	HideDisabledFlags                 *bool              `json:"hide_disabled_flags"` // nil: as the project says
	UseIdentityCompositeKeyForHashing bool               `json:"use_identity_composite_key_for_hashing"`
	UseIdentityOverridesInLocalEval   bool               `json:"use_identity_overrides_in_local_eval"`

	// Core says that the core fields below and in Feature, FeatureState and FeatureSegment are filled. A document without
	// it is answered in the shape of the Edge Proxy.
	Core bool `json:"core,omitempty"`
	// Version grows with every change of the document. Zero in a document from an upstream.
	Version int64 `json:"version,omitempty"`
}

// Project is the part of a project that its environments' documents carry.
type Project struct {
	ID                     int64        `json:"id"`
	Name                   string       `json:"name"`
	Organisation           Organisation `json:"organisation"`
	HideDisabledFlags      bool         `json:"hide_disabled_flags"`
	Segments               []Segment    `json:"segments"` // by id
	EnableRealtimeUpdates  bool         `json:"enable_realtime_updates"`
	ServerKeyOnlyFeatureID []int64      `json:"server_key_only_feature_ids"`
}

// Organisation is the part of an organisation that documents carry.
type Organisation struct {
	ID               int64  `json:"id"`
	Name             string `json:"name"`
	FeatureAnalytics bool   `json:"feature_analytics"`
	StopServingFlags bool   `json:"stop_serving_flags"`
	PersistTraitData bool   `json:"persist_trait_data"`
}

// Segment is a named set of identities and the overrides that it brings in this environment.
type Segment struct {
	ID            int64          `json:"id"`
	Name          string         `json:"name"`
	Rules         []Rule         `json:"rules"`
	FeatureStates []FeatureState `json:"feature_states"`
	Description   *string        `json:"description,omitempty"` // core
}

// Rule is true when its quantifier (ALL, ANY, NONE) holds over its conditions, and over its sub-rules.
type Rule struct {
	Type       string      `json:"type"`
	Rules      []Rule      `json:"rules"`
	Conditions []Condition `json:"conditions"`
}

// Condition compares one property of the context. Value is text whatever is compared, or a list of text for IN.
type Condition struct {
	Operator string          `json:"operator"`
	Value    json.RawMessage `json:"value"`     // a JSON string, null, or for IN an array
	Property *string         `json:"property_"` // nil and "" are the same
}

// Feature identifies a flag.
type Feature struct {
	ID   int64  `json:"id"`
	Name string `json:"name"`
	Type string `json:"type"` // STANDARD or MULTIVARIATE

	// Core is present on the environment's own feature states only.
	Core *FeatureCore `json:"core,omitempty"`
}

// FeatureCore is what the core API's answers tell about a feature beyond its name.
type FeatureCore struct {
	CreatedDate    time.Time `json:"created_date"`
	Description    *string   `json:"description"`
	InitialValue   *string   `json:"initial_value"`
	DefaultEnabled bool      `json:"default_enabled"`
}

// FeatureState is what a feature is in one environment: by default, for a segment, or for one identity.
type FeatureState struct {
	Feature Feature `json:"feature"`
	Enabled bool    `json:"enabled"`
	// HashingSeed ("django_id") seeds the choice of a variant. Zero or absent: UUID is the seed.
	HashingSeed    int64               `json:"django_id"`
	FeatureSegment *FeatureSegment     `json:"feature_segment"` // nil unless the state is a segment's override
	UUID           string              `json:"featurestate_uuid"`
	Value          json.RawMessage     `json:"feature_state_value"` // a JSON string, integer, boolean or null
	Variants       []MultivariateValue `json:"multivariate_feature_state_values"`

	// RowID is the id under which the core API shows the state. Zero in a document from an upstream.
	RowID int64 `json:"row_id,omitempty"`
}

// FeatureSegment links a feature state to its segment.
type FeatureSegment struct {
	Priority *float64 `json:"priority"`     // lower wins; nil is weakest
	ID       int64    `json:"id,omitempty"` // core: the link's own id
}

// MultivariateValue is one variant of a feature state with its share of identities in percent.
type MultivariateValue struct {
	Option     MultivariateOption `json:"multivariate_feature_option"`
	Allocation float64            `json:"percentage_allocation"`
	ID         int64              `json:"id"` // zero: UUID orders the variants
	UUID       string             `json:"mv_fs_value_uuid"`
}

// MultivariateOption is the value that a variant gives.
type MultivariateOption struct {
	Value json.RawMessage `json:"value"` // a JSON string, integer, boolean or null
	ID    int64           `json:"id"`
	Key   *string         `json:"key"`
}

// IdentityOverride holds the feature states of one identity that has states of its own.
type IdentityOverride struct {
	Identifier     string         `json:"identifier"`
	EnvironmentKey string         `json:"environment_api_key"`
	CreatedDate    time.Time      `json:"created_date"`
	Features       []FeatureState `json:"identity_features"`
	IdentityUUID   string         `json:"identity_uuid"`
	IdentityID     int64          `json:"django_id"` // zero in a document that does not know it
	DashboardAlias *string        `json:"dashboard_alias"`
	CompositeKey   string         `json:"composite_key"`
}
