package cachetier

import "hash/maphash"

// hash128 stands for an id where remembering the id itself would let a stranger choose how much memory it takes. The
// seeds are random per Cache, so collisions can be neither found nor aimed at.
type hash128 struct{ a, b uint64 }

type hasher struct{ a, b maphash.Seed }

func newHasher() hasher { return hasher{maphash.MakeSeed(), maphash.MakeSeed()} }

func (h hasher) hash(id string) hash128 {
	return hash128{maphash.String(h.a, id), maphash.String(h.b, id)}
}

// bounded is a map that holds at most max keys and forgets the one that was put longest ago. It needs a lock.
type bounded[T any] struct {
	max  int
	m    map[hash128]boundedEntry[T]
	ring []boundedKey // in order of seq, starting at next once it is full
	next int
	seq  uint64
}

type boundedEntry[T any] struct {
	seq   uint64
	value T
}

// boundedKey is a place in the ring. If the map's entry has another seq, the key was put again or dropped since.
type boundedKey struct {
	key hash128
	seq uint64
}

func (b *bounded[T]) get(k hash128) (T, bool) {
	e, ok := b.m[k]
	return e.value, ok
}

func (b *bounded[T]) put(k hash128, v T) {
	if b.max <= 0 {
		return
	}
	if b.m == nil {
		b.m = make(map[hash128]boundedEntry[T])
	}
	b.seq++
	if len(b.ring) < b.max {
		b.ring = append(b.ring, boundedKey{k, b.seq})
	} else {
		if old := b.ring[b.next]; b.m[old.key].seq == old.seq {
			delete(b.m, old.key)
		}
		b.ring[b.next] = boundedKey{k, b.seq}
		b.next = (b.next + 1) % b.max
	}
	b.m[k] = boundedEntry[T]{b.seq, v}
}

func (b *bounded[T]) drop(k hash128) { delete(b.m, k) }

func (b *bounded[T]) len() int { return len(b.m) }
