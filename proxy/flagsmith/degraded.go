package flagsmith

import (
	"log/slog"
	"sync/atomic"
	"time"
)

// degradation logs that requests fail for want of something behind the node: once when it starts and then once a minute with
// a count, never once a request.
type degradation struct {
	log      *slog.Logger
	nextLog  atomic.Int64 // Unix nanoseconds
	failures atomic.Int64
}

func (d *degradation) report(doing string, err error) {
	n := d.failures.Add(1)
	now := time.Now().UnixNano()
	next := d.nextLog.Load()
	if now < next || !d.nextLog.CompareAndSwap(next, now+int64(time.Minute)) {
		return
	}
	d.log.Warn("requests are answered 503 or without stored traits", "doing", doing, "err", err, "failures", n)
}
