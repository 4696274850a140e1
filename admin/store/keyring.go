package store

import (
	"context"
	"crypto/rand"
	"database/sql"
	"encoding/hex"
	"fmt"
	"math/big"
	"strings"
	"time"
)

// serverPrefix begins every server-side key and no client-side one.
const serverPrefix = "ser."

// maxKeyChars is the longest key of either kind.
const maxKeyChars = 100

// Key is what an SDK's key stands for.
type Key struct {
	EnvironmentID int64
	// Server says that it is a server-side key.
	Server bool
	// Active is always true for a client-side key.
	Active bool
	// ExpiresAt is the moment from which the key no longer works. Nil: never. The caller compares: answers of LookupKey are
	// kept for a while.
	ExpiresAt *time.Time
}

const (
	selectClientKey = `
	SELECT id
	FROM environments
	WHERE api_key = $1`

	selectServerKey = `
	SELECT environment_id, active, expires_at
	FROM environment_api_keys
	WHERE key = $1`
)

// LookupKey finds the environment of a client-side or a server-side key, ErrNotFound if nobody has the key. Keys that are
// inactive or have expired are found and say so.
func (s *Store) LookupKey(ctx context.Context, key string) (Key, error) {
	if checkText("key", key, 1, maxKeyChars) != nil {
		return Key{}, fmt.Errorf("look up key: %w", ErrNotFound) // nobody can have it, and Postgres would refuse a NUL
	}
	var (
		k   Key
		err error
	)
	if k.Server = strings.HasPrefix(key, serverPrefix); k.Server {
		err = s.read.QueryRowContext(ctx, selectServerKey, key).Scan(&k.EnvironmentID, &k.Active, optionalMoment{&k.ExpiresAt})
	} else {
		k.Active = true
		err = s.read.QueryRowContext(ctx, selectClientKey, key).Scan(&k.EnvironmentID)
	}
	if err != nil {
		return Key{}, fmt.Errorf("look up key: %w", mapErr(ctx, err)) // without the key: this may be logged
	}
	return k, nil
}

// NewServerKey describes a server-side key.
type NewServerKey struct {
	EnvironmentID int64
	Name          string
	Key           string     // with its prefix. "": a random one
	Inactive      bool       // the key is created but does not work yet
	ExpiresAt     *time.Time // nil: never
}

// ServerKey is a server-side key as it was created.
type ServerKey struct {
	ID  int64
	Key string
}

const insertServerKey = `
	INSERT INTO environment_api_keys (environment_id, key, name, active, expires_at, created_at)
	VALUES ($1, $2, $3, $4, $5, $6)
	RETURNING id`

// CreateServerKey adds a server-side key to an environment. ErrNotFound: no such environment; ErrConflict: the key is taken;
// ErrInvalid: it lacks the prefix or is too long. Documents do not change.
func (s *Store) CreateServerKey(ctx context.Context, p NewServerKey) (ServerKey, error) {
	var k ServerKey
	err := s.inTx(ctx, func(t *tx) (err error) {
		k, err = t.createServerKey(ctx, p)
		return err
	})
	return k, err
}

func (t *tx) createServerKey(ctx context.Context, p NewServerKey) (ServerKey, error) {
	if p.Key == "" {
		p.Key = serverPrefix + newKey()
	}
	if !strings.HasPrefix(p.Key, serverPrefix) {
		return ServerKey{}, fmt.Errorf("%w: a server-side key begins with %q", ErrInvalid, serverPrefix)
	}
	if err := checkText("key", p.Key, len(serverPrefix)+1, maxKeyChars); err != nil {
		return ServerKey{}, err
	}
	k := ServerKey{Key: p.Key}
	err := t.QueryRowContext(ctx, insertServerKey, p.EnvironmentID, p.Key, p.Name, !p.Inactive, timeOrNull(p.ExpiresAt), t.now).
		Scan(&k.ID)
	if err != nil {
		return ServerKey{}, fmt.Errorf("create server-side key in environment %d: %w", p.EnvironmentID, mapErr(ctx, err))
	}
	return k, nil
}

const updateServerKey = `
	UPDATE environment_api_keys
	SET active = $2, expires_at = $3
	WHERE id = $1`

// SetServerKey switches a server-side key on or off and sets when it expires (nil: never).
func (s *Store) SetServerKey(ctx context.Context, id int64, active bool, expiresAt *time.Time) error {
	return s.inTx(ctx, func(t *tx) error {
		if err := execOne(ctx, t, updateServerKey, id, active, timeOrNull(expiresAt)); err != nil {
			return fmt.Errorf("set server-side key %d: %w", id, err)
		}
		return nil
	})
}

// keyAlphabet leaves out what is easily mistaken for something else.
const keyAlphabet = "23456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"

// newKey returns 128 random bits as 22 characters, the form in which Flagsmith writes UUIDs as keys.
func newKey() string {
	var id [16]byte
	rand.Read(id[:]) // never fails: it crashes the program instead
	n, base, digit := new(big.Int).SetBytes(id[:]), big.NewInt(int64(len(keyAlphabet))), new(big.Int)
	key := make([]byte, 22)
	for i := len(key) - 1; i >= 0; i-- {
		n.DivMod(n, base, digit)
		key[i] = keyAlphabet[digit.Int64()]
	}
	return string(key)
}

// newUUID returns a random (version 4) UUID.
func newUUID() string {
	var u [16]byte
	rand.Read(u[:])
	u[6], u[8] = u[6]&0x0f|0x40, u[8]&0x3f|0x80
	h := hex.EncodeToString(u[:])
	return h[:8] + "-" + h[8:12] + "-" + h[12:16] + "-" + h[16:20] + "-" + h[20:]
}

// timeOrNull is the argument for a moment that may be NULL, with the precision that both databases keep.
func timeOrNull(t *time.Time) any {
	if t == nil {
		return nil
	}
	return t.UTC().Truncate(time.Microsecond)
}

// optionalMoment reads a moment that may be NULL.
type optionalMoment struct{ t **time.Time }

// Scan implements sql.Scanner.
func (m optionalMoment) Scan(src any) error {
	if *m.t = nil; src == nil {
		return nil
	}
	*m.t = new(time.Time)
	return moment{*m.t}.Scan(src)
}

var _, _ sql.Scanner = moment{}, optionalMoment{}
