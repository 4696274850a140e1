// Package proxy is the front tier: it listens, routes a path to a handler, and writes answers that were rendered before the
// request came. What a path means is the business of the dialects in the packages below it (proxy/flagsmith), which
// register their handlers in a Router; what lies behind is handed in by cmd. It knows no SQL and no flag.
//
//	router := proxy.NewRouter(notFound)
//	dialect.Register(router)
//	server, err := proxy.New(proxy.Config{Listen: ":8000", Handler: router.Handle})
//	err = server.Run(ctx) // until ctx ends; returns once drained
package proxy
