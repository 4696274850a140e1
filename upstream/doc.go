// Package upstream is where documents come from when a node has no database of its own: a real Flagsmith, another Flagstaff,
// or a file. It owns those wire formats and hands cachetier loaders to cmd; it may import evaluator for the documents it
// returns, and must know neither proxy nor admin.
//
// It holds no source yet: they arrive with the sidecar. The directory is here so that the imports test binds it from the
// start.
package upstream
