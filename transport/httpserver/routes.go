package httpserver

import (
	"net/http"
	"slices"

	"ahriman/transport/api"
)

// addRoutes fills the mux: each path once, with what its methods do. Paths of
// parts that the configuration leaves out do not exist.
func (s *Server) addRoutes() {
	s.add("/{$}", route{"GET": {api.AccessUnauthorized, s.page}})
	s.add(api.PathHealth, route{"GET": serveJSON(api.AccessUnauthorized, health)})
	s.add(api.PathLogin, route{"POST": {api.AccessUnauthorized, s.login}})
	s.add(api.PathLogout, route{"POST": {api.AccessUnauthorized, s.logout}})
	s.add(api.PathInfo, route{"GET": serveJSON(api.AccessUnauthorized, s.info)})
	s.add(api.PathInfoV2, route{"GET": serveJSON(api.AccessUnauthorized, s.infoV2)})
	s.add(api.PathNode, route{"GET": serveJSON(api.AccessUnauthorized, s.node)})
	s.add(api.PathMetrics, route{"GET": {api.AccessUnauthorized, s.metrics}})
	s.add(api.PathRepositories, route{"GET": serveJSON(api.AccessRead, s.repositories)})
	s.add(api.PathEvents, route{
		"GET":  serveJSON(api.AccessFull, inRepository(s, s.getEvents)),
		"POST": serveJSON(api.AccessFull, inRepository(s, s.postEvent)),
	})
	s.add(api.PathEventStream, route{"GET": {api.AccessRead, s.eventStream}})
	s.add(api.PathDistributed, route{
		"GET":    serveJSON(api.AccessFull, s.getWorkers),
		"POST":   serveJSON(api.AccessFull, s.postWorker),
		"DELETE": serveJSON(api.AccessFull, s.deleteWorkers),
	})
	s.add(api.PathNodeWorker, route{"DELETE": serveJSON(api.AccessFull, s.deleteWorker)})
	s.addServiceRoutes()
	if !s.config.ServiceOnly {
		s.addStatusRoutes()
	}
	s.addFileRoutes()
	s.mux.Handle("/", s.handler(s.unknown))
}

func (s *Server) add(path string, r route) {
	s.mux.Handle(path, s.handler(func(c *call) error { return s.dispatch(c, r) }))
}

// addStatusRoutes adds what web.service_only leaves out.
func (s *Server) addStatusRoutes() {
	s.add(api.PathStatus, route{
		"GET":  serveJSON(api.AccessRead, inRepository(s, s.getStatus)),
		"POST": serveJSON(api.AccessFull, inRepository(s, s.postStatus)),
	})
	s.add(pathPackagePage, route{"GET": {api.AccessUnauthorized, s.packagePage}})
	packages := route{"GET": serveDocument(api.AccessRead, s.getPackages)}
	if s.config.Refresh != nil {
		packages["POST"] = serveJSON(api.AccessFull, inRepository(s, s.refresh))
	}
	s.add(api.PathPackages, packages)
	s.add(api.PathPackage, route{
		"GET":    serveJSON(api.AccessRead, inRepository(s, s.getPackage)),
		"POST":   serveJSON(api.AccessFull, inRepository(s, s.postPackage)),
		"DELETE": serveJSON(api.AccessFull, inRepository(s, s.deletePackage)),
	})
	s.add(api.PathChanges, route{
		"GET":  serveJSON(api.AccessReporter, inRepository(s, s.getChanges)),
		"POST": serveJSON(api.AccessFull, inRepository(s, s.postChanges)),
	})
	s.add(api.PathDependencies, route{
		"GET":  serveJSON(api.AccessReporter, inRepository(s, s.getDependencies)),
		"POST": serveJSON(api.AccessFull, inRepository(s, s.postDependencies)),
	})
	s.add(api.PathHold, route{"POST": serveJSON(api.AccessFull, inRepository(s, s.postHold))})
	s.add(api.PathArchives, route{"GET": serveJSON(api.AccessReporter, s.getArchives)})
	s.add(api.PathPatches, route{
		"GET":  serveJSON(api.AccessReporter, s.getPatches),
		"POST": serveJSON(api.AccessFull, s.postPatch),
	})
	s.add(api.PathPatch, route{
		"GET":    serveJSON(api.AccessReporter, s.getPatch),
		"DELETE": serveJSON(api.AccessFull, s.deletePatch),
	})
	s.add(api.PathLogs, route{
		"GET":    serveJSON(api.AccessReporter, inRepository(s, s.getLogs)),
		"POST":   serveJSON(api.AccessFull, inRepository(s, s.postLog)),
		"DELETE": serveJSON(api.AccessFull, inRepository(s, s.deleteLogs)),
	})
	s.add(api.PathLogsV2, route{"GET": serveJSON(api.AccessReporter, inRepository(s, s.getLogsV2))})
	s.add(api.PathNodeLogs, route{"POST": serveJSON(api.AccessFull, inRepository(s, s.postLogs))})
	s.add(api.PathRotateLogs, route{"DELETE": serveJSON(api.AccessFull, inRepository(s, s.rotateLogs))})
}

// addServiceRoutes adds uploads, jobs and the configuration.
func (s *Server) addServiceRoutes() {
	s.add(api.PathProcess, route{"GET": serveJSON(api.AccessReporter, s.getProcess)})
	s.add(api.PathNodeProcess, route{"GET": serveJSON(api.AccessReporter, s.getNodeProcess)})
	if s.config.Uploads {
		s.add(api.PathUpload, route{"POST": {api.AccessFull, s.upload}})
	}
	if s.config.Search != nil {
		s.add(api.PathSearch, route{"GET": serveJSON(api.AccessReporter, s.search)})
	}
	settings := route{}
	if s.config.Settings != nil {
		settings["GET"] = serveJSON(api.AccessFull, s.getSettings)
	}
	if s.config.Reload != nil {
		settings["POST"] = serveJSON(api.AccessFull, s.postSettings)
	}
	if len(settings) > 0 {
		s.add(api.PathConfig, settings)
	}
	if s.config.Submitter == nil {
		return
	}
	kinds := s.config.Submitter.Kinds()
	for _, job := range []struct {
		kind, path string
		do         endpoint
	}{
		{JobAdd, api.PathAdd, submit[api.AddRequest](s, api.AccessFull, JobAdd)},
		{JobRequest, api.PathRequest, submit[api.AddRequest](s, api.AccessReporter, JobRequest)},
		{JobUpdate, api.PathUpdate, submit[api.UpdateRequest](s, api.AccessFull, JobUpdate)},
		{JobRebuild, api.PathRebuild, submit[api.BasesRequest](s, api.AccessFull, JobRebuild)},
		{JobRemove, api.PathRemove, submit[api.BasesRequest](s, api.AccessFull, JobRemove)},
		{JobRollback, api.PathRollback, submit[api.RollbackRequest](s, api.AccessFull, JobRollback)},
	} {
		if slices.Contains(kinds, job.kind) {
			s.add(job.path, route{http.MethodPost: job.do})
		}
	}
}
