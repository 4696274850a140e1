-- +goose Up

-- How often SDKs evaluated a flag. By name, because that is what SDKs report; the name need not be a feature's.
CREATE TABLE feature_evaluations (
	environment_id BIGINT NOT NULL REFERENCES environments (id) ON DELETE CASCADE,
	feature_name   TEXT NOT NULL,
	day            DATE NOT NULL, -- in UTC
	count          BIGINT NOT NULL,
	PRIMARY KEY (environment_id, feature_name, day)
);

-- +goose Down

DROP TABLE feature_evaluations;
