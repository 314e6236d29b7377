package api

// Scope is a set of endpoints: what they are about, and whether they tell or
// change it. Scopes are joined with |.
type Scope uint16

// The scopes. An endpoint needs one of them.
const (
	ScopePublic   Scope = 1 << iota // logging in, what the node is, metrics
	ScopeRead                       // packages and their status; the published files
	ScopeInspect                    // logs, changes, dependencies, patches, archives, jobs
	ScopeRequest                    // asking for packages to be built some time; having this node look for them, and for keys, elsewhere
	ScopeReport                     // telling how builds go: status, packages, logs, changes, dependencies, events
	ScopeUpload                     // sending package files
	ScopePublish                    // an update that takes what was uploaded and requested, and looks for nothing
	ScopeRegister                   // being in the list of workers
	ScopeBuild                      // handing builds to this node (below PathNode's builds)
	ScopeManage                     // everything else

	scopeRead     = ScopePublic | ScopeRead
	scopeReporter = scopeRead | ScopeInspect | ScopeRequest
	scopeFull     = ScopeManage<<1 - 1
	scopeWorker   = scopeRead | ScopeInspect | ScopeReport | ScopeUpload | ScopePublish | ScopeRegister
	scopeBuilder  = ScopePublic | ScopeBuild
)

// Has reports whether all of need is in s. Nothing is in no set, so that an
// endpoint that names no scope is nobody's.
func (s Scope) Has(need Scope) bool { return need != 0 && s&need == need }

// Access is what a user may do: the name of a set of scopes.
type Access string

// ahriman's levels, weakest first, and the roles of ours.
const (
	AccessUnauthorized Access = "unauthorized"
	AccessRead         Access = "read"
	AccessReporter     Access = "reporter"
	AccessFull         Access = "full"

	// AccessWorker is the documented conversation of a worker with its master.
	AccessWorker Access = "worker"
	// AccessBuilder is a master's on its worker.
	AccessBuilder Access = "builder"
)

// AccessLevels returns the levels, weakest first.
func AccessLevels() []Access {
	return []Access{AccessUnauthorized, AccessRead, AccessReporter, AccessFull}
}

// Scopes returns the set. A name that is unknown has nothing in it.
func (a Access) Scopes() Scope {
	switch a {
	case AccessUnauthorized:
		return ScopePublic
	case AccessRead:
		return scopeRead
	case AccessReporter:
		return scopeReporter
	case AccessFull:
		return scopeFull
	case AccessWorker:
		return scopeWorker
	case AccessBuilder:
		return scopeBuilder
	}
	return 0
}

// Allows reports whether someone of access a may do what needs a scope.
func (a Access) Allows(need Scope) bool { return a.Scopes().Has(need) }

// Level returns the weakest of ahriman's levels that has the scope.
func (s Scope) Level() Access {
	for _, level := range AccessLevels() {
		if level.Allows(s) {
			return level
		}
	}
	return AccessFull
}
