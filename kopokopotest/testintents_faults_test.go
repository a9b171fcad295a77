package kopokopotest

import (
	"context"
	"crypto/rand"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/kopokopo-go/kopokopo"
)

var errIntentsDown = errors.New("down")

// freeing returns the update that frees what stands under a key.
func freeing(ctx context.Context, s kopokopo.IntentStore, key string) error {
	have, err := s.Get(ctx, key)
	if err != nil || have.State == kopokopo.IntentFree {
		return err
	}
	free := have
	free.State, free.Token = kopokopo.IntentFree, rand.Text()
	return s.Update(ctx, have.Token, free, 0)
}

// takingOver is a store in which a begin takes what another one has, if a fault says so.
func takingOver(given func(have kopokopo.Intent) bool) func(*faulty) {
	return func(f *faulty) {
		f.begin = func(ctx context.Context, intent kopokopo.Intent, lease time.Duration) (kopokopo.Intent, error) {
			have, err := f.inner.Get(ctx, intent.Key)
			if err == nil && have.State != kopokopo.IntentFree && have.Token != intent.Token && given(have) {
				err = freeing(ctx, f.inner, intent.Key)
			}
			if err != nil {
				return kopokopo.Intent{}, err
			}
			return f.inner.Begin(ctx, intent, lease)
		}
	}
}

// brokenIntents are stores with one fault each, by the rule that finds it.
var brokenIntents = map[string]map[string]func(*faulty){
	"a free key is taken once": {
		"what is in doubt is taken": takingOver(func(have kopokopo.Intent) bool { return have.State == kopokopo.IntentInDoubt }),
		"what is created is taken":  takingOver(func(have kopokopo.Intent) bool { return have.State == kopokopo.IntentCreated }),
		"what is final is taken":    takingOver(func(have kopokopo.Intent) bool { return have.State == kopokopo.IntentFinal }),
		"what is being sent is taken": takingOver(func(have kopokopo.Intent) bool {
			return have.State == kopokopo.IntentSending
		}),
		"begin says what was asked": func(f *faulty) {
			f.begin = func(ctx context.Context, intent kopokopo.Intent, lease time.Duration) (kopokopo.Intent, error) {
				if have, err := f.inner.Begin(ctx, intent, lease); err != nil || have.Token == intent.Token {
					return have, err
				}
				intent.State = kopokopo.IntentSending
				return intent, nil
			}
		},
		"nobody is an error": func(f *faulty) {
			f.get = func(ctx context.Context, key string) (kopokopo.Intent, error) {
				have, err := f.inner.Get(ctx, key)
				if err == nil && have.State == kopokopo.IntentFree {
					err = errors.New("no rows")
				}
				return have, err
			}
		},
		"nobody has no state": answering(func(_ *faulty, have *kopokopo.Intent) {
			if have.State == kopokopo.IntentFree {
				have.State = ""
			}
		}),
		"nobody has no key": answering(func(_ *faulty, have *kopokopo.Intent) {
			if have.State == kopokopo.IntentFree {
				have.Key = ""
			}
		}),
		"nobody is alive": answering(func(_ *faulty, have *kopokopo.Intent) { have.Alive = false }),
		"begin is down": func(f *faulty) {
			f.begin = func(context.Context, kopokopo.Intent, time.Duration) (kopokopo.Intent, error) {
				return kopokopo.Intent{}, errIntentsDown
			}
		},
	},
	"a crowd gets one key": {
		"looks, then takes": func(f *faulty) {
			f.begin = func(ctx context.Context, intent kopokopo.Intent, lease time.Duration) (kopokopo.Intent, error) {
				have, err := f.inner.Get(ctx, intent.Key)
				if err != nil || have.State != kopokopo.IntentFree {
					return have, err
				}
				time.Sleep(time.Millisecond)
				if err := freeing(ctx, f.inner, intent.Key); err != nil {
					return kopokopo.Intent{}, err
				}
				return f.inner.Begin(ctx, intent, lease)
			}
		},
		"fails instead of waiting": func(f *faulty) {
			f.begin = func(ctx context.Context, intent kopokopo.Intent, lease time.Duration) (kopokopo.Intent, error) {
				if !f.mu.TryLock() {
					return kopokopo.Intent{}, errors.New("database is locked")
				}
				defer f.mu.Unlock()
				time.Sleep(time.Millisecond)
				return f.inner.Begin(ctx, intent, lease)
			}
		},
	},
	"many keys at once": {
		"one key at a time": func(f *faulty) {
			f.update = func(ctx context.Context, token string, intent kopokopo.Intent, lease time.Duration) error {
				if !f.mu.TryLock() {
					return errors.New("deadlock")
				}
				defer f.mu.Unlock()
				time.Sleep(time.Millisecond)
				return f.inner.Update(ctx, token, intent, lease)
			}
		},
	},
	"every field is kept": {
		"the digest is cut off":   beginning(func(i *kopokopo.Intent, _ *time.Duration) { clear(i.Digest[31:]) }),
		"the digest as text":      beginning(func(i *kopokopo.Intent, _ *time.Duration) { digestAsText(i) }),
		"the operation is lost":   beginning(func(i *kopokopo.Intent, _ *time.Duration) { i.Operation = "" }),
		"the operation is short":  beginning(func(i *kopokopo.Intent, _ *time.Duration) { i.Operation = i.Operation[:min(len(i.Operation), 64)] }),
		"the facts are lost":      beginning(func(i *kopokopo.Intent, _ *time.Duration) { i.Facts = "" }),
		"the facts are cut off":   beginning(func(i *kopokopo.Intent, _ *time.Duration) { i.Facts = i.Facts[:min(len(i.Facts), 64<<10-1)] }),
		"the facts are unescaped": beginning(func(i *kopokopo.Intent, _ *time.Duration) { i.Facts = strings.ReplaceAll(i.Facts, `\\`, `\`) }),
		"long facts are refused": func(f *faulty) {
			f.begin = func(ctx context.Context, intent kopokopo.Intent, lease time.Duration) (kopokopo.Intent, error) {
				if len(intent.Facts) > 64<<10-1 {
					return kopokopo.Intent{}, errors.New("value too long")
				}
				return f.inner.Begin(ctx, intent, lease)
			}
		},
		"the id is cut off": updating(func(_ *string, i *kopokopo.Intent, _ *time.Duration) { i.ID = i.ID[:min(len(i.ID), 127)] }),
		"the location is cut off": updating(func(_ *string, i *kopokopo.Intent, _ *time.Duration) {
			i.Location = i.Location[:min(len(i.Location), 255)]
		}),
		"lists are short of facts": func(f *faulty) {
			f.list = func(ctx context.Context, state kopokopo.IntentState, after string, limit int) ([]kopokopo.Intent, error) {
				page, err := f.inner.List(ctx, state, after, limit)
				for i := range page {
					page[i].Facts = ""
				}
				return page, err
			}
		},
	},
	"an update writes its four fields": {
		"the id stays":       updatingFrom(func(have kopokopo.Intent, i *kopokopo.Intent) { i.ID = have.ID }),
		"the location stays": updatingFrom(func(have kopokopo.Intent, i *kopokopo.Intent) { i.Location = have.Location }),
		"an empty id stays": updatingFrom(func(have kopokopo.Intent, i *kopokopo.Intent) {
			if i.ID == "" {
				i.ID = have.ID
			}
		}),
		"an empty location stays": updatingFrom(func(have kopokopo.Intent, i *kopokopo.Intent) {
			if i.Location == "" {
				i.Location = have.Location
			}
		}),
		"the whole row": func(f *faulty) {
			last := map[string]kopokopo.Intent{}
			answering(func(f *faulty, have *kopokopo.Intent) {
				f.mu.Lock()
				defer f.mu.Unlock()
				if row, ok := last[have.Key]; ok && row.Token == have.Token {
					have.Digest, have.Operation, have.Facts = row.Digest, row.Operation, row.Facts
				}
			})(f)
			f.update = func(ctx context.Context, token string, intent kopokopo.Intent, lease time.Duration) error {
				f.mu.Lock()
				last[intent.Key] = intent
				f.mu.Unlock()
				return f.inner.Update(ctx, token, intent, lease)
			}
		},
		"another word for final": answering(func(_ *faulty, have *kopokopo.Intent) {
			if have.State == kopokopo.IntentFinal {
				have.State = kopokopo.IntentCreated
			}
		}),
		"alive whatever it is": answering(func(_ *faulty, have *kopokopo.Intent) { have.Alive = have.State != kopokopo.IntentFree }),
	},
	"times are sane": {
		"no times":                answering(func(_ *faulty, have *kopokopo.Intent) { have.Created, have.Updated = time.Time{}, time.Time{} }),
		"another zone":            answering(func(_ *faulty, have *kopokopo.Intent) { have.Created = have.Created.Add(3 * time.Hour) }),
		"created with each write": answering(func(_ *faulty, have *kopokopo.Intent) { have.Created = have.Updated }),
		"never updated":           answering(func(_ *faulty, have *kopokopo.Intent) { have.Updated = have.Created }),
		"created once for all": func(f *faulty) {
			first := map[string]time.Time{}
			answering(func(f *faulty, have *kopokopo.Intent) {
				f.mu.Lock()
				defer f.mu.Unlock()
				if _, known := first[have.Key]; !known && have.State != kopokopo.IntentFree {
					first[have.Key] = have.Created
				}
				have.Created = first[have.Key]
			})(f)
		},
	},
	"every write is fenced": {
		"no fence":           overWhatStands(func(kopokopo.IntentState) bool { return true }),
		"none for freeing":   overWhatStands(func(state kopokopo.IntentState) bool { return state == kopokopo.IntentFree }),
		"none for extending": overWhatStands(func(state kopokopo.IntentState) bool { return state == kopokopo.IntentSending }),
		"none for created":   overWhatStands(func(state kopokopo.IntentState) bool { return state == kopokopo.IntentCreated }),
		"none for final":     overWhatStands(func(state kopokopo.IntentState) bool { return state == kopokopo.IntentFinal }),
		"none for in doubt":  overWhatStands(func(state kopokopo.IntentState) bool { return state == kopokopo.IntentInDoubt }),
		"it says nothing": func(f *faulty) {
			f.update = func(ctx context.Context, token string, intent kopokopo.Intent, lease time.Duration) error {
				if err := f.inner.Update(ctx, token, intent, lease); !errors.Is(err, kopokopo.ErrLeaseLost) {
					return err
				}
				return nil
			}
		},
		"another error": func(f *faulty) {
			f.update = func(ctx context.Context, token string, intent kopokopo.Intent, lease time.Duration) error {
				if f.inner.Update(ctx, token, intent, lease) != nil {
					return errors.New("no rows")
				}
				return nil
			}
		},
		"a write makes a row": func(f *faulty) {
			f.update = func(ctx context.Context, token string, intent kopokopo.Intent, lease time.Duration) error {
				if have, err := f.inner.Get(ctx, intent.Key); err == nil && have.State == kopokopo.IntentFree && intent.State != kopokopo.IntentFree {
					_, err = f.inner.Begin(ctx, intent, lease)
					return err
				}
				return f.inner.Update(ctx, token, intent, lease)
			}
		},
	},
	"a write that stands succeeds again": {
		"the second is lost": func(f *faulty) {
			f.update = func(ctx context.Context, token string, intent kopokopo.Intent, lease time.Duration) error {
				if intent.State != kopokopo.IntentFree && f.remember("update "+intent.Token, "done") == "done" {
					return kopokopo.ErrLeaseLost
				}
				return f.inner.Update(ctx, token, intent, lease)
			}
		},
		"freeing again is an error": func(f *faulty) {
			f.update = func(ctx context.Context, token string, intent kopokopo.Intent, lease time.Duration) error {
				if have, _ := f.inner.Get(ctx, intent.Key); have.State == kopokopo.IntentFree {
					return kopokopo.ErrLeaseLost
				}
				return f.inner.Update(ctx, token, intent, lease)
			}
		},
		"a begin again is somebody else's": func(f *faulty) {
			f.begin = func(ctx context.Context, intent kopokopo.Intent, lease time.Duration) (kopokopo.Intent, error) {
				if f.remember("begin "+intent.Token, "done") == "done" {
					return kopokopo.Intent{}, errors.New("duplicate key")
				}
				return f.inner.Begin(ctx, intent, lease)
			}
		},
	},
	"a freed key is a new one": {
		"it stays": func(f *faulty) {
			f.update = func(ctx context.Context, token string, intent kopokopo.Intent, lease time.Duration) error {
				if intent.State == kopokopo.IntentFree {
					intent.State = kopokopo.IntentInDoubt
				}
				return f.inner.Update(ctx, token, intent, lease)
			}
		},
		"the old id is back": func(f *faulty) {
			ids := map[string]string{}
			f.update = func(ctx context.Context, token string, intent kopokopo.Intent, lease time.Duration) error {
				f.mu.Lock()
				ids[intent.Key] = intent.ID
				f.mu.Unlock()
				return f.inner.Update(ctx, token, intent, lease)
			}
			f.begin = func(ctx context.Context, intent kopokopo.Intent, lease time.Duration) (kopokopo.Intent, error) {
				f.mu.Lock()
				intent.ID = ids[intent.Key]
				f.mu.Unlock()
				return f.inner.Begin(ctx, intent, lease)
			}
		},
		"the old digest is back": func(f *faulty) {
			f.begin = func(ctx context.Context, intent kopokopo.Intent, lease time.Duration) (kopokopo.Intent, error) {
				if first := f.remember("digest "+intent.Key, string(intent.Digest[:])); first != "" {
					copy(intent.Digest[:], first)
				}
				return f.inner.Begin(ctx, intent, lease)
			}
		},
	},
}

// digestAsText ends a digest at its first zero byte, as a text would.
func digestAsText(i *kopokopo.Intent) {
	if end := slices.Index(i.Digest[:], 0); end >= 0 {
		clear(i.Digest[end:])
	}
}

// updatingFrom is a store whose update keeps something of what stands there.
func updatingFrom(keep func(have kopokopo.Intent, intent *kopokopo.Intent)) func(*faulty) {
	return func(f *faulty) {
		f.update = func(ctx context.Context, token string, intent kopokopo.Intent, lease time.Duration) error {
			have, err := f.inner.Get(ctx, intent.Key)
			if err != nil {
				return err
			}
			keep(have, &intent)
			return f.inner.Update(ctx, token, intent, lease)
		}
	}
}
