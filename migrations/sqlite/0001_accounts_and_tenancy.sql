-- +goose Up

-- AUTOINCREMENT, because without it the id of the newest row is given out again once that row is deleted, and ids seed the
-- choice of variants.
--
-- Moments (…_at, …_date, date_joined, last_login, live_from) are INTEGER microseconds since 1970 in UTC: they come back as
-- the exact instant that was stored, with the precision that Postgres has, and sort as numbers. Text would need one
-- agreed layout to compare, and SQLite's own date functions stop at milliseconds.

CREATE TABLE site (
	id     INTEGER PRIMARY KEY CHECK (id = 1), -- one row: the installation's own name and address
	name   TEXT NOT NULL,
	domain TEXT NOT NULL
);

CREATE TABLE users (
	id            INTEGER PRIMARY KEY AUTOINCREMENT,
	uuid          TEXT NOT NULL UNIQUE,
	email         TEXT NOT NULL,
	username      TEXT UNIQUE,
	first_name    TEXT NOT NULL,
	last_name     TEXT NOT NULL,
	password_hash TEXT NOT NULL, -- bcrypt; empty: no password can match
	is_active     BOOLEAN NOT NULL,
	is_staff      BOOLEAN NOT NULL,
	is_superuser  BOOLEAN NOT NULL,
	sign_up_type  TEXT,
	onboarding    TEXT,          -- JSON as the dashboard sent it; never queried into
	date_joined   INTEGER NOT NULL,
	last_login    INTEGER
);

-- Logging in finds the user whatever the case of the address, and two accounts must not differ in case alone.
CREATE UNIQUE INDEX users_email ON users (lower(email));

CREATE TABLE user_tokens (
	token_hash TEXT PRIMARY KEY, -- hex SHA-256: a copy of the table lets nobody in
	user_id    INTEGER NOT NULL REFERENCES users (id) ON DELETE CASCADE,
	created_at INTEGER NOT NULL
);

-- Logging out everywhere and deleting a user find the tokens by user.
CREATE INDEX user_tokens_user ON user_tokens (user_id);

CREATE TABLE organisations (
	id                               INTEGER PRIMARY KEY AUTOINCREMENT,
	uuid                             TEXT NOT NULL UNIQUE,
	name                             TEXT NOT NULL,
	webhook_notification_email       TEXT,
	force_2fa                        BOOLEAN NOT NULL,
	restrict_project_create_to_admin BOOLEAN NOT NULL,
	block_access_to_admin            BOOLEAN NOT NULL,
	persist_trait_data               BOOLEAN NOT NULL,
	stop_serving_flags               BOOLEAN NOT NULL,
	feature_analytics                BOOLEAN NOT NULL,
	created_date                     INTEGER NOT NULL
);

CREATE TABLE organisation_members (
	user_id         INTEGER NOT NULL REFERENCES users (id) ON DELETE CASCADE,
	organisation_id INTEGER NOT NULL REFERENCES organisations (id) ON DELETE CASCADE,
	role            TEXT NOT NULL CHECK (role IN ('ADMIN', 'USER')),
	date_joined     INTEGER NOT NULL,
	PRIMARY KEY (user_id, organisation_id)
);

-- The primary key begins with the user; the members of an organisation are listed by this one.
CREATE INDEX organisation_members_organisation ON organisation_members (organisation_id);

CREATE TABLE projects (
	id                                  INTEGER PRIMARY KEY AUTOINCREMENT,
	uuid                                TEXT NOT NULL UNIQUE,
	organisation_id                     INTEGER NOT NULL REFERENCES organisations (id) ON DELETE CASCADE,
	name                                TEXT NOT NULL,
	hide_disabled_flags                 BOOLEAN NOT NULL,
	prevent_flag_defaults               BOOLEAN NOT NULL,
	enable_realtime_updates             BOOLEAN NOT NULL,
	only_allow_lower_case_feature_names BOOLEAN NOT NULL,
	feature_name_regex                  TEXT,
	enforce_feature_owners              BOOLEAN NOT NULL,
	stale_flags_limit_days              INTEGER NOT NULL,
	minimum_change_request_approvals    INTEGER,
	max_segments                        INTEGER NOT NULL,
	max_features                        INTEGER NOT NULL,
	max_segment_overrides               INTEGER NOT NULL,
	created_date                        INTEGER NOT NULL,
	UNIQUE (organisation_id, name) -- also lists the projects of an organisation
);

CREATE TABLE environments (
	id                                     INTEGER PRIMARY KEY AUTOINCREMENT,
	uuid                                   TEXT NOT NULL UNIQUE,
	project_id                             INTEGER NOT NULL REFERENCES projects (id) ON DELETE CASCADE,
	name                                   TEXT NOT NULL,
	api_key                                TEXT NOT NULL UNIQUE, -- the client-side key; found by it on every cold request
	description                            TEXT,
	allow_client_traits                    BOOLEAN NOT NULL,
	banner_text                            TEXT,
	banner_colour                          TEXT,
	hide_disabled_flags                    BOOLEAN, -- NULL: as the project says
	hide_sensitive_data                    BOOLEAN NOT NULL,
	use_identity_composite_key_for_hashing BOOLEAN NOT NULL,
	use_identity_overrides_in_local_eval   BOOLEAN NOT NULL,
	minimum_change_request_approvals       INTEGER,
	is_creating                            BOOLEAN NOT NULL,
	created_date                           INTEGER NOT NULL,
	updated_at                             INTEGER NOT NULL, -- of the document: strictly increases with version
	version                                INTEGER NOT NULL       -- of the document: one more with every change of it
);

-- A change of a project or a feature touches all environments of the project. Names may repeat (clones), so not UNIQUE.
CREATE INDEX environments_project ON environments (project_id);

CREATE TABLE environment_api_keys (
	id             INTEGER PRIMARY KEY AUTOINCREMENT,
	environment_id INTEGER NOT NULL REFERENCES environments (id) ON DELETE CASCADE,
	key            TEXT NOT NULL UNIQUE, -- in the clear: the API shows it on every list
	name           TEXT NOT NULL,
	active         BOOLEAN NOT NULL,
	expires_at     INTEGER,
	created_at     INTEGER NOT NULL
);

-- The keys of an environment are listed, and deleted with it.
CREATE INDEX environment_api_keys_environment ON environment_api_keys (environment_id);

-- Client-side keys of deleted environments. They are built into shipped applications, so none is ever issued again.
CREATE TABLE retired_keys (
	key        TEXT PRIMARY KEY,
	retired_at INTEGER NOT NULL
);

-- +goose Down

DROP TABLE retired_keys;
DROP TABLE environment_api_keys;
DROP TABLE environments;
DROP TABLE projects;
DROP TABLE organisation_members;
DROP TABLE organisations;
DROP TABLE user_tokens;
DROP TABLE users;
DROP TABLE site;
