// Package bench measures an HTTP server from outside: it sends requests that were formatted beforehand over connections that
// stay open, checks what comes back, keeps latencies in histograms, and reads the server's CPU time beside the wall clock. It
// knows servers by address and process id alone and imports no package of the one it measures.
//
//	load := bench.Load{Address: "127.0.0.1:8000", Requests: scenario.Requests, Order: scenario.Order, Connections: 32}
//	generator, err := bench.Dial(ctx, load)
//	sample := generator.Run(ctx, time.Second)
//
// Compare alternates between several servers, so that what else runs on the machine hits all of them alike. The yardstick of
// every scenario is package bench/floor: bare fasthttp handlers that send the bytes that the server sent.
//
// The loop is closed: a connection sends its next request when it has the answer to the last one, which finds the highest
// rate. An open loop, where requests are due at set times, needs only other moments in worker.run: latency is counted from
// when a request was due, which in a closed loop is when it is sent.
package bench
