-- +goose Up

-- How often SDKs evaluated a flag. By name, because that is what SDKs report; the name need not be a feature's.
CREATE TABLE feature_evaluations (
	environment_id INTEGER NOT NULL REFERENCES environments (id) ON DELETE CASCADE,
	feature_name   TEXT NOT NULL,
	day            TEXT NOT NULL, -- YYYY-MM-DD in UTC: sorts and compares as it should
	count          INTEGER NOT NULL,
	PRIMARY KEY (environment_id, feature_name, day)
);

-- +goose Down

DROP TABLE feature_evaluations;
