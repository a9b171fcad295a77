package kopokopotest

import (
	"context"
	"crypto/sha256"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/kopokopo-go/kopokopo"
)

// Faults that break more than one rule, depending on where they are.
var (
	errDown = errors.New("down")

	nothing   = func(*broken, context.Context, kopokopo.Claim) error { return nil }
	extendNot = func(*broken, context.Context, kopokopo.Claim, time.Duration) error { return nil }
	noting    = answered(func(*broken, *kopokopo.Claim) {}) // only notes the last token of each key
)

// brokenStores are stores with one fault each, by the rule that finds it.
var brokenStores = map[string]map[string]func(*broken){
	"one claim at a time": {
		"every claim is fresh":  answered(func(_ *broken, c *kopokopo.Claim) { c.State = kopokopo.ClaimFresh }),
		"a claim for each body": mistaken(func(key *string, digest *[sha256.Size]byte) { *key += string(digest[:]) }),
		"no state":              answered(func(_ *broken, c *kopokopo.Claim) { c.State = 0 }),
		"no key":                answered(func(_ *broken, c *kopokopo.Claim) { c.Key = "" }),
		"no digest":             answered(func(_ *broken, c *kopokopo.Claim) { c.Digest = [sha256.Size]byte{} }),
		"commit is down":        committing(func(*broken, context.Context, kopokopo.Claim) error { return errDown }),
		"claim is down": claiming(func(*broken, context.Context, string, [sha256.Size]byte, time.Duration) (kopokopo.Claim, error) {
			return kopokopo.Claim{}, errDown
		}),
	},
	"a crowd gets one claim": {
		"looks, then takes": answered(func(b *broken, c *kopokopo.Claim) {
			if c.State == kopokopo.ClaimFresh {
				b.count(c.Key)
				time.Sleep(time.Millisecond)
				b.count(c.Key)
			}
			if b.counted(c.Key) == 1 { // while the first is taking it
				c.State = kopokopo.ClaimFresh
			}
		}),
		"fails instead of waiting": claiming(func(b *broken, ctx context.Context, key string, digest [sha256.Size]byte, lease time.Duration) (kopokopo.Claim, error) {
			defer b.count("out")
			if b.count("in") > 1+b.counted("out") {
				return kopokopo.Claim{}, errors.New("database is locked")
			}
			time.Sleep(time.Millisecond)
			return b.DeliveryStore.Claim(ctx, key, digest, lease)
		}),
		"done instead of busy": answered(func(_ *broken, c *kopokopo.Claim) {
			if c.State == kopokopo.ClaimBusy {
				c.State = kopokopo.ClaimDone
			}
		}),
	},
	"many keys at once": {
		"one claim at a time over all keys": answered(func(b *broken, c *kopokopo.Claim) {
			if c.State != kopokopo.ClaimFresh {
				return
			}
			if b.count("in") > 1+b.counted("out") {
				c.State = kopokopo.ClaimBusy
			}
			time.Sleep(time.Millisecond)
			b.count("out")
		}),
	},
	"committed stays done": {
		"commit releases": committing(func(b *broken, ctx context.Context, c kopokopo.Claim) error {
			return b.DeliveryStore.Release(ctx, c)
		}),
		"commit does nothing": committing(nothing),
		"release undoes": both(releasing(func(b *broken, _ context.Context, c kopokopo.Claim) error { b.count(c.Key); return nil }),
			answered(func(b *broken, c *kopokopo.Claim) {
				if b.counted(c.Key) > 0 {
					c.State = kopokopo.ClaimFresh
				}
			})),
		"busy hides done": answered(func(b *broken, c *kopokopo.Claim) {
			if c.State == kopokopo.ClaimFresh && b.count(c.Key) == 2 {
				return
			}
			if c.State == kopokopo.ClaimDone && b.counted(c.Key) == 2 {
				c.State = kopokopo.ClaimBusy
			}
		}),
	},
	"committing twice is no error": {
		"the second is": committing(func(b *broken, ctx context.Context, c kopokopo.Claim) error {
			if b.count(c.Token) > 1 {
				return kopokopo.ErrLeaseLost
			}
			return b.DeliveryStore.Commit(ctx, c)
		}),
		"only the last commit of a key is known": committing(func(b *broken, ctx context.Context, c kopokopo.Claim) error {
			b.mu.Lock()
			defer b.mu.Unlock()
			if c.Token < b.last[c.Key] {
				return kopokopo.ErrLeaseLost
			}
			b.last[c.Key] = c.Token
			return b.DeliveryStore.Commit(ctx, c)
		}),
		"not while another body is in work": both(noting, committing(func(b *broken, ctx context.Context, c kopokopo.Claim) error {
			if b.unfenced(c).Token != c.Token {
				return kopokopo.ErrLeaseLost
			}
			return b.DeliveryStore.Commit(ctx, c)
		})),
	},
	"released can be claimed again": {
		"release does nothing": releasing(nothing),
		"release finishes": releasing(func(b *broken, ctx context.Context, c kopokopo.Claim) error {
			return b.DeliveryStore.Commit(ctx, c)
		}),
		"no fence": both(noting, releasing(func(b *broken, ctx context.Context, c kopokopo.Claim) error {
			return b.DeliveryStore.Release(ctx, b.unfenced(c))
		})),
		"commit says nothing": committing(func(b *broken, ctx context.Context, c kopokopo.Claim) error {
			if err := b.DeliveryStore.Commit(ctx, c); !errors.Is(err, kopokopo.ErrLeaseLost) {
				return err
			}
			return nil
		}),
		"another error": committing(func(b *broken, ctx context.Context, c kopokopo.Claim) error {
			if b.DeliveryStore.Commit(ctx, c) != nil {
				return errors.New("no rows")
			}
			return nil
		}),
		"releasing twice is an error": releasing(func(b *broken, ctx context.Context, c kopokopo.Claim) error {
			if b.count(c.Token) > 1 {
				return errors.New("no rows")
			}
			return b.DeliveryStore.Release(ctx, c)
		}),
	},
	"another body is a revision": {
		"always the first":     answered(func(_ *broken, c *kopokopo.Claim) { c.Revision = 1 }),
		"another body is done": digested(func(d *[sha256.Size]byte) { clear(d[:]) }),
		"claims are counted": answered(func(b *broken, c *kopokopo.Claim) {
			if c.State == kopokopo.ClaimFresh {
				c.Revision = b.count(c.Key)
			}
		}),
		"over all keys": answered(func(b *broken, c *kopokopo.Claim) {
			if c.Revision == 1 && b.count("claims") > 1 {
				c.Revision = 2
			}
		}),
	},
	"attempts are counted": {
		"never": answered(func(_ *broken, c *kopokopo.Claim) { c.Attempt = 0 }),
		"once":  answered(func(_ *broken, c *kopokopo.Claim) { c.Attempt = 1 }),
		"by key": answered(func(b *broken, c *kopokopo.Claim) {
			if c.State == kopokopo.ClaimFresh {
				c.Attempt = b.count(c.Key)
			}
		}),
		"busy claims too": answered(func(b *broken, c *kopokopo.Claim) { c.Attempt = b.count(body(*c)) }),
		"released ones only": both(answered(func(b *broken, c *kopokopo.Claim) { c.Attempt = 1 + b.counted(body(*c)) }),
			releasing(func(b *broken, ctx context.Context, c kopokopo.Claim) error {
				b.count(body(c))
				return b.DeliveryStore.Release(ctx, c)
			})),
	},
	"tokens rise": {
		"always the same": answered(func(_ *broken, c *kopokopo.Claim) { c.Token = 1 }),
		"falling":         answered(func(_ *broken, c *kopokopo.Claim) { c.Token = -c.Token }),
		"from 1 for each body": both(
			answered(func(b *broken, c *kopokopo.Claim) { c.Token = int64(b.count(body(*c))) }),
			both(releasing(func(b *broken, ctx context.Context, c kopokopo.Claim) error {
				return b.DeliveryStore.Release(ctx, b.unfenced(c))
			}), committing(func(b *broken, ctx context.Context, c kopokopo.Claim) error {
				return b.DeliveryStore.Commit(ctx, b.unfenced(c))
			}))),
	},
	"a lease lasts": {
		"it is over at once":       leased(func(time.Duration) time.Duration { return 0 }),
		"milliseconds for seconds": leased(func(d time.Duration) time.Duration { return d / 1000 }),
	},
	"a lease ends": {
		"never":                    leased(func(time.Duration) time.Duration { return 24 * time.Hour }),
		"seconds for milliseconds": leased(func(d time.Duration) time.Duration { return 1000 * d }),
		"commit says nothing": committing(func(b *broken, ctx context.Context, c kopokopo.Claim) error {
			_ = b.DeliveryStore.Commit(ctx, c)
			return nil
		}),
		"a late release is an error": releasing(func(b *broken, ctx context.Context, c kopokopo.Claim) error {
			if errors.Is(b.DeliveryStore.Extend(ctx, c, 0), kopokopo.ErrLeaseLost) {
				return kopokopo.ErrLeaseLost
			}
			return b.DeliveryStore.Release(ctx, c)
		}),
	},
	"late, but not taken over": {
		"lost with the lease": losing(func(b *broken, ended func(kopokopo.Claim) bool) {
			b.commit = func(ctx context.Context, c kopokopo.Claim) error {
				if ended(c) {
					return kopokopo.ErrLeaseLost
				}
				return b.DeliveryStore.Commit(ctx, c)
			}
		}),
		"says that it committed": losing(func(b *broken, ended func(kopokopo.Claim) bool) {
			b.commit = func(ctx context.Context, c kopokopo.Claim) error {
				if ended(c) {
					return b.DeliveryStore.Release(ctx, c)
				}
				return b.DeliveryStore.Commit(ctx, c)
			}
		}),
	},
	"extending keeps a claim": {
		"it does nothing": extending(extendNot),
		"it is down":      extending(func(*broken, context.Context, kopokopo.Claim, time.Duration) error { return errDown }),
		"for ever": extending(func(b *broken, ctx context.Context, c kopokopo.Claim, _ time.Duration) error {
			return b.DeliveryStore.Extend(ctx, c, 24*time.Hour)
		}),
		"it can shorten": extending(func(b *broken, ctx context.Context, c kopokopo.Claim, lease time.Duration) error {
			if lease < 2*shortLease {
				return b.DeliveryStore.Release(ctx, c) // which is as short as it gets
			}
			return b.DeliveryStore.Extend(ctx, c, lease)
		}),
		"lost with the lease": losing(func(b *broken, ended func(kopokopo.Claim) bool) {
			b.extend = func(ctx context.Context, c kopokopo.Claim, lease time.Duration) error {
				if ended(c) {
					return kopokopo.ErrLeaseLost
				}
				return b.DeliveryStore.Extend(ctx, c, lease)
			}
		}),
	},
	"extending what is lost": {
		"it says nothing": extending(func(b *broken, ctx context.Context, c kopokopo.Claim, lease time.Duration) error {
			if err := b.DeliveryStore.Extend(ctx, c, lease); !errors.Is(err, kopokopo.ErrLeaseLost) {
				return err
			}
			return nil
		}),
		"another error": extending(func(b *broken, ctx context.Context, c kopokopo.Claim, lease time.Duration) error {
			if b.DeliveryStore.Extend(ctx, c, lease) != nil {
				return errors.New("no rows")
			}
			return nil
		}),
		"no fence": both(noting, extending(func(b *broken, ctx context.Context, c kopokopo.Claim, lease time.Duration) error {
			err := b.DeliveryStore.Extend(ctx, c, lease)
			_ = b.DeliveryStore.Extend(ctx, b.unfenced(c), lease)
			return err
		})),
	},
	"extending what is committed": {
		"it is lost": both(committing(func(b *broken, ctx context.Context, c kopokopo.Claim) error {
			b.count(c.Token)
			return b.DeliveryStore.Commit(ctx, c)
		}), extending(func(b *broken, ctx context.Context, c kopokopo.Claim, lease time.Duration) error {
			if b.counted(c.Token) > 0 {
				return kopokopo.ErrLeaseLost
			}
			return b.DeliveryStore.Extend(ctx, c, lease)
		})),
		"it extends the next claim": both(noting, extending(func(b *broken, ctx context.Context, c kopokopo.Claim, lease time.Duration) error {
			next := b.unfenced(c)
			next.Digest = digest("2")
			_ = b.DeliveryStore.Extend(ctx, next, lease)
			return b.DeliveryStore.Extend(ctx, c, lease)
		})),
	},
	"keys are exact": {
		"case":            keyed(strings.ToLower),
		"trailing spaces": keyed(func(key string) string { return strings.TrimRight(key, " ") }),
		"leading spaces":  keyed(func(key string) string { return strings.ReplaceAll(key, ": ", ":") }),
		"cut off":         keyed(func(key string) string { return key[:min(len(key), 100)] }),
		"one cut off":     keyed(func(key string) string { return key[:min(len(key), 254)] }),
		"patterns":        keyed(func(key string) string { return strings.ReplaceAll(key, "_", "%") }),
		"quotes":          keyed(func(key string) string { return strings.ReplaceAll(key, "'", `"`) }),
		"escapes":         keyed(func(key string) string { return strings.TrimSuffix(key, `\`) }),
		"long ones are refused": claiming(func(b *broken, ctx context.Context, key string, digest [sha256.Size]byte, lease time.Duration) (kopokopo.Claim, error) {
			if len(key) > 254 {
				return kopokopo.Claim{}, errors.New("value too long")
			}
			return b.DeliveryStore.Claim(ctx, key, digest, lease)
		}),
	},
	"digests are exact": {
		"cut off":   digested(func(d *[sha256.Size]byte) { clear(d[16:]) }),
		"first bit": digested(func(d *[sha256.Size]byte) { d[0] |= 1 }),
		"last bit":  digested(func(d *[sha256.Size]byte) { d[31] |= 1 }),
		"as text": digested(func(d *[sha256.Size]byte) {
			if end := slices.Index(d[:], 0); end >= 0 {
				clear(d[end:])
			}
		}),
	},
	"the context is honoured": {
		"not by Claim": claiming(func(b *broken, ctx context.Context, key string, digest [sha256.Size]byte, lease time.Duration) (kopokopo.Claim, error) {
			return b.DeliveryStore.Claim(context.WithoutCancel(ctx), key, digest, lease)
		}),
		"Claim claims all the same": claiming(func(b *broken, ctx context.Context, key string, digest [sha256.Size]byte, lease time.Duration) (kopokopo.Claim, error) {
			c, _ := b.DeliveryStore.Claim(context.WithoutCancel(ctx), key, digest, lease)
			return c, ctx.Err()
		}),
		"not by Extend": extending(func(b *broken, ctx context.Context, c kopokopo.Claim, lease time.Duration) error {
			return b.DeliveryStore.Extend(context.WithoutCancel(ctx), c, lease)
		}),
		"Extend extends all the same": extending(func(b *broken, ctx context.Context, c kopokopo.Claim, lease time.Duration) error {
			return errors.Join(b.DeliveryStore.Extend(context.WithoutCancel(ctx), c, lease), ctx.Err())
		}),
		"not by Commit": committing(func(b *broken, ctx context.Context, c kopokopo.Claim) error {
			return b.DeliveryStore.Commit(context.WithoutCancel(ctx), c)
		}),
		"Commit commits all the same": committing(func(b *broken, ctx context.Context, c kopokopo.Claim) error {
			return errors.Join(b.DeliveryStore.Commit(context.WithoutCancel(ctx), c), ctx.Err())
		}),
		"not by Release": releasing(func(b *broken, ctx context.Context, c kopokopo.Claim) error {
			return b.DeliveryStore.Release(context.WithoutCancel(ctx), c)
		}),
		"Release releases all the same": releasing(func(b *broken, ctx context.Context, c kopokopo.Claim) error {
			return errors.Join(b.DeliveryStore.Release(context.WithoutCancel(ctx), c), ctx.Err())
		}),
	},
	"ended leases make room": {
		"not behind a long one": func(b *broken) {
			var ends []time.Time // the first has to end before those behind it are looked at
			b.claim = func(ctx context.Context, key string, digest [sha256.Size]byte, lease time.Duration) (kopokopo.Claim, error) {
				b.mu.Lock()
				defer b.mu.Unlock()
				for len(ends) > 0 && !time.Now().Before(ends[0]) {
					ends = ends[1:]
				}
				if len(ends) >= 300 {
					return kopokopo.Claim{}, kopokopo.ErrStoreFull
				}
				c, err := b.DeliveryStore.Claim(ctx, key, digest, lease)
				if strings.Contains(key, "short-") || strings.HasSuffix(key, "long") || strings.Contains(key, "next-") {
					ends = append(ends, time.Now().Add(lease))
				}
				return c, err
			}
		},
	},
	"reopened, nothing is forgotten": {
		"cannot be reopened": reopening(func(kopokopo.DeliveryStore) (kopokopo.DeliveryStore, error) {
			return nil, errors.New("locked")
		}),
		"all is forgotten":       reopening(func(kopokopo.DeliveryStore) (kopokopo.DeliveryStore, error) { return memory(), nil }),
		"attempts are forgotten": afterReopening(answered(func(_ *broken, c *kopokopo.Claim) { c.Attempt = 1 })),
		"revisions are":          afterReopening(answered(func(_ *broken, c *kopokopo.Claim) { c.Revision = 1 })),
		"tokens begin again":     afterReopening(answered(func(_ *broken, c *kopokopo.Claim) { c.Token = 1 })),
		"claims are forgotten": afterReopening(answered(func(_ *broken, c *kopokopo.Claim) {
			if c.State == kopokopo.ClaimBusy {
				c.State = kopokopo.ClaimFresh
			}
		})),
		"who committed is": afterReopening(committing(func(*broken, context.Context, kopokopo.Claim) error { return kopokopo.ErrLeaseLost })),
		"who claimed is": afterReopening(extending(func(*broken, context.Context, kopokopo.Claim, time.Duration) error {
			return kopokopo.ErrLeaseLost
		})),
		"leases last for ever": afterReopening(answered(func(b *broken, c *kopokopo.Claim) {
			if strings.HasSuffix(c.Key, "short") {
				c.State = kopokopo.ClaimBusy
			}
		})),
	},
}
