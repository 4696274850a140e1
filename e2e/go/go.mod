// A module of its own: the server must not depend on the SDK.
module github.com/flagstaff-io/flagstaff/e2e/go

go 1.24

require github.com/Flagsmith/flagsmith-go-client/v5 v5.1.0
