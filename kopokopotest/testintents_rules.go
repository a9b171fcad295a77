package kopokopotest

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/kopokopo-go/kopokopo"
)

// intentStates are all states but IntentFree.
var intentStates = []kopokopo.IntentState{kopokopo.IntentSending, kopokopo.IntentInDoubt, kopokopo.IntentCreated, kopokopo.IntentFinal}

func (s *intentCheck) begun() {
	if have := s.get("a"); have.State != kopokopo.IntentFree || have.Key != s.prefix+"a" || have.Alive {
		s.errorf("a key that nobody has taken is in state %q, want %q", have.State, kopokopo.IntentFree)
	}
	first := s.take("a", longLease)
	if !first.Alive {
		s.errorf("the sender is not alive while its lease lasts")
	}
	s.stands("after begin", "a", first)
	for _, state := range append([]kopokopo.IntentState{""}, intentStates[1:]...) {
		if state != "" {
			first = s.write(first, state, 0)
		}
		other := s.intent("a")
		other.Digest, other.Facts = digest("another"), "{}"
		if differs := difference(s.begin(other, longLease), first); differs != "" {
			s.stop("begin of a key in state %q returns something else than stands there: %s", first.State, differs)
		}
		s.stands("after a begin in vain", "a", first)
	}
}

func (s *intentCheck) crowd() {
	for round := range 5 {
		key := fmt.Sprint("crowd-", round)
		var taken atomic.Int64
		var all sync.WaitGroup
		for range 50 {
			all.Go(func() {
				s.run(func(*intentCheck) {
					intent := s.intent(key)
					have := s.begin(intent, longLease)
					if have.State != kopokopo.IntentSending {
						s.errorf("begin returns state %q, want %q", have.State, kopokopo.IntentSending)
					}
					if have.Token == intent.Token {
						taken.Add(1)
					}
				})
			})
		}
		all.Wait()
		if n := taken.Load(); n != 1 {
			s.stop("%d of 50 who began at once have taken the key, want 1", n)
		}
	}
}

func (s *intentCheck) manyKeys() {
	var all sync.WaitGroup
	for worker := range 8 {
		all.Go(func() {
			s.run(func(*intentCheck) {
				for i := range 25 {
					key := fmt.Sprint(worker, "-", i)
					have := s.write(s.take(key, longLease), kopokopo.IntentSending, longLease)
					s.stands("with many keys at once", key, s.write(have, kopokopo.IntentCreated, 0))
				}
			})
		})
	}
	all.Wait()
}

// fields keeps what a database may cut off, convert or refuse.
func (s *intentCheck) fields() {
	for i, body := range [][sha256.Size]byte{{}, {31: 1}, {0: 1}, digest("a"), {0: 0xff, 31: 0xff}} { // zero bytes end no digest
		key := fmt.Sprint("digest-", i)
		intent := s.intent(key)
		intent.Digest = body
		have := s.begin(intent, longLease)
		want := intent
		want.State = kopokopo.IntentSending
		if differs := difference(have, want); differs != "" {
			s.errorf("begin: %s", differs)
		}
		s.stands("digest", key, want)
	}
	intent := s.intent("long")
	intent.Operation = "POST /api/v2/" + strings.Repeat("p", 100)
	intent.Facts = `{"a":"'%_\\\u00e9 `
	intent.Facts += strings.Repeat("x", 64<<10-len(intent.Facts)-2) + `"}`
	s.begin(intent, longLease)
	intent.ID, intent.Location = strings.Repeat("I", 128), "https://sandbox.kopokopo.com/"+strings.Repeat(`l'"%`, 490)
	intent = s.write(intent, kopokopo.IntentCreated, 0)
	s.stands("long fields", "long", intent)
	if page := s.list(kopokopo.IntentCreated, 10); len(page) != 1 || difference(page[0], intent) != "" {
		s.errorf("what is listed is not what stands there")
	}
}

// updated writes State, ID, Location and Token, and nothing else.
func (s *intentCheck) updated() {
	first := s.take("a", longLease)
	next := first
	next.State, next.ID, next.Location, next.Token = kopokopo.IntentCreated, "id", "https://k2.example/id", rand.Text()
	want := next
	next.Digest, next.Operation, next.Facts = digest("another"), "another", "{}"
	if err := s.store.Update(context.Background(), first.Token, next, 0); err != nil {
		s.stop("update: %w", err)
	}
	s.stands("after an update", "a", want)
	for _, state := range intentStates {
		want.ID, want.Location = "", ""
		want = s.write(want, state, 0)
		s.stands("after an update", "a", want)
		if s.get("a").Alive {
			s.errorf("the sender is alive without a lease in state %q", state)
		}
	}
}

// times are by the store's clock, which may be wrong by minutes but not by a time zone.
func (s *intentCheck) times() {
	const clocksDiffer = time.Hour
	first := s.take("a", longLease)
	if off := time.Since(first.Created).Abs(); off > clocksDiffer {
		s.errorf("Created is %v off", off.Round(time.Second))
	}
	if first.Updated.Before(first.Created) {
		s.errorf("Updated is before Created")
	}
	time.Sleep(shortLease)
	second := s.write(first, kopokopo.IntentInDoubt, 0)
	have := s.get("a")
	switch {
	case !have.Created.Equal(first.Created):
		s.errorf("an update has changed Created")
	case !have.Updated.After(first.Updated):
		s.errorf("Updated stands still, or has gone back")
	}
	time.Sleep(shortLease)
	s.write(second, kopokopo.IntentFree, 0)
	if again := s.take("a", longLease); !again.Created.After(have.Created) {
		s.errorf("Created of a key that was freed and taken again is the old one")
	}
}

func (s *intentCheck) fenced() {
	ctx := context.Background()
	stale := s.take("a", longLease)
	have := s.write(stale, kopokopo.IntentSending, longLease)
	for _, standing := range intentStates {
		have = s.write(have, standing, longLease)
		for _, state := range append([]kopokopo.IntentState{kopokopo.IntentFree}, intentStates...) {
			late := stale
			late.State, late.ID, late.Token = state, "late", rand.Text()
			s.lost(fmt.Sprintf("a late write of %q over %q", state, standing), s.store.Update(ctx, stale.Token, late, longLease))
			s.stands("after a late write", "a", have)
			late.Token = stale.Token
			s.lost(fmt.Sprintf("a late write of %q under the old token", state), s.store.Update(ctx, stale.Token, late, longLease))
			s.stands("after a late write under the old token", "a", have)
		}
	}
	nobody := s.intent("b")
	nobody.State = kopokopo.IntentCreated
	s.lost("a write over what was never begun", s.store.Update(ctx, "never", nobody, 0))
	s.write(have, kopokopo.IntentFree, 0)
	late := have
	late.Token = rand.Text()
	s.lost("a write over what was freed", s.store.Update(ctx, have.Token, late, longLease))
	for _, key := range []string{"a", "b"} {
		if state := s.get(key).State; state != kopokopo.IntentFree {
			s.errorf("a late write has brought a key into state %q", state)
		}
	}
}

// again repeats writes whose answers may have been lost.
func (s *intentCheck) again() {
	ctx := context.Background()
	begun := s.take("a", longLease)
	if have := s.begin(begun, longLease); have.Token != begun.Token || !have.Alive {
		s.errorf("a begin that is repeated does not return what it has begun")
	}
	have := begun
	for _, state := range intentStates {
		next := s.write(have, state, longLease)
		if err := s.store.Update(ctx, have.Token, next, longLease); err != nil {
			s.errorf("an update to %q that is repeated: %w", state, err)
		}
		s.stands("after an update that was repeated", "a", next)
		have = next
	}
	free := s.write(have, kopokopo.IntentFree, 0)
	if err := s.store.Update(ctx, have.Token, free, 0); err != nil {
		s.errorf("freeing once more: %w", err)
	}
	next := s.take("a", longLease)
	s.lost("freeing once more, when somebody else has taken the key", s.store.Update(ctx, have.Token, free, 0))
	s.stands("after freeing what somebody else has taken", "a", next)
}

func (s *intentCheck) freed() {
	for i, state := range intentStates {
		key := fmt.Sprint("freed-", i)
		have := s.take(key, longLease)
		have.ID, have.Location = "id", "https://k2.example/id"
		s.write(s.write(have, state, longLease), kopokopo.IntentFree, 0)
		if free := s.get(key); free.State != kopokopo.IntentFree || free.Alive {
			s.errorf("a key that was freed is in state %q, want %q", free.State, kopokopo.IntentFree)
		}
		next := s.intent(key)
		next.Digest, next.Operation, next.Facts = digest("next"), "POST /api/v2/reversals", "{}"
		begun := s.begin(next, longLease)
		next.State = kopokopo.IntentSending
		if differs := difference(begun, next); differs != "" {
			s.errorf("a key that was freed is not taken anew: %s", differs)
		}
		s.stands("taken anew", key, next)
	}
	for _, state := range append([]kopokopo.IntentState{kopokopo.IntentFree}, intentStates[1:]...) {
		if n := len(s.list(state, 100)); n > 0 {
			s.errorf("%d keys that were freed and taken anew are listed as %q", n, state)
		}
	}
}

func (s *intentCheck) leaseLasts() {
	s.take("a", patience)
	time.Sleep(2 * shortLease)
	if !s.get("a").Alive || !s.begin(s.intent("a"), longLease).Alive {
		s.errorf("the sender is not alive while its lease lasts")
	}
	if n := len(s.list(kopokopo.IntentInDoubt, 10)); n != 0 {
		s.errorf("what is being sent is listed as in doubt")
	}
}

func (s *intentCheck) leaseEnds() {
	have := s.take("a", shortLease)
	if ended := s.afterLease("a"); ended.State != kopokopo.IntentSending {
		s.errorf("the state is %q when the lease has ended, want %q", ended.State, kopokopo.IntentSending)
	}
	if other := s.begin(s.intent("a"), longLease); other.Token != have.Token || other.Alive {
		s.errorf("a key whose sender's lease has ended was taken by another begin")
	}
	s.write(have, kopokopo.IntentCreated, 0) // late, but nobody else has written
}

func (s *intentCheck) leaseAnew() {
	have := s.take("a", shortLease)
	have = s.write(have, kopokopo.IntentSending, longLease)
	time.Sleep(2 * shortLease)
	if !s.get("a").Alive {
		s.errorf("an extension does not keep the sender alive")
	}
	have = s.write(have, kopokopo.IntentSending, shortLease)
	s.afterLease("a")
	s.write(have, kopokopo.IntentSending, longLease)
	if !s.get("a").Alive {
		s.errorf("a late extension does not make the sender alive")
	}
}
