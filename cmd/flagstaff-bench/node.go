package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"

	"github.com/valyala/fasthttp"

	"github.com/flagstaff-io/flagstaff/admin/store"
	"github.com/flagstaff-io/flagstaff/cachetier"
	"github.com/flagstaff-io/flagstaff/proxy"
	sdk "github.com/flagstaff-io/flagstaff/proxy/flagsmith"
)

// node is the front tier in this process, with everything that the scenarios ask for in memory and nothing behind it: a
// request that needed a database would fail, and be noticed.
type node struct {
	handler fasthttp.RequestHandler

	keys         *cachetier.Cache[*sdk.Key]
	environments *cachetier.Cache[*sdk.Environment]
	identities   *cachetier.Cache[*sdk.StoredIdentity]
}

func newNode(ctx context.Context, st *store.Store, c *created) (*node, error) {
	n := &node{}
	if err := n.buildCaches(); err != nil {
		return nil, errors.Join(err, n.close())
	}
	if err := n.fill(ctx, st, c); err != nil {
		return nil, errors.Join(err, n.close())
	}
	router := proxy.NewRouter(sdk.Fallback(fasthttp.StatusNotFound, "Not found."))
	sdk.NewHandler(sdk.Config{
		Keys:         n.keys,
		Environments: n.environments,
		Identities:   n.identities,
		Writer:       nothingBehind{},
		Counter:      nothingBehind{},
		Health:       nothingBehind{},
		Realtime:     sdk.NewRealtime(sdk.RealtimeConfig{}),
	}).Register(router)
	n.handler = router.Handle
	return n, nil
}

// serve runs a server with the defaults of `flagstaff serve` until ctx ends.
func (n *node) serve(ctx context.Context, ln net.Listener) error {
	server, err := proxy.New(proxy.Config{Handler: n.handler})
	if err != nil {
		return err
	}
	return server.Serve(ctx, ln)
}

func (n *node) buildCaches() (err error) {
	const never = -1
	absent := func(context.Context, string, int64) (cachetier.Entry, error) {
		return cachetier.Entry{}, cachetier.ErrNotFound
	}
	n.keys, err = cachetier.New(cachetier.Config[*sdk.Key]{Namespace: "key", TTL: never, Load: absent, Decode: sdk.DecodeKey})
	if err != nil {
		return err
	}
	n.environments, err = cachetier.New(cachetier.Config[*sdk.Environment]{
		Namespace: "environment", TTL: never, Load: absent, Decode: sdk.DecodeEnvironment,
	})
	if err != nil {
		return err
	}
	n.identities, err = cachetier.New(cachetier.Config[*sdk.StoredIdentity]{
		Namespace: "identity", TTL: never, NegativeTTL: 1 << 62, Load: absent, Decode: sdk.DecodeIdentity,
	})
	return err
}

// fill puts keys, the environment and its identities into memory.
func (n *node) fill(ctx context.Context, st *store.Store, c *created) error {
	for _, key := range []string{c.site.ClientKey, c.site.ServerKey} {
		found, err := st.LookupKey(ctx, key)
		if err != nil {
			return err
		}
		body, err := json.Marshal(sdk.Key{EnvironmentID: found.EnvironmentID, Server: found.Server, Active: found.Active})
		if err != nil {
			return err
		}
		if _, err := n.keys.Put(key, cachetier.Entry{Body: body, Version: 1}); err != nil {
			return err
		}
	}
	doc, err := st.BuildDocument(ctx, c.environmentID)
	if err != nil {
		return err
	}
	body, err := json.Marshal(doc)
	if err != nil {
		return err
	}
	entry := cachetier.Entry{Body: body, Version: doc.Version, ModifiedAt: doc.UpdatedAt}
	if _, err := n.environments.Put(sdk.EnvironmentCacheID(c.environmentID), entry); err != nil {
		return err
	}
	for _, person := range c.site.Stored {
		identity, err := st.Identity(ctx, c.environmentID, person.Identifier)
		if err != nil {
			return err
		}
		entry, err := sdk.EncodeIdentity(identity)
		if err != nil {
			return err
		}
		if _, err := n.identities.Put(sdk.IdentityCacheID(c.environmentID, person.Identifier), entry); err != nil {
			return err
		}
	}
	return nil
}

func (n *node) close() error {
	var errs []error
	if n.keys != nil {
		errs = append(errs, n.keys.Close())
	}
	if n.environments != nil {
		errs = append(errs, n.environments.Close())
	}
	if n.identities != nil {
		errs = append(errs, n.identities.Close())
	}
	return errors.Join(errs...)
}

// nothingBehind stands where the database would be.
type nothingBehind struct{}

func (nothingBehind) Write(context.Context, sdk.TraitWrite) (sdk.TraitResult, error) {
	return sdk.TraitResult{}, fmt.Errorf("%w: traits that do not change must not be written", sdk.ErrUnavailable)
}

func (nothingBehind) Add(int64, string, int64) {}

func (nothingBehind) Health(context.Context) ([]sdk.Check, bool) { return nil, true }
