package store

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"

	"github.com/flagstaff-io/flagstaff/evaluator/flagsmith"
)

// storedRule is one rule in the JSON of segments.rules. The names are those of the admin API, which differ from those of
// documents: ids show, and a condition's property has no underscore.
type storedRule struct {
	ID         int64             `json:"id"`
	Type       string            `json:"type"`
	Rules      []storedRule      `json:"rules"`
	Conditions []storedCondition `json:"conditions"`
}

type storedCondition struct {
	ID          int64           `json:"id"`
	Operator    string          `json:"operator"`
	Property    *string         `json:"property"`
	Value       json.RawMessage `json:"value"`
	Description *string         `json:"description,omitempty"`
}

// encodeRules gives rules the ids they need and returns the JSON to store.
func (t *tx) encodeRules(ctx context.Context, rules []flagsmith.Rule) (string, error) {
	stored, numRules, numConditions := toStoredRules(rules)
	ruleID, err := t.allocateIDs(ctx, "segment_rule", numRules)
	if err != nil {
		return "", err
	}
	conditionID, err := t.allocateIDs(ctx, "segment_condition", numConditions)
	if err != nil {
		return "", err
	}
	numberRules(stored, &ruleID, &conditionID)

	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(stored); err != nil {
		return "", fmt.Errorf("%w: rules: %w", ErrInvalid, err)
	}
	return string(bytes.TrimSpace(b.Bytes())), nil
}

const allocateIDs = `
	UPDATE id_counters
	SET last_id = last_id + $2
	WHERE name = $1
	RETURNING last_id - $2 + 1`

// allocateIDs returns the first of n ids that nobody else gets.
func (t *tx) allocateIDs(ctx context.Context, counter string, n int64) (int64, error) {
	var first int64
	if err := t.QueryRowContext(ctx, allocateIDs, counter, n).Scan(&first); err != nil {
		return 0, fmt.Errorf("allocate ids of %s: %w", counter, mapErr(ctx, err))
	}
	return first, nil
}

func toStoredRules(rules []flagsmith.Rule) (stored []storedRule, numRules, numConditions int64) {
	stored = make([]storedRule, len(rules))
	for i, r := range rules {
		sub, subRules, subConditions := toStoredRules(r.Rules)
		stored[i] = storedRule{Type: r.Type, Rules: sub, Conditions: make([]storedCondition, len(r.Conditions))}
		for j, c := range r.Conditions {
			stored[i].Conditions[j] = storedCondition{Operator: c.Operator, Property: c.Property, Value: c.Value}
		}
		numRules += 1 + subRules
		numConditions += int64(len(r.Conditions)) + subConditions
	}
	return stored, numRules, numConditions
}

func numberRules(rules []storedRule, ruleID, conditionID *int64) {
	for i := range rules {
		rules[i].ID = *ruleID
		*ruleID++
		for j := range rules[i].Conditions {
			rules[i].Conditions[j].ID = *conditionID
			*conditionID++
		}
		numberRules(rules[i].Rules, ruleID, conditionID)
	}
}

// decodeRules reads what encodeRules stored into the form of documents. No list in the result is nil: SDKs need arrays.
func decodeRules(text string) ([]flagsmith.Rule, error) {
	var stored []storedRule
	if err := json.Unmarshal([]byte(text), &stored); err != nil {
		return nil, fmt.Errorf("stored rules: %w", err)
	}
	return fromStoredRules(stored), nil
}

func fromStoredRules(stored []storedRule) []flagsmith.Rule {
	rules := make([]flagsmith.Rule, len(stored))
	for i, r := range stored {
		conditions := make([]flagsmith.Condition, len(r.Conditions))
		for j, c := range r.Conditions {
			if c.Value == nil {
				c.Value = json.RawMessage("null")
			}
			conditions[j] = flagsmith.Condition{Operator: c.Operator, Value: c.Value, Property: c.Property}
		}
		rules[i] = flagsmith.Rule{Type: r.Type, Rules: fromStoredRules(r.Rules), Conditions: conditions}
	}
	return rules
}
