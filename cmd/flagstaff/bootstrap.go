package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/flagstaff-io/flagstaff/admin/store"
)

type bootstrapCmd struct {
	databaseSettings  `embed:""`
	bootstrapSettings `embed:""`
	logSettings       `embed:""`
}

// Validate reports every problem at once.
func (c *bootstrapCmd) Validate() error {
	return errors.Join(c.databaseSettings.validate(), c.bootstrapSettings.validate())
}

// Run fills the database, unless something is in it.
func (c *bootstrapCmd) Run(s streams) error {
	log := c.logger(s)
	ctx, stop := untilSignal(log)
	defer stop()
	st, err := c.openMigrated(ctx, log)
	if err != nil {
		return err
	}
	defer st.Close()
	return c.bootstrap(ctx, st, s, "localhost:8000")
}

// bootstrap fills an empty database and prints, this once, what opens it. A database that is not empty is left alone.
func (b *bootstrapSettings) bootstrap(ctx context.Context, st *store.Store, s streams, address string) error {
	made, err := st.Bootstrap(ctx, store.BootstrapParams{
		OrganisationName: b.OrganisationName,
		ProjectName:      b.ProjectName,
		AdminEmail:       b.AdminEmail,
		AdminPassword:    string(b.AdminPassword),
		ClientKey:        b.ClientKey,
		ServerKey:        string(b.ServerKey),
	})
	if err != nil {
		return fmt.Errorf("first start: %w", err)
	}
	if !made.Done {
		return b.reportIgnored(ctx, st, s)
	}
	password := made.AdminPassword
	if b.AdminPassword != "" {
		password = "(as given)"
	}
	var out strings.Builder
	fmt.Fprintf(&out, "Superuser %q created successfully.\n", b.AdminEmail)
	fmt.Fprintf(&out, "Organisation %q created successfully.\n", b.OrganisationName)
	fmt.Fprintf(&out, "Project %q created successfully.\n", b.ProjectName)
	fmt.Fprintf(&out, "\nThis is shown once. Keep it.\n\n")
	row := func(name, value string) { fmt.Fprintf(&out, "  %-34s %s\n", name, value) }
	for _, env := range made.Environments {
		row(env.Name+", client-side key", env.ClientKey)
		row(env.Name+", server-side key", env.ServerKey)
	}
	row("Administrator", b.AdminEmail)
	row("Password", password)
	row("Admin token", made.AdminToken)
	dev := made.Environments[0]
	fmt.Fprintf(&out, `
Try:

  curl -H 'X-Environment-Key: %[2]s' http://%[1]s/api/v1/flags/
  curl -H 'X-Environment-Key: %[2]s' 'http://%[1]s/api/v1/identities/?identifier=ann'
  curl -H 'X-Environment-Key: %[2]s' -H 'Content-Type: application/json' \
       -d '{"identifier":"ann","traits":[{"trait_key":"plan","trait_value":"premium"}]}' http://%[1]s/api/v1/identities/
  curl -H 'X-Environment-Key: %[3]s' http://%[1]s/api/v1/environment-document/

Point a Flagsmith SDK at http://%[1]s/api/v1/ with one of the keys above.

`, address, dev.ClientKey, dev.ServerKey)
	_, err = fmt.Fprint(s.out, out.String())
	return err
}

// reportIgnored says so when keys were given for a first start that was long ago: whoever gave them will try to use them.
func (b *bootstrapSettings) reportIgnored(ctx context.Context, st *store.Store, s streams) error {
	for _, given := range []struct{ name, key string }{{"--client-key", b.ClientKey}, {"--server-key", string(b.ServerKey)}} {
		if given.key == "" {
			continue
		}
		_, err := st.LookupKey(ctx, given.key)
		if errors.Is(err, store.ErrNotFound) {
			fmt.Fprintf(s.err, "flagstaff: %s is ignored: the database is not empty, and its environments have keys already.\n", given.name)
		} else if err != nil {
			return fmt.Errorf("check the given keys: %w", err)
		}
	}
	return nil
}
