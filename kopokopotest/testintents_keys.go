package kopokopotest

import (
	"context"
	"crypto/rand"
	"fmt"
	"slices"
	"strings"

	"github.com/kopokopo-go/kopokopo"
)

// keys checks that keys are compared byte by byte. A database's usual comparison may
// ignore case or what stands at the end, take % and _ for patterns, or cut off what is
// too long.
func (s *intentCheck) keys() {
	long := strings.Repeat("k", 128-len(s.prefix))
	suffixes := []string{"aa", "aA", "AA", long, long[:len(long)-1], long[:len(long)-1] + "K", long[:len(long)-2] + "kl"}
	for c := byte('!'); c <= '~'; c++ {
		suffixes = append(suffixes, string(c), "a."+string(c))
	}
	for _, key := range suffixes {
		s.take(key, longLease)
	}
	if s.get("a.").State != kopokopo.IntentFree {
		s.errorf("the beginning of a key passes for the key")
	}
	s.shortest()
}

// shortest takes a key of one character, if there is one that nobody has.
func (s *intentCheck) shortest() {
	s.prefix = ""
	for c := byte('!'); c <= '~'; c++ {
		if s.get(string(c)).State == kopokopo.IntentFree {
			s.write(s.take(string(c), longLease), kopokopo.IntentFree, 0)
			return
		}
	}
}

func (s *intentCheck) listed() {
	var want []string
	for _, key := range []string{"b", "B", "a", "_", "~", "!", "10", "9", "-", "aa", "a!", "a~", "Z", "z", "%", "[", "'", `"`, `\`} {
		s.write(s.take(key, longLease), kopokopo.IntentCreated, 0)
		want = append(want, s.prefix+key)
	}
	slices.Sort(want)
	for _, limit := range []int{1, 3, len(want), len(want) + 1, 1000} {
		var have []string
		for _, intent := range s.list(kopokopo.IntentCreated, limit) {
			have = append(have, intent.Key)
		}
		if !slices.Equal(have, want) {
			s.stop("in pages of %d the list is %q, want %q", limit, have, want)
		}
	}
	for i, after := range want {
		page, err := s.store.List(context.Background(), kopokopo.IntentCreated, after, 1)
		if err != nil {
			s.stop("list: %w", err)
		}
		if i+1 < len(want) && (len(page) != 1 || page[0].Key != want[i+1]) {
			s.errorf("%q is not what is listed after %q", want[i+1], after)
		}
	}
}

func (s *intentCheck) states() {
	want := map[kopokopo.IntentState][]string{}
	for i, state := range intentStates {
		for n := range 2 {
			key := fmt.Sprint("state-", i, n)
			s.write(s.take(key, longLease), state, longLease)
			want[state] = append(want[state], s.prefix+key)
		}
	}
	s.take("state-ended", shortLease)
	s.afterLease("state-ended")
	for _, state := range []kopokopo.IntentState{kopokopo.IntentSending, kopokopo.IntentInDoubt} {
		want[state] = append(want[state], s.prefix+"state-ended")
	}
	for _, state := range intentStates {
		var have []string
		for _, intent := range s.list(state, 2) {
			have = append(have, intent.Key)
			if one := s.get(strings.TrimPrefix(intent.Key, s.prefix)); difference(intent, one) != "" || intent.Alive != one.Alive {
				s.errorf("what is listed in state %q is not what stands there", state)
			}
		}
		if slices.Sort(want[state]); !slices.Equal(have, want[state]) {
			s.errorf("in state %q the list is %q, want %q", state, have, want[state])
		}
	}
}

// contexts calls each method with a context that has ended.
func (s *intentCheck) contexts() {
	ended, cancel := context.WithCancel(context.Background())
	cancel()
	failed := func(what string, err error) {
		if err == nil {
			s.errorf("%s with a context that has ended is no error", what)
		}
	}
	_, err := s.store.Begin(ended, s.intent("a"), longLease)
	failed("begin", err)
	have := s.take("a", longLease) // a begin that failed has taken nothing
	next := have
	next.State, next.Token = kopokopo.IntentFree, rand.Text()
	failed("update", s.store.Update(ended, have.Token, next, 0))
	s.stands("after an update with a context that has ended", "a", have)
	_, err = s.store.Get(ended, have.Key)
	failed("get", err)
	_, err = s.store.List(ended, kopokopo.IntentSending, "", 1)
	failed("list", err)
}

// reopened checks a durable store over the end of its program.
func (s *intentCheck) reopened() {
	if s.reopen == nil {
		return
	}
	want := map[string]kopokopo.Intent{}
	for i, state := range intentStates {
		key := fmt.Sprint("reopened-", i)
		have := s.take(key, longLease)
		have.ID, have.Location = "id", "https://k2.example/id"
		want[key] = s.write(have, state, longLease)
	}
	before := s.get("reopened-0")
	s.write(s.take("freed", longLease), kopokopo.IntentFree, 0)
	store, err := s.reopen(s.store)
	if err != nil {
		s.stop("reopen: %w", err)
	}
	s.store = store
	for key, intent := range want {
		s.stands("after reopening", key, intent)
	}
	after := s.get("reopened-0")
	switch {
	case !after.Alive:
		s.errorf("a lease is forgotten by reopening")
	case !after.Created.Equal(before.Created), !after.Updated.Equal(before.Updated):
		s.errorf("times are changed by reopening")
	}
	s.write(after, kopokopo.IntentInDoubt, 0)
	s.take("freed", longLease)
}
