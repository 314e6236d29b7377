package httpserver

import (
	"net/http"
	"slices"

	"ahriman/transport/api"
)

// addRoutes fills the mux: each path once, with what its methods do. Paths of
// parts that the configuration leaves out do not exist.
func (s *Server) addRoutes() {
	s.add("/{$}", route{"GET": serve(api.ScopePublic, s.page)})
	s.add(pathLoginPage, route{"GET": serve(api.ScopePublic, s.page), "POST": serve(api.ScopePublic, s.loginPage)})
	s.add(pathLogoutPage, route{"POST": serve(api.ScopePublic, s.logoutPage)})
	s.add(pathDocs, route{"GET": serveJSON(api.ScopePublic, s.docs)})
	s.add(api.PathHealth, route{"GET": serveJSON(api.ScopePublic, health)})
	s.add(api.PathLogin, route{"POST": serve(api.ScopePublic, s.login)})
	s.add(api.PathLogout, route{"POST": serve(api.ScopePublic, s.logout)})
	s.add(api.PathInfo, route{"GET": serveJSON(api.ScopePublic, s.info)})
	s.add(api.PathInfoV2, route{"GET": serveJSON(api.ScopePublic, s.infoV2)})
	s.add(api.PathNode, route{"GET": serveJSON(api.ScopePublic, s.node)})
	s.add(api.PathMetrics, route{"GET": serve(api.ScopePublic, s.metrics)})
	s.add(api.PathRepositories, route{"GET": serveJSON(api.ScopeRead, s.repositories)})
	s.add(api.PathEvents, route{
		"GET":  serveJSON(api.ScopeManage, inRepository(s, s.getEvents)),
		"POST": serveJSON(api.ScopeReport, inRepository(s, s.postEvent)),
	})
	s.add(api.PathEventStream, route{"GET": serve(api.ScopeRead, s.eventStream)})
	s.add(api.PathDistributed, route{
		"GET":    serveJSON(api.ScopeManage, s.getWorkers),
		"POST":   serveJSON(api.ScopeRegister, s.postWorker),
		"DELETE": serveJSON(api.ScopeManage, s.deleteWorkers),
	})
	s.add(api.PathNodeWorker, route{"DELETE": serveJSON(api.ScopeRegister, s.deleteWorker)})
	s.addServiceRoutes()
	if !s.config.ServiceOnly {
		s.addStatusRoutes()
	}
	s.addFileRoutes()
	if s.config.Builds != nil {
		for path, r := range s.config.Builds.routes() {
			s.add(path, r)
		}
	}
	s.mux.Handle("/", s.handler(s.unknown))
}

func (s *Server) add(path string, r route) {
	s.routes[path] = r
	s.mux.Handle(path, s.handler(func(c *call) error { return s.dispatch(c, r) }))
}

// addStatusRoutes adds what web.service_only leaves out.
func (s *Server) addStatusRoutes() {
	s.add(api.PathStatus, route{
		"GET":  serveJSON(api.ScopeRead, inRepository(s, s.getStatus)),
		"POST": serveJSON(api.ScopeReport, inRepository(s, s.postStatus)),
	})
	s.add(pathPackagePage, route{"GET": serve(api.ScopePublic, s.packagePage)})
	packages := route{"GET": serveDocument[[]api.PackageEntry](api.ScopeRead, s.getPackages)}
	if s.config.Refresh != nil {
		packages["POST"] = serveJSON(api.ScopeManage, inRepository(s, s.refresh))
	}
	s.add(api.PathPackages, packages)
	s.add(api.PathPackage, route{
		"GET":    serveJSON(api.ScopeRead, inRepository(s, s.getPackage)),
		"POST":   serveJSON(api.ScopeReport, inRepository(s, s.postPackage)),
		"DELETE": serveJSON(api.ScopeManage, inRepository(s, s.deletePackage)),
	})
	s.add(api.PathChanges, route{
		"GET":  serveJSON(api.ScopeInspect, inRepository(s, s.getChanges)),
		"POST": serveJSON(api.ScopeReport, inRepository(s, s.postChanges)),
	})
	s.add(api.PathDependencies, route{
		"GET":  serveJSON(api.ScopeInspect, inRepository(s, s.getDependencies)),
		"POST": serveJSON(api.ScopeReport, inRepository(s, s.postDependencies)),
	})
	s.add(api.PathHold, route{"POST": serveJSON(api.ScopeManage, inRepository(s, s.postHold))})
	s.add(api.PathArchives, route{"GET": serveJSON(api.ScopeInspect, s.getArchives)})
	s.add(api.PathPatches, route{
		"GET":  serveJSON(api.ScopeInspect, s.getPatches),
		"POST": serveJSON(api.ScopeManage, s.postPatch),
	})
	s.add(api.PathPatch, route{
		"GET":    serveJSON(api.ScopeInspect, s.getPatch),
		"DELETE": serveJSON(api.ScopeManage, s.deletePatch),
	})
	s.add(api.PathLogs, route{
		"GET":    serveJSON(api.ScopeInspect, inRepository(s, s.getLogs)),
		"POST":   serveJSON(api.ScopeReport, inRepository(s, s.postLog)),
		"DELETE": serveJSON(api.ScopeReport, inRepository(s, s.deleteLogs)),
	})
	s.add(api.PathLogsV2, route{"GET": serveJSON(api.ScopeInspect, inRepository(s, s.getLogsV2))})
	s.add(api.PathNodeLogs, route{"POST": serveJSON(api.ScopeReport, inRepository(s, s.postLogs))})
}

// addServiceRoutes adds uploads, jobs and the configuration.
func (s *Server) addServiceRoutes() {
	s.add(api.PathRotateLogs, route{"DELETE": serveJSON(api.ScopeReport, inRepository(s, s.rotateLogs))})
	s.add(api.PathProcess, route{"GET": serveJSON(api.ScopeInspect, s.getProcess)})
	s.add(api.PathNodeProcess, route{"GET": serveJSON(api.ScopeInspect, s.getNodeProcess)})
	if s.config.Uploads {
		s.add(api.PathUpload, route{"POST": serve(api.ScopeUpload, s.upload)})
		s.addUploadRoutes()
	}
	if s.config.Search != nil {
		s.add(api.PathSearch, route{"GET": serveJSON(api.ScopeRequest, s.search)})
	}
	if s.config.Key != nil {
		keys := route{"GET": serveJSON(api.ScopeRequest, s.getKey)}
		if s.config.Submitter != nil && slices.Contains(s.config.Submitter.Kinds(), JobKey) {
			keys["POST"] = submit[api.PGPRequest](s, api.ScopeManage, JobKey)
		}
		s.add(api.PathPGP, keys)
	}
	settings := route{}
	if s.config.Settings != nil {
		settings["GET"] = serveJSON(api.ScopeManage, s.getSettings)
	}
	if s.config.Reload != nil {
		settings["POST"] = serveJSON(api.ScopeManage, s.postSettings)
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
		{JobAdd, api.PathAdd, submit[api.AddRequest](s, api.ScopeManage, JobAdd)},
		{JobRequest, api.PathRequest, submit[api.AddRequest](s, api.ScopeRequest, JobRequest)},
		{JobUpdate, api.PathUpdate, submit[api.UpdateRequest](s, api.ScopePublish, JobUpdate)},
		{JobRebuild, api.PathRebuild, submit[api.BasesRequest](s, api.ScopeManage, JobRebuild)},
		{JobRemove, api.PathRemove, submit[api.BasesRequest](s, api.ScopeManage, JobRemove)},
		{JobRollback, api.PathRollback, submit[api.RollbackRequest](s, api.ScopeManage, JobRollback)},
	} {
		if slices.Contains(kinds, job.kind) {
			s.add(job.path, route{http.MethodPost: job.do})
		}
	}
}
