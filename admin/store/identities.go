package store

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"fmt"

	"github.com/flagstaff-io/flagstaff/evaluator/flagsmith"
)

const selectIdentity = `
	SELECT i.id, i.version,
		t.id, t.trait_key, t.value_type, t.string_value, t.integer_value, t.boolean_value, t.float_value
	FROM identities i
	LEFT JOIN traits t ON t.identity_id = i.id
	WHERE i.environment_id = $1 AND i.lookup_key = $2
	ORDER BY t.id`

// maxPlainKeyBytes is the longest identifier that is its own lookup key. Postgres indexes 2,704 bytes; 2,000 characters may have
// 8,000.
const maxPlainKeyBytes = 500

// lookupKey stands for an identifier in the index: the identifier itself, or its SHA-256 if it is long. The first character keeps
// the two apart, so that no identifier can be made to pass for another.
func lookupKey(identifier string) string {
	if len(identifier) <= maxPlainKeyBytes {
		return "=" + identifier
	}
	sum := sha256.Sum256([]byte(identifier))
	return "#" + hex.EncodeToString(sum[:])
}

// Identity returns an identity with its traits, in one query and so as one moment saw it. ErrNotFound: it is not stored.
func (s *Store) Identity(ctx context.Context, environmentID int64, identifier string) (flagsmith.Identity, error) {
	id := flagsmith.Identity{Identifier: identifier}
	if checkText("identifier", identifier, 1, maxIdentifierChars) != nil {
		return flagsmith.Identity{}, fmt.Errorf("read identity in environment %d: %w", environmentID, ErrNotFound)
	}
	rows, err := s.read.QueryContext(ctx, selectIdentity, environmentID, lookupKey(identifier))
	if err == nil {
		err = scanAll(rows, func() error {
			var (
				traitID sql.NullInt64 // NULL when the identity has no trait
				key     sql.NullString
				value   valueColumns
			)
			err := rows.Scan(&id.ID, &id.Version,
				&traitID, &key, &value.typ, &value.str, &value.integer, &value.boolean, &value.float)
			if err == nil && traitID.Valid {
				id.Traits = append(id.Traits, flagsmith.Trait{ID: traitID.Int64, Key: key.String, Value: value.value()})
			}
			return err
		})
	}
	if err == nil && id.ID == 0 {
		err = ErrNotFound
	}
	if err != nil {
		return flagsmith.Identity{}, fmt.Errorf("read identity in environment %d: %w", environmentID, mapErr(ctx, err))
	}
	return id, nil
}
