package store

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"time"

	"golang.org/x/crypto/bcrypt"
)

// User is an account of the admin API. It carries no secret.
type User struct {
	ID         int64
	UUID       string
	Email      string
	FirstName  string
	LastName   string
	Active     bool // an inactive user must not be let in
	Staff      bool
	Superuser  bool
	DateJoined time.Time
	LastLogin  *time.Time // nil: never
}

// NewUser describes an account.
type NewUser struct {
	Email     string // unique whatever its case
	Password  string // "": nobody can log in with a password
	FirstName string
	LastName  string
	Staff     bool
	Superuser bool
}

const userColumns = `id, uuid, email, first_name, last_name, is_active, is_staff, is_superuser, date_joined, last_login`

func (u *User) columns() []any {
	return []any{&u.ID, &u.UUID, &u.Email, &u.FirstName, &u.LastName, &u.Active, &u.Staff, &u.Superuser,
		moment{&u.DateJoined}, optionalMoment{&u.LastLogin}}
}

const insertUser = `
	INSERT INTO users (uuid, email, first_name, last_name, password_hash, is_active, is_staff, is_superuser, date_joined)
	VALUES ($1, $2, $3, $4, $5, TRUE, $6, $7, $8)
	RETURNING ` + userColumns

// CreateUser adds an active account. ErrConflict: the address is taken.
func (s *Store) CreateUser(ctx context.Context, p NewUser) (User, error) {
	hash, err := s.hashPassword(p.Password) // outside the transaction: it takes long on purpose
	if err != nil {
		return User{}, fmt.Errorf("create user: %w", err)
	}
	var u User
	err = s.inTx(ctx, func(t *tx) error {
		u, err = t.createUser(ctx, p, hash)
		return err
	})
	return u, err
}

func (t *tx) createUser(ctx context.Context, p NewUser, hash string) (User, error) {
	if err := checkEmail(p.Email); err != nil {
		return User{}, err
	}
	var u User
	err := t.QueryRowContext(ctx, insertUser, newUUID(), p.Email, p.FirstName, p.LastName, hash, p.Staff, p.Superuser, t.now).
		Scan(u.columns()...)
	if err != nil {
		return User{}, fmt.Errorf("create user: %w", mapErr(ctx, err))
	}
	return u, nil
}

// maxEmailChars is the longest address that mail can be sent to (RFC 5321).
const maxEmailChars = 254

func checkEmail(email string) error {
	if !strings.Contains(email, "@") {
		return fmt.Errorf("%w: e-mail address lacks an @", ErrInvalid)
	}
	return checkText("e-mail address", email, 3, maxEmailChars)
}

const selectUserByEmail = `
	SELECT ` + userColumns + `, password_hash
	FROM users
	WHERE lower(email) = lower($1)`

// CheckPassword returns the user with this address, whatever its case, if the password is right. ErrNotFound: there is no
// such user or the password is wrong, which take equally long. Whether the user is active is for the caller to look at.
func (s *Store) CheckPassword(ctx context.Context, email, password string) (User, error) {
	var (
		u    User
		hash string
	)
	if checkEmail(email) == nil {
		err := mapErr(ctx, s.read.QueryRowContext(ctx, selectUserByEmail, email).Scan(append(u.columns(), &hash)...))
		if err != nil && !errors.Is(err, ErrNotFound) {
			return User{}, fmt.Errorf("check password: %w", err)
		}
	}
	if hash == "" {
		// Work as hard as for a stored hash, or the time would tell which addresses have an account.
		if _, err := s.hashPassword(password + "."); err != nil {
			return User{}, fmt.Errorf("check password: %w", err)
		}
		return User{}, fmt.Errorf("check password: %w", ErrNotFound)
	}
	if bcrypt.CompareHashAndPassword([]byte(hash), digestPassword(password)) != nil {
		return User{}, fmt.Errorf("check password: %w", ErrNotFound)
	}
	return u, nil
}

// hashPassword returns what is stored for a password: nothing for none.
func (s *Store) hashPassword(password string) (string, error) {
	if password == "" {
		return "", nil
	}
	hash, err := bcrypt.GenerateFromPassword(digestPassword(password), s.cfg.PasswordCost)
	if err != nil {
		return "", fmt.Errorf("hash password: %w", err)
	}
	return string(hash), nil
}

// digestPassword lets a password have any length: bcrypt refuses more than 72 bytes and stops at a NUL, hence the text form.
func digestPassword(password string) []byte {
	sum := sha256.Sum256([]byte(password))
	return base64.StdEncoding.AppendEncode(nil, sum[:])
}

const insertToken = `
	INSERT INTO user_tokens (token_hash, user_id, created_at)
	VALUES ($1, $2, $3)`

// CreateToken adds a token for a user and returns it: 40 hexadecimal digits, of which only a hash is kept. A user may have
// several, one for each place where they are logged in.
func (s *Store) CreateToken(ctx context.Context, userID int64) (string, error) {
	var token string
	err := s.inTx(ctx, func(t *tx) (err error) {
		token, err = t.createToken(ctx, userID)
		return err
	})
	return token, err
}

func (t *tx) createToken(ctx context.Context, userID int64) (string, error) {
	token := randomHex(20)
	if _, err := t.ExecContext(ctx, insertToken, hashToken(token), userID, t.now); err != nil {
		return "", fmt.Errorf("create token of user %d: %w", userID, mapErr(ctx, err))
	}
	return token, nil
}

const deleteToken = `
	DELETE FROM user_tokens
	WHERE token_hash = $1`

// DeleteToken ends a token. ErrNotFound: nobody has it.
func (s *Store) DeleteToken(ctx context.Context, token string) error {
	return s.inTx(ctx, func(t *tx) error {
		if err := execOne(ctx, t, deleteToken, hashToken(token)); err != nil {
			return fmt.Errorf("delete token: %w", err)
		}
		return nil
	})
}

const selectUserByToken = `
	SELECT ` + userColumns + `
	FROM users
	WHERE id = (SELECT user_id FROM user_tokens WHERE token_hash = $1)`

// UserByToken returns the user to whom a token was given. ErrNotFound: nobody has it.
func (s *Store) UserByToken(ctx context.Context, token string) (User, error) {
	var u User
	// Looking up the hash leaks no more through its timing than the hash of a guess.
	if err := s.read.QueryRowContext(ctx, selectUserByToken, hashToken(token)).Scan(u.columns()...); err != nil {
		return User{}, fmt.Errorf("user by token: %w", mapErr(ctx, err))
	}
	return u, nil
}

// hashToken needs no salt and no effort: a token has 160 random bits.
func hashToken(token string) string {
	sum := sha256.Sum256([]byte(token))
	return hex.EncodeToString(sum[:])
}

func randomHex(numBytes int) string {
	b := make([]byte, numBytes)
	rand.Read(b)
	return hex.EncodeToString(b)
}

// Role is what a user may do in an organisation.
type Role string

// The roles of members.
const (
	RoleAdmin Role = "ADMIN"
	RoleUser  Role = "USER"
)

const insertMember = `
	INSERT INTO organisation_members (user_id, organisation_id, role, date_joined)
	VALUES ($1, $2, $3, $4)`

// AddMember makes a user a member of an organisation. ErrConflict: they are one already.
func (s *Store) AddMember(ctx context.Context, organisationID, userID int64, role Role) error {
	return s.inTx(ctx, func(t *tx) error { return t.addMember(ctx, organisationID, userID, role) })
}

func (t *tx) addMember(ctx context.Context, organisationID, userID int64, role Role) error {
	if _, err := t.ExecContext(ctx, insertMember, userID, organisationID, string(role), t.now); err != nil {
		return fmt.Errorf("add user %d to organisation %d: %w", userID, organisationID, mapErr(ctx, err))
	}
	return nil
}

const (
	countUsers         = `SELECT COUNT(*) FROM users`
	countOrganisations = `SELECT COUNT(*) FROM organisations`
	countProjects      = `SELECT COUNT(*) FROM projects`
)

// CountUsers returns how many accounts there are.
func (s *Store) CountUsers(ctx context.Context) (int64, error) {
	return count(ctx, s.read, "users", countUsers)
}

// CountOrganisations returns how many organisations there are.
func (s *Store) CountOrganisations(ctx context.Context) (int64, error) {
	return count(ctx, s.read, "organisations", countOrganisations)
}

// CountProjects returns how many projects there are.
func (s *Store) CountProjects(ctx context.Context) (int64, error) {
	return count(ctx, s.read, "projects", countProjects)
}

func count(ctx context.Context, q querier, what, query string) (n int64, err error) {
	if err := q.QueryRowContext(ctx, query).Scan(&n); err != nil {
		return 0, fmt.Errorf("count %s: %w", what, mapErr(ctx, err))
	}
	return n, nil
}
