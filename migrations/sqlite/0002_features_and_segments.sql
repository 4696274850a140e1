-- +goose Up

CREATE TABLE features (
	id                 INTEGER PRIMARY KEY AUTOINCREMENT,
	uuid               TEXT NOT NULL UNIQUE,
	project_id         INTEGER NOT NULL REFERENCES projects (id) ON DELETE CASCADE,
	name               TEXT NOT NULL,
	type               TEXT NOT NULL CHECK (type IN ('STANDARD', 'MULTIVARIATE')),
	initial_value      TEXT,
	description        TEXT,
	default_enabled    BOOLEAN NOT NULL,
	is_archived        BOOLEAN NOT NULL,
	is_server_key_only BOOLEAN NOT NULL,
	created_date       INTEGER NOT NULL
);

-- Names are unique in a project whatever their case (here of ASCII letters: SQLite folds no others); the API finds features
-- by name in the same way.
CREATE UNIQUE INDEX features_name ON features (project_id, lower(name));

CREATE TABLE mv_options (
	id                            INTEGER PRIMARY KEY AUTOINCREMENT,
	uuid                          TEXT NOT NULL UNIQUE,
	feature_id                    INTEGER NOT NULL REFERENCES features (id) ON DELETE CASCADE,
	key                           TEXT,
	type                          TEXT NOT NULL CHECK (type IN ('unicode', 'int', 'bool')), -- which value column counts
	string_value                  TEXT,
	integer_value                 INTEGER,
	boolean_value                 BOOLEAN,
	default_percentage_allocation DOUBLE PRECISION NOT NULL CHECK (default_percentage_allocation BETWEEN 0 AND 100),
	UNIQUE (feature_id, key) -- NULL keys do not clash; also finds the options of a feature
);

CREATE TABLE segments (
	id          INTEGER PRIMARY KEY AUTOINCREMENT,
	uuid        TEXT NOT NULL UNIQUE,
	project_id  INTEGER NOT NULL REFERENCES projects (id) ON DELETE CASCADE,
	feature_id  INTEGER REFERENCES features (id) ON DELETE CASCADE, -- NULL unless the segment is one feature's own
	name        TEXT NOT NULL,
	description TEXT,
	version     INTEGER NOT NULL,
	rules       TEXT NOT NULL, -- JSON: read and written whole, never queried into
	created_at  INTEGER NOT NULL,
	updated_at  INTEGER NOT NULL
);

-- An environment document holds all segments of the project. Names may repeat.
CREATE INDEX segments_project ON segments (project_id);

-- Deleting a feature deletes its own segments.
CREATE INDEX segments_feature ON segments (feature_id);

-- Rules and conditions live inside segments.rules, but their ids show on the wire and must be unique: they count here.
CREATE TABLE id_counters (
	name    TEXT PRIMARY KEY,
	last_id INTEGER NOT NULL
);
INSERT INTO id_counters (name, last_id) VALUES ('segment_rule', 0), ('segment_condition', 0);

CREATE TABLE feature_segments (
	id             INTEGER PRIMARY KEY AUTOINCREMENT,
	uuid           TEXT NOT NULL UNIQUE,
	feature_id     INTEGER NOT NULL REFERENCES features (id) ON DELETE CASCADE,
	segment_id     INTEGER NOT NULL REFERENCES segments (id) ON DELETE CASCADE,
	environment_id INTEGER NOT NULL REFERENCES environments (id) ON DELETE CASCADE,
	priority       INTEGER NOT NULL CHECK (priority >= 0), -- lower wins
	UNIQUE (feature_id, environment_id, segment_id)
);

-- The UNIQUE above begins with the feature; deletions come by segment and by environment.
CREATE INDEX feature_segments_segment ON feature_segments (segment_id);
CREATE INDEX feature_segments_environment ON feature_segments (environment_id);

-- +goose Down

DROP TABLE feature_segments;
DROP TABLE id_counters;
DROP TABLE segments;
DROP TABLE mv_options;
DROP TABLE features;
