package kopokopotest

// Bounds of what one server remembers. They are far above what a test needs and
// only keep a server that runs for days, or a hostile client, from eating memory.
const (
	maxStored      = 10_000   // entries of each kind: requests, deliveries, resources, transactions, tokens, customers
	maxStoredBytes = 64 << 20 // bytes of bodies of each kind
	maxOutstanding = 10_000   // transitions and deliveries waiting or running
)

// shelf holds the newest values under their keys, in order of arrival. Beyond
// maxStored entries or maxStoredBytes the oldest go.
type shelf[T any] struct {
	byKey map[string]T
	order []slot
	bytes int
}

type slot struct {
	key  string
	size int
}

// put adds a value of the given size in bytes; a known key is replaced in place
// and keeps its age.
func (s *shelf[T]) put(key string, value T, size int) {
	if s.byKey == nil {
		s.byKey = map[string]T{}
	}
	_, known := s.byKey[key]
	s.byKey[key] = value
	if known {
		return
	}
	s.order = append(s.order, slot{key, size})
	s.bytes += size
	for len(s.order) > maxStored || (s.bytes > maxStoredBytes && len(s.order) > 1) {
		delete(s.byKey, s.order[0].key)
		s.bytes -= s.order[0].size
		s.order = s.order[1:]
	}
}

// get returns the value under key.
func (s *shelf[T]) get(key string) (T, bool) {
	v, ok := s.byKey[key]
	return v, ok
}

// all lists the values, oldest first.
func (s *shelf[T]) all() []T {
	out := make([]T, len(s.order))
	for i, sl := range s.order {
		out[i] = s.byKey[sl.key]
	}
	return out
}

// journal keeps the newest values, oldest first, within the same bounds.
type journal[T any] struct {
	list  []T
	sizes []int
	bytes int
}

func (j *journal[T]) add(v T, size int) {
	j.list = append(j.list, v)
	j.sizes = append(j.sizes, size)
	j.bytes += size
	for len(j.list) > maxStored || (j.bytes > maxStoredBytes && len(j.list) > 1) {
		var zero T
		j.list[0] = zero // let the body go with the entry
		j.bytes -= j.sizes[0]
		j.list, j.sizes = j.list[1:], j.sizes[1:]
	}
}
