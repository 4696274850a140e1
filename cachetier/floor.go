package cachetier

import (
	"sync"
	"time"
)

const (
	// maxFloors bounds the memory of versions that are no longer held: about 6 MiB when full.
	maxFloors = 1 << 16
	// floorFor is how long a version that was served keeps an older one out. It ends so that a source whose versions
	// were set back (a restored backup) is believed again without a restart.
	floorFor = 10 * time.Minute
)

// floor is what is known of the versions of a key that memory does not hold.
type floor struct {
	served int64 // memory has held this version; nothing older may take its place
	want   int64 // at least this version exists; shared tiers that offer less are behind
	until  int64
}

// floors keeps rule 1 across evictions. Changed only with the key's shard locked; its own lock is a leaf.
type floors struct {
	mu sync.Mutex
	m  bounded[floor]
}

func (f *floors) get(k hash128, now int64) floor {
	f.mu.Lock()
	defer f.mu.Unlock()
	fl, ok := f.m.get(k)
	if !ok || now >= fl.until {
		return floor{}
	}
	return fl
}

// raise records that these versions were served and announced; zero says nothing.
func (f *floors) raise(k hash128, served, want, now int64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	fl, ok := f.m.get(k)
	if !ok || now >= fl.until {
		fl = floor{}
	}
	fl.served = max(fl.served, served)
	fl.want = max(fl.want, want)
	fl.until = now + int64(floorFor)
	f.m.put(k, fl)
}

func (f *floors) drop(k hash128) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.m.drop(k)
}
