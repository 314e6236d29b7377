// Package api holds the words on the wire between nodes: paths, query names,
// message bodies with their defaults, and the table that turns errors into
// status codes and back. Server and client both take them from here.
//
// What stands under /api is ahriman's HTTP API, version 2.22, and a contract:
// Python nodes speak it. What stands under /node is ours; a Python node answers
// 404 there (401 before log-in), which is how a client learns whom it talks to.
package api

import (
	"net/url"
	"strings"
)

// Paths of ahriman's API. Words in braces are path values, as net/http.ServeMux
// reads them; a client fills them with Path.
const (
	PathLogin        = "/api/v1/login"
	PathLogout       = "/api/v1/logout"
	PathInfo         = "/api/v1/info"
	PathInfoV2       = "/api/v2/info"
	PathStatus       = "/api/v1/status"
	PathRepositories = "/api/v1/repositories"
	PathDistributed  = "/api/v1/distributed"
	PathEvents       = "/api/v1/events"
	PathEventStream  = "/api/v1/events/stream"
	PathMetrics      = "/api/v1/metrics"

	PathPackages     = "/api/v1/packages"
	PathPackage      = "/api/v1/packages/{base}"
	PathChanges      = "/api/v1/packages/{base}/changes"
	PathDependencies = "/api/v1/packages/{base}/dependencies"
	PathHold         = "/api/v1/packages/{base}/hold"
	PathArchives     = "/api/v1/packages/{base}/archives"
	PathLogs         = "/api/v1/packages/{base}/logs"
	PathLogsV2       = "/api/v2/packages/{base}/logs"
	PathPatches      = "/api/v1/packages/{base}/patches"
	PathPatch        = "/api/v1/packages/{base}/patches/{key}"

	PathAdd        = "/api/v1/service/add"
	PathRequest    = "/api/v1/service/request"
	PathUpdate     = "/api/v1/service/update"
	PathRebuild    = "/api/v1/service/rebuild"
	PathRemove     = "/api/v1/service/remove"
	PathRollback   = "/api/v1/service/rollback"
	PathProcess    = "/api/v1/service/process/{id}"
	PathUpload     = "/api/v1/service/upload"
	PathSearch     = "/api/v1/service/search"
	PathPGP        = "/api/v1/service/pgp"
	PathConfig     = "/api/v1/service/config"
	PathRotateLogs = "/api/v1/service/logs"
)

// Paths of ours.
const (
	// PathNode answers GET with Node, without log-in.
	PathNode = "/node/v1/info"
	// PathNodeProcess answers GET with Process, during and after the job.
	// QueryWait makes it a long poll.
	PathNodeProcess = "/node/v1/processes/{id}"
	// PathNodeLogs takes POST of LogBatch; 204. Access as PathLogs.
	PathNodeLogs = "/node/v1/packages/{base}/logs"
	// PathNodeWorker takes DELETE: forgets one worker; 204, also when it was
	// not known. Access as PathDistributed, whose DELETE forgets all.
	PathNodeWorker = "/node/v1/workers/{identifier}"
	// PathHealth answers GET with 204 as soon as the server serves.
	PathHealth = "/healthz"
)

// Path fills the braces of one of the paths above with values, in order,
// escaped. It panics when their number differs: that is a mistake in the code.
func Path(pattern string, values ...string) string {
	var b strings.Builder
	for {
		head, tail, found := strings.Cut(pattern, "{")
		b.WriteString(head)
		if !found {
			break
		}
		if len(values) == 0 {
			panic("api: too few values for " + pattern)
		}
		b.WriteString(url.PathEscape(values[0]))
		values = values[1:]
		_, pattern, _ = strings.Cut(tail, "}")
	}
	if len(values) != 0 {
		panic("api: too many values for " + pattern)
	}
	return b.String()
}

// HeaderRequestID carries a UUID; a server echoes it, or makes one.
const HeaderRequestID = "X-Request-ID"

// CookieSession names the log-in cookie. Its value travels in double quotes.
const CookieSession = "AHRIMAN"
