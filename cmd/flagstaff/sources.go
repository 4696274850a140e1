package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/flagstaff-io/flagstaff/admin/store"
	"github.com/flagstaff-io/flagstaff/cachetier"
	sdk "github.com/flagstaff-io/flagstaff/proxy/flagsmith"
	"github.com/flagstaff-io/flagstaff/proxy/usage"
)

// The front tier and the store do not know each other. These few adapters are all that stands between them.

// loadEnvironment reads an environment's document, unless the caller holds its newest version.
func loadEnvironment(st *store.Store) cachetier.Loader {
	return func(ctx context.Context, id string, have int64) (cachetier.Entry, error) {
		environmentID, err := strconv.ParseInt(id, 10, 64)
		if err != nil {
			return cachetier.Entry{}, fmt.Errorf("environment id %q: %w", id, cachetier.ErrNotFound)
		}
		if have > 0 {
			version, err := st.DocumentVersion(ctx, environmentID)
			if err != nil {
				return cachetier.Entry{}, notFound(err)
			}
			if version == have {
				return cachetier.Entry{}, cachetier.ErrNotModified
			}
		}
		doc, err := st.BuildDocument(ctx, environmentID)
		if err != nil {
			return cachetier.Entry{}, notFound(err)
		}
		body, err := json.Marshal(doc)
		if err != nil {
			return cachetier.Entry{}, fmt.Errorf("encode document of environment %d: %w", environmentID, err)
		}
		return cachetier.Entry{Body: body, Version: doc.Version, ModifiedAt: doc.UpdatedAt}, nil
	}
}

// loadKey reads an SDK key. A key's row has no version: the moment of the reading is one, since a later reading is newer.
func loadKey(st *store.Store) cachetier.Loader {
	return func(ctx context.Context, id string, _ int64) (cachetier.Entry, error) {
		read := time.Now()
		key, err := st.LookupKey(ctx, id)
		if err != nil {
			return cachetier.Entry{}, notFound(err)
		}
		body, err := json.Marshal(sdk.Key{EnvironmentID: key.EnvironmentID, Server: key.Server, Active: key.Active, ExpiresAt: key.ExpiresAt})
		if err != nil {
			return cachetier.Entry{}, fmt.Errorf("encode SDK key: %w", err)
		}
		return cachetier.Entry{Body: body, Version: read.UnixNano(), ModifiedAt: read}, nil
	}
}

// loadIdentity reads an identity and its traits.
func loadIdentity(st *store.Store) cachetier.Loader {
	return func(ctx context.Context, id string, have int64) (cachetier.Entry, error) {
		environmentID, identifier, ok := sdk.SplitIdentityCacheID(id)
		if !ok {
			return cachetier.Entry{}, cachetier.ErrNotFound
		}
		identity, err := st.Identity(ctx, environmentID, identifier)
		if err != nil {
			return cachetier.Entry{}, notFound(err)
		}
		if identity.Version == have {
			return cachetier.Entry{}, cachetier.ErrNotModified
		}
		return sdk.EncodeIdentity(identity)
	}
}

func notFound(err error) error {
	if errors.Is(err, store.ErrNotFound) {
		return fmt.Errorf("%w: %w", cachetier.ErrNotFound, err)
	}
	return err
}

// traitWriter gives the front tier's writes to the store's group commit.
type traitWriter struct{ writer *store.IdentityWriter }

func (t traitWriter) Write(ctx context.Context, w sdk.TraitWrite) (sdk.TraitResult, error) {
	write := store.IdentityWrite{
		EnvironmentID: w.EnvironmentID,
		Identifier:    w.Identifier,
		Create:        true,
		Replace:       w.Replace,
		Delete:        w.Delete,
		Set:           w.Set,
	}
	if w.Increment != nil {
		write.Increment = &store.Increment{Key: w.Increment.Key, By: w.Increment.By}
	}
	result, err := t.writer.Write(ctx, write)
	switch {
	case err == nil:
		return sdk.TraitResult{Identity: result.Identity, Before: result.Before, Value: result.Value}, nil
	case errors.Is(err, store.ErrNotInteger):
		return sdk.TraitResult{}, sdk.ErrNotInteger
	case errors.Is(err, store.ErrOverflow):
		return sdk.TraitResult{}, sdk.ErrOutOfRange
	}
	return sdk.TraitResult{}, fmt.Errorf("%w: %w", sdk.ErrUnavailable, err)
}

// evaluationSink stores what SDKs report about their use of flags.
type evaluationSink struct{ store *store.Store }

func (s evaluationSink) AddEvaluations(ctx context.Context, sums []usage.Evaluation) error {
	rows := make([]store.FeatureEvaluation, len(sums))
	for i, e := range sums {
		rows[i] = store.FeatureEvaluation{EnvironmentID: e.EnvironmentID, Feature: e.Feature, Day: e.Day, Count: e.Count}
	}
	return s.store.AddFeatureEvaluations(ctx, rows)
}
