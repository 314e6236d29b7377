package app

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/url"

	"ahriman/core/config"
	"ahriman/core/trigger"
	"ahriman/transport/api"
)

// announce makes a node that serves known to its master as a worker, where
// build.triggers has the trigger for that, until stop is called. The first
// settings with it speak for the node.
func announce(ctx context.Context, all []*config.Settings, listening net.Addr, logger *slog.Logger) (stop func(), err error) {
	for _, s := range all {
		chain, err := workerChain(s, listening, logger)
		if err != nil {
			return nil, err
		}
		if chain == nil {
			continue
		}
		if err := chain.Start(ctx); err != nil {
			return nil, err
		}
		return func() {
			if err := chain.Stop(ctx); err != nil {
				logger.Warn("unregistering at the master", "error", err)
			}
		}, nil
	}
	return func() {}, nil
}

// workerChain is the trigger that registers; nil where it is not configured.
func workerChain(s *config.Settings, listening net.Addr, logger *slog.Logger) (*trigger.Chain, error) {
	names := []string{}
	for _, name := range s.Build.Triggers {
		if name == trigger.Worker {
			names = append(names[:0], name)
		}
	}
	if len(names) == 0 {
		return nil, nil
	}
	if !s.Status.Enabled || s.Status.Address == "" {
		return nil, Hinted(errors.New("a worker that registers needs a master"),
			"set address in the section status, or take "+trigger.Worker+" out of build.triggers")
	}
	to, err := connect(s, nil)
	if err != nil {
		return nil, err
	}
	worker := workerOf(s, listening)
	logger.Info("registering at the master", "master", to.Client().Address(), "address", worker.Address, "identifier", worker.Identifier)
	return trigger.New(names, trigger.Options{
		Settings: s, Messages: logger, Registrar: to.Client().Registration(worker),
	})
}

// workerOf is what the master is told: worker.address, else where others reach
// this node by its configuration, else where it listens; and worker.identifier,
// else host and port of the address.
func workerOf(s *config.Settings, listening net.Addr) api.Worker {
	worker := api.Worker{Address: s.Worker.Address, Identifier: s.Worker.Identifier}
	if worker.Address == "" && s.Web.UnixSocket == "" {
		worker.Address = s.WebAddress()
	}
	if worker.Address == "" {
		worker.Address = "http://" + listening.String()
	}
	if u, err := url.Parse(worker.Address); err == nil && worker.Identifier == "" {
		worker.Identifier = u.Host
	}
	return worker
}
