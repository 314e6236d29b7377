package app

import (
	"context"
	"log/slog"

	"ahriman/core/config"
	"ahriman/core/trigger"
)

// triggerOptions gives the triggers of a repository what they need: the master
// that the section status names, the store, and where to say what happens.
func triggerOptions(env *Env, s *config.Settings, messages *slog.Logger) trigger.Options {
	return trigger.Options{
		Settings: s, Output: env.Stdout, Messages: messages, Environ: env.Environ,
		Uploader:   func(service config.RemoteService) (trigger.Uploader, error) { return connect(s, &service) },
		Caller:     func() (trigger.Caller, error) { return connect(s, nil) },
		PublicKeys: newGPG(env, "").PublicKeys,
		RotateLogs: func(ctx context.Context, keep int) error { return rotateLogs(ctx, s, keep) },
	}
}

// rotateLogs removes old logs where they are kept: on the master when one is
// configured, else in the store.
func rotateLogs(ctx context.Context, s *config.Settings, keep int) error {
	if s.Status.Enabled && s.Status.Address != "" {
		to, err := connect(s, nil)
		if err != nil {
			return err
		}
		defer to.Client().Close()
		return to.RotateLogs(ctx, keep)
	}
	db, err := existingStore(ctx, s)
	if err != nil || db == nil {
		return err
	}
	defer db.Close()
	return db.RotateLogs(ctx, s.ID, keep)
}
