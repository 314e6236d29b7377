package app

import "context"

// webReload makes the web service read its configuration again.
type webReload struct{}

// Help has the examples.
func (webReload) Help() string {
	return `Asks the service that section status names, the one of this machine by default. Where it listens, and where its store is, changes only with a new start.

Example:

    ahriman web-reload`
}

// Run asks for it.
func (c *webReload) Run(ctx context.Context, env *Env, globals *Globals) error {
	all, err := globals.settings(env)
	if err != nil {
		return err
	}
	service, err := connect(all[0], nil)
	if err != nil {
		return err
	}
	defer service.Client().Close()
	return service.Client().Reload(ctx)
}
