package trigger

import (
	"context"
	"sync"
	"time"
)

// Registrar makes this worker known to its master, which forgets it unless it
// is renewed.
type Registrar interface {
	Register(ctx context.Context) error
	Unregister(ctx context.Context) error
}

// newWorker registers while the process serves. A master that cannot be reached
// is tried again: it may be the one that is being restarted.
func newWorker(options Options) (trigger, error) {
	registrar := options.Registrar
	if registrar == nil {
		return trigger{}, nil
	}
	interval := options.Settings.Worker.TimeToLive / 4
	var cancel context.CancelFunc
	var renewing sync.WaitGroup
	return trigger{
		onStart: func(ctx context.Context) error {
			ctx, cancel = context.WithCancel(ctx)
			renewing.Go(func() { renew(ctx, registrar, interval, options) })
			return nil
		},
		onStop: func(ctx context.Context) error {
			if cancel == nil {
				return nil
			}
			cancel()
			renewing.Wait()
			return registrar.Unregister(ctx)
		},
	}, nil
}

// renew registers again and again. It says when the master goes and comes, not
// at each try.
func renew(ctx context.Context, registrar Registrar, interval time.Duration, options Options) {
	tick := time.NewTicker(max(interval, time.Millisecond))
	defer tick.Stop()
	for known, first := true, true; ; first = false {
		err := registrar.Register(ctx)
		switch {
		case ctx.Err() != nil:
			return
		case err != nil && known:
			options.Messages.Warn("not registered at the master, trying again", "error", err)
		case err == nil && (first || !known):
			options.Messages.Info("registered at the master")
		}
		known = err == nil
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}
