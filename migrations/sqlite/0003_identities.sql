-- +goose Up

CREATE TABLE identities (
	id              INTEGER PRIMARY KEY AUTOINCREMENT,
	uuid            TEXT NOT NULL UNIQUE, -- the identity's name in the edge API
	environment_id  INTEGER NOT NULL REFERENCES environments (id) ON DELETE CASCADE,
	identifier      TEXT NOT NULL,
	lookup_key      TEXT NOT NULL, -- stands for identifier, which may be longer than an index of Postgres takes
	dashboard_alias TEXT,
	created_date    INTEGER NOT NULL,
	version         INTEGER NOT NULL, -- one more with every change of the identity or its traits
	UNIQUE (environment_id, lookup_key)
);

CREATE TABLE traits (
	id            INTEGER PRIMARY KEY AUTOINCREMENT,
	identity_id   INTEGER NOT NULL REFERENCES identities (id) ON DELETE CASCADE,
	trait_key     TEXT NOT NULL,
	value_type    TEXT NOT NULL CHECK (value_type IN ('unicode', 'int', 'bool', 'float')), -- which value column counts
	string_value  TEXT,
	integer_value INTEGER,
	boolean_value BOOLEAN,
	float_value   DOUBLE PRECISION,
	created_date  INTEGER NOT NULL,
	UNIQUE (identity_id, trait_key) -- also finds the traits of an identity
);

-- +goose Down

DROP TABLE traits;
DROP TABLE identities;
