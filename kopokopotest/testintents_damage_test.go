package kopokopotest

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/kopokopo-go/kopokopo"
)

// brokenKeys are more of brokenIntents: of the rules about leases, keys, lists and
// reopening.
var brokenKeys = map[string]map[string]func(*faulty){
	"a lease lasts": {
		"it is over at once":       beginning(func(_ *kopokopo.Intent, lease *time.Duration) { *lease = 0 }),
		"milliseconds for seconds": beginning(func(_ *kopokopo.Intent, lease *time.Duration) { *lease /= 1000 }),
		"listed as in doubt": func(f *faulty) {
			f.list = func(ctx context.Context, state kopokopo.IntentState, after string, limit int) ([]kopokopo.Intent, error) {
				if state == kopokopo.IntentInDoubt {
					state = kopokopo.IntentSending
				}
				return f.inner.List(ctx, state, after, limit)
			}
		},
	},
	"a lease ends, and the key is not free": {
		"it never ends": beginning(func(_ *kopokopo.Intent, lease *time.Duration) { *lease *= 1000 }),
		"it is free":    takingOver(func(have kopokopo.Intent) bool { return have.State == kopokopo.IntentSending && !have.Alive }),
		"it is forgotten": answering(func(_ *faulty, have *kopokopo.Intent) {
			if have.State == kopokopo.IntentSending && !have.Alive {
				have.State = kopokopo.IntentFree
			}
		}),
		"its sender comes too late": func(f *faulty) {
			f.update = func(ctx context.Context, token string, intent kopokopo.Intent, lease time.Duration) error {
				if have, err := f.inner.Get(ctx, intent.Key); err == nil && have.State == kopokopo.IntentSending && !have.Alive {
					return kopokopo.ErrLeaseLost
				}
				return f.inner.Update(ctx, token, intent, lease)
			}
		},
	},
	"a lease begins anew": {
		"it does not":   updating(func(_ *string, _ *kopokopo.Intent, lease *time.Duration) { *lease = min(*lease, shortLease) }),
		"it never ends": updating(func(_ *string, _ *kopokopo.Intent, lease *time.Duration) { *lease *= 1000 }),
	},
	"keys are exact": {
		"case":        naming(strings.ToLower),
		"the end":     naming(func(key string) string { return strings.TrimRight(key, ".!") }),
		"cut off":     naming(func(key string) string { return key[:min(len(key), 100)] }),
		"one cut off": naming(func(key string) string { return key[:min(len(key), 127)] }),
		"patterns":    naming(func(key string) string { return strings.ReplaceAll(key, "_", "%") }),
		"quotes":      naming(func(key string) string { return strings.ReplaceAll(key, "'", `"`) }),
		"escapes":     naming(func(key string) string { return strings.TrimSuffix(key, `\`) }),
		"beginnings": func(f *faulty) {
			f.get = func(ctx context.Context, key string) (kopokopo.Intent, error) {
				if strings.HasSuffix(key, ".") {
					key += "!"
				}
				return f.inner.Get(ctx, key)
			}
		},
		"short ones are refused": func(f *faulty) {
			f.begin = func(ctx context.Context, intent kopokopo.Intent, lease time.Duration) (kopokopo.Intent, error) {
				if len(intent.Key) < 2 {
					return kopokopo.Intent{}, errors.New("value too short")
				}
				return f.inner.Begin(ctx, intent, lease)
			}
		},
	},
	"lists are in order": {
		"as a dictionary": paging(func(all []kopokopo.Intent, after string, limit int) []kopokopo.Intent {
			slices.SortFunc(all, func(a, b kopokopo.Intent) int {
				return strings.Compare(strings.ToLower(a.Key), strings.ToLower(b.Key))
			})
			return all[:min(len(all), limit)]
		}),
		"newest first": paging(func(all []kopokopo.Intent, _ string, limit int) []kopokopo.Intent {
			slices.Reverse(all)
			return all[:min(len(all), limit)]
		}),
		"no limit": paging(func(all []kopokopo.Intent, _ string, _ int) []kopokopo.Intent { return all }),
		"one is left out at each page": paging(func(all []kopokopo.Intent, after string, limit int) []kopokopo.Intent {
			if strings.Count(after, ":") == 1 && !strings.HasSuffix(after, ":") && len(all) > 1 {
				all = all[1:]
			}
			return all[:min(len(all), limit)]
		}),
		"one page only": func(f *faulty) {
			f.list = func(ctx context.Context, state kopokopo.IntentState, after string, limit int) ([]kopokopo.Intent, error) {
				if !strings.HasSuffix(after, ":") {
					return nil, nil
				}
				return f.inner.List(ctx, state, after, limit)
			}
		},
	},
	"lists are by state": {
		"what has ended is not in doubt": func(f *faulty) {
			f.list = func(ctx context.Context, state kopokopo.IntentState, after string, limit int) ([]kopokopo.Intent, error) {
				page, err := f.inner.List(ctx, state, after, limit)
				return slices.DeleteFunc(page, func(i kopokopo.Intent) bool { return i.State != state }), err
			}
		},
		"what has ended is not being sent": func(f *faulty) {
			f.list = func(ctx context.Context, state kopokopo.IntentState, after string, limit int) ([]kopokopo.Intent, error) {
				page, err := f.inner.List(ctx, state, after, limit)
				return slices.DeleteFunc(page, func(i kopokopo.Intent) bool { return state == kopokopo.IntentSending && !i.Alive }), err
			}
		},
		"final is created too": func(f *faulty) {
			f.list = func(ctx context.Context, state kopokopo.IntentState, after string, limit int) ([]kopokopo.Intent, error) {
				page, err := f.inner.List(ctx, state, after, limit)
				if err != nil || state != kopokopo.IntentCreated {
					return page, err
				}
				more, err := f.inner.List(ctx, kopokopo.IntentFinal, after, limit)
				page = append(page, more...)
				slices.SortFunc(page, func(a, b kopokopo.Intent) int { return strings.Compare(a.Key, b.Key) })
				return page[:min(len(page), limit)], err
			}
		},
		"nobody is alive in a list": func(f *faulty) {
			f.list = func(ctx context.Context, state kopokopo.IntentState, after string, limit int) ([]kopokopo.Intent, error) {
				page, err := f.inner.List(ctx, state, after, limit)
				for i := range page {
					page[i].Alive = false
				}
				return page, err
			}
		},
	},
	"the context is honoured": {
		"not by Begin": func(f *faulty) {
			f.begin = func(ctx context.Context, intent kopokopo.Intent, lease time.Duration) (kopokopo.Intent, error) {
				return f.inner.Begin(context.WithoutCancel(ctx), intent, lease)
			}
		},
		"Begin takes all the same": func(f *faulty) {
			f.begin = func(ctx context.Context, intent kopokopo.Intent, lease time.Duration) (kopokopo.Intent, error) {
				have, _ := f.inner.Begin(context.WithoutCancel(ctx), intent, lease)
				return have, ctx.Err()
			}
		},
		"not by Update": func(f *faulty) {
			f.update = func(ctx context.Context, token string, intent kopokopo.Intent, lease time.Duration) error {
				return f.inner.Update(context.WithoutCancel(ctx), token, intent, lease)
			}
		},
		"Update writes all the same": func(f *faulty) {
			f.update = func(ctx context.Context, token string, intent kopokopo.Intent, lease time.Duration) error {
				return errors.Join(f.inner.Update(context.WithoutCancel(ctx), token, intent, lease), ctx.Err())
			}
		},
		"not by Get": func(f *faulty) {
			f.get = func(ctx context.Context, key string) (kopokopo.Intent, error) {
				return f.inner.Get(context.WithoutCancel(ctx), key)
			}
		},
		"not by List": func(f *faulty) {
			f.list = func(ctx context.Context, state kopokopo.IntentState, after string, limit int) ([]kopokopo.Intent, error) {
				return f.inner.List(context.WithoutCancel(ctx), state, after, limit)
			}
		},
	},
	"reopened, nothing is forgotten": {
		"cannot be reopened": func(f *faulty) {
			f.reopen = func(kopokopo.IntentStore) (kopokopo.IntentStore, error) { return nil, errors.New("locked") }
		},
		"all is forgotten": func(f *faulty) {
			f.reopen = func(kopokopo.IntentStore) (kopokopo.IntentStore, error) { return memoryIntents(), nil }
		},
		"leases are forgotten": reopenedAs(answering(func(_ *faulty, have *kopokopo.Intent) { have.Alive = false })),
		"what is in doubt is forgotten": reopenedAs(answering(func(_ *faulty, have *kopokopo.Intent) {
			if have.State == kopokopo.IntentInDoubt {
				have.State = kopokopo.IntentFree
			}
		})),
		"final is forgotten": reopenedAs(answering(func(_ *faulty, have *kopokopo.Intent) {
			if have.State == kopokopo.IntentFinal {
				have.State = kopokopo.IntentCreated
			}
		})),
		"tokens are forgotten": reopenedAs(answering(func(_ *faulty, have *kopokopo.Intent) { have.Token = "" })),
		"times are forgotten":  reopenedAs(answering(func(_ *faulty, have *kopokopo.Intent) { have.Updated = have.Updated.Add(time.Minute) })),
		"ids are forgotten":    reopenedAs(answering(func(_ *faulty, have *kopokopo.Intent) { have.ID = "" })),
	},
}

// paging is a store that makes its pages in a way of its own, of all that comes after.
func paging(page func(all []kopokopo.Intent, after string, limit int) []kopokopo.Intent) func(*faulty) {
	return func(f *faulty) {
		f.list = func(ctx context.Context, state kopokopo.IntentState, after string, limit int) ([]kopokopo.Intent, error) {
			all, err := f.inner.List(ctx, state, after, 10_000)
			return page(all, after, limit), err
		}
	}
}
