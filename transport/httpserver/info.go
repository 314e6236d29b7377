package httpserver

import (
	"errors"
	"fmt"
	"slices"

	"ahriman/core/store"
	"ahriman/transport/api"
)

func health(*call, nothing) (nothing, error) { return nothing{}, nil }

func (s *Server) infoRepositories() []api.InfoRepository {
	list := []api.InfoRepository{}
	for _, r := range s.config.Repositories {
		list = append(list, api.InfoRepositoryOf(api.RepositoryOf(r.ID)))
	}
	return list
}

func (s *Server) info(*call, nothing) (api.Info, error) {
	return api.Info{Auth: s.config.Auth.Enabled, Repositories: s.infoRepositories(), Version: s.config.Version}, nil
}

func (s *Server) infoV2(c *call, _ nothing) (api.InfoV2, error) {
	who, err := s.identify(c)
	if err != nil {
		return api.InfoV2{}, err
	}
	answer := api.InfoV2{
		Auth:                 api.InfoAuth{Enabled: s.config.Auth.Enabled, Username: who.name},
		AutorefreshIntervals: []api.AutorefreshInterval{},
		IndexURL:             s.config.IndexURL,
		Repositories:         s.infoRepositories(),
		Version:              s.config.Version,
	}
	for _, seconds := range slices.Sorted(slices.Values(s.config.Intervals)) {
		answer.AutorefreshIntervals = append(answer.AutorefreshIntervals, api.AutorefreshInterval{
			Interval: seconds * 1000, IsActive: seconds == s.config.Intervals[0], Text: intervalText(seconds),
		})
	}
	return answer, nil
}

// intervalText is "5 seconds", "1 minute" and so on.
func intervalText(seconds int) string {
	n, unit := seconds, "second"
	for _, next := range []string{"minute", "hour"} {
		if n < 60 || n%60 != 0 {
			break
		}
		n, unit = n/60, next
	}
	if n != 1 {
		unit += "s"
	}
	return fmt.Sprintf("%d %s", n, unit)
}

func (s *Server) node(*call, nothing) (api.Node, error) {
	node := api.Node{Version: s.config.Version, Features: []api.Feature{api.FeatureProcessOutcome, api.FeatureWorkers}}
	if !s.config.ServiceOnly {
		node.Features = append(node.Features, api.FeatureLogBatch)
	}
	if s.config.Uploads {
		node.Features = append(node.Features, api.FeatureUploadDigest, api.FeatureUploadSets)
	}
	return node, nil
}

func (s *Server) repositories(*call, nothing) ([]api.Repository, error) {
	list := []api.Repository{}
	for _, r := range s.config.Repositories {
		list = append(list, api.RepositoryOf(r.ID))
	}
	return list, nil
}

func (s *Server) getSettings(*call, nothing) ([]api.ConfigEntry, error) {
	return s.config.Settings()
}

func (s *Server) postSettings(c *call, _ nothing) (nothing, error) {
	return nothing{}, s.config.Reload(c.Context())
}

func (s *Server) getWorkers(c *call, _ nothing) ([]api.Worker, error) {
	workers, err := s.config.Store.Workers(c.Context())
	list := []api.Worker{}
	for _, w := range workers {
		list = append(list, api.Worker{Address: w.Address, Identifier: w.Identifier})
	}
	return list, err
}

func (s *Server) postWorker(c *call, w api.Worker) (nothing, error) {
	return nothing{}, taken(s.config.Store.RegisterWorker(c.Context(), store.Worker{
		Identifier: w.Identifier, Address: w.Address, User: c.who.name,
	}, s.config.WorkerLive))
}

func (s *Server) deleteWorkers(c *call, _ nothing) (nothing, error) {
	return nothing{}, s.config.Store.RemoveWorkers(c.Context())
}

func (s *Server) deleteWorker(c *call, _ nothing) (nothing, error) {
	user := c.who.name
	if c.who.access.Allows(api.ScopeManage) {
		user = "" // anyone's
	}
	return nothing{}, taken(s.config.Store.RemoveWorker(c.Context(), c.PathValue("identifier"), user))
}

// taken makes another user's worker a refusal.
func taken(err error) error {
	if errors.Is(err, store.ErrTaken) {
		return api.Errorf(api.ErrForbidden, "the worker is another user's")
	}
	return err
}
