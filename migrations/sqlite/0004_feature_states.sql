-- +goose Up

CREATE TABLE feature_states (
	id                 INTEGER PRIMARY KEY AUTOINCREMENT,
	uuid               TEXT NOT NULL UNIQUE,
	feature_id         INTEGER NOT NULL REFERENCES features (id) ON DELETE CASCADE,
	environment_id     INTEGER NOT NULL REFERENCES environments (id) ON DELETE CASCADE,
	feature_segment_id INTEGER REFERENCES feature_segments (id) ON DELETE CASCADE, -- set: a segment's override
	identity_id        INTEGER REFERENCES identities (id) ON DELETE CASCADE,       -- set: an identity's override
	enabled            BOOLEAN NOT NULL,
	type               TEXT NOT NULL CHECK (type IN ('unicode', 'int', 'bool')), -- which value column counts
	string_value       TEXT,
	integer_value      INTEGER,
	boolean_value      BOOLEAN,
	-- What seeds the choice of a variant. NULL: id, which is why ids are never reused. An imported state keeps the seed it
	-- had, so that its identities keep their variants; 0 says that it was seeded by its uuid.
	hashing_seed       INTEGER,
	created_at         INTEGER NOT NULL,
	updated_at         INTEGER NOT NULL,
	live_from          INTEGER NOT NULL,
	CHECK (feature_segment_id IS NULL OR identity_id IS NULL)
);

-- One state for each environment, feature, segment link and identity. NULLs never clash in a plain UNIQUE, hence 0 for
-- them. It begins with the environment because a document reads all states of one.
CREATE UNIQUE INDEX feature_states_one
	ON feature_states (environment_id, feature_id, COALESCE(feature_segment_id, 0), COALESCE(identity_id, 0));

-- Deletions come by each parent. The last two are partial: most states are environment defaults, which have neither.
CREATE INDEX feature_states_feature ON feature_states (feature_id);
CREATE INDEX feature_states_feature_segment ON feature_states (feature_segment_id) WHERE feature_segment_id IS NOT NULL;
CREATE INDEX feature_states_identity ON feature_states (identity_id) WHERE identity_id IS NOT NULL;

CREATE TABLE mv_state_values (
	id                    INTEGER PRIMARY KEY AUTOINCREMENT, -- orders the variants when bucketing
	uuid                  TEXT NOT NULL UNIQUE,
	feature_state_id      INTEGER NOT NULL REFERENCES feature_states (id) ON DELETE CASCADE,
	mv_option_id          INTEGER NOT NULL REFERENCES mv_options (id) ON DELETE CASCADE,
	percentage_allocation DOUBLE PRECISION NOT NULL CHECK (percentage_allocation BETWEEN 0 AND 100),
	UNIQUE (feature_state_id, mv_option_id)
);

-- The UNIQUE above begins with the state; deletions also come by option.
CREATE INDEX mv_state_values_option ON mv_state_values (mv_option_id);

-- +goose Down

DROP TABLE mv_state_values;
DROP TABLE feature_states;
