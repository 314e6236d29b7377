package config

import (
	"slices"
	"time"

	"ahriman/core/alpm"
)

// The tags of the structs below are the schema of ahriman.ini: For and Validate
// read them.
//
//	ini      the option's name; "key_*" takes all options that begin so
//	default  the value when the option is unset
//	as       path (made absolute), file (a path that must be readable), url (with
//	         one of schemes, http and https by default), regexp, host (name or
//	         IP), key (of OpenPGP), key32 (32 bytes in url-safe base64)
//	min,max  range of a number, or of a duration in seconds
//	one      the words allowed, separated by spaces
//	later    words of the Python ahriman's that are refused until they exist here
//	secret   "yes": never shown
//	required "yes": Validate wants it set
//	move     the section in which the option stands nowadays
//	effect   "none": known, but nothing here reads it yet
//
// A time.Duration is written as a number of seconds, or (ours) with units:
// 90s, 15m, 1h30m.

// Settings is the configuration of one repository: every option of the
// documentation, with its default applied, paths absolute, references replaced.
// Fields that say so have no effect yet; Validate names those that are set.
type Settings struct {
	ID           alpm.RepositoryID // the repository these settings are for
	Path         string            // of the main configuration file
	Main         Main              `section:"settings"`
	Repository   Repository        `section:"repository"`
	ALPM         ALPM              `section:"alpm"`
	AUR          AUR               `section:"aur"`
	Build        Build             `section:"build"`
	Sign         Sign              `section:"sign"`
	Status       Status            `section:"status"`
	Web          Web               `section:"web"`
	Auth         Auth              `section:"auth"`
	Worker       Worker            `section:"worker"`
	Archive      Archive           `section:"archive"`
	LogsRotation LogsRotation      `section:"logs-rotation"`

	// What the target options name, in the order written; a target is looked up
	// as target:name:architecture, target:name, target:architecture, target.
	Upload     []UploadTarget  `target:"upload"`                                     // none by default
	Report     []ReportTarget  `target:"report" default:"console"`                   // console by default
	RemotePull []GitTarget     `target:"remote-pull" fallback:"gitremote"`           // by default gitremote, where that section is
	RemotePush []GitTarget     `target:"remote-push" fallback:"gitremote"`           // likewise
	Keyring    []PackageTarget `target:"keyring" fallback:"keyring-generator"`       // none by default
	Mirrorlist []PackageTarget `target:"mirrorlist" fallback:"mirrorlist-generator"` // none by default
}

// Main is the section settings.
type Main struct {
	Include         []string `ini:"include" as:"path" default:"ahriman.ini.d"`                             // directories whose *.ini are read too
	Database        string   `ini:"database" as:"path" default:"${repository:root}/ahriman.db"`            // the Python node's SQLite; ours is another file
	Logging         string   `ini:"logging" as:"path" default:"ahriman.ini.d/logging.ini" effect:"none"`   // configuration of Python's logging
	ApplyMigrations bool     `ini:"apply_migrations" default:"yes" effect:"none"`                          // ours always migrates
	SuppressErrors  bool     `ini:"suppress_http_log_errors" default:"no" effect:"none" move:"status"`     // older name of status.suppress_http_log_errors
	KeepLastLogs    int      `ini:"keep_last_logs" default:"0" min:"0" effect:"none" move:"logs-rotation"` // older name of logs-rotation.keep_last_logs
}

// Repository is the section repository.
type Repository struct {
	Root         string `ini:"root" as:"path" default:"/var/lib/ahriman"` // directory of everything that is kept
	Name         string `ini:"name"`                                      // when nothing is found below Root
	Architecture string `ini:"architecture"`                              // likewise
}

// ALPM is the section alpm, merged for the repository.
type ALPM struct {
	Database          string   `ini:"database" as:"path" default:"/var/lib/pacman"`                      // pacman's own database directory
	Mirror            string   `ini:"mirror" default:"https://geo.mirror.pkgbuild.com/$$repo/os/$$arch"` // Server of the repositories below, with $repo and $arch
	Repositories      []string `ini:"repositories" default:"core extra multilib"`                        // of the distribution
	Root              string   `ini:"root" as:"path" default:"/"`                                        // pacman's RootDir
	UseAhrimanCache   bool     `ini:"use_ahriman_cache" default:"yes"`                                   // databases below Repository.Root, not the system's
	SyncFilesDatabase bool     `ini:"sync_files_database" default:"yes"`                                 // also fetch the files databases
}

// AUR is the section aur.
type AUR struct {
	Address      string        `ini:"address" as:"url" default:"https://aur.archlinux.org"` // (ours) another AUR
	MaxRetries   int           `ini:"max_retries" default:"0" min:"0" max:"100"`            // tries after the first
	RetryBackoff float64       `ini:"retry_backoff" default:"0" min:"0"`                    // seconds; try n waits RetryBackoff·2ⁿ⁻¹
	Timeout      time.Duration `ini:"timeout" default:"30" min:"0"`                         // of one request; 0: none
}

// Build is the section build, merged for the repository.
type Build struct {
	// Triggers are names, in the order in which they run.
	Triggers []string `ini:"triggers" default:"ahriman.core.gitremote.RemotePullTrigger ahriman.core.report.ReportTrigger ahriman.core.upload.UploadTrigger ahriman.core.gitremote.RemotePushTrigger ahriman.core.housekeeping.LogsRotationTrigger ahriman.core.housekeeping.ArchiveRotationTrigger"`
	// TriggersKnown are names that repo-triggers may run besides.
	TriggersKnown []string `ini:"triggers_known"`

	Workers              []string      `ini:"workers" as:"url" schemes:"http https http+unix ssh local"` // addresses of workers; ours: ssh, local:// for this machine, and ?slots=2&speed=1.5&features=a,b behind any
	Lease                time.Duration `ini:"lease" default:"300" min:"1"`                               // (ours) how long a worker that is cut off keeps its build, and builds on
	Patience             time.Duration `ini:"patience" default:"900" min:"1"`                            // (ours) how long a base waits for a worker that could build it before it fails
	WorkerCA             string        `ini:"worker_ca" as:"file"`                                       // (ours) PEM of authorities trusted for https workers, besides the system's
	Packager             string        `ini:"packager"`                                                  // PACKAGER, "Name <mail>"
	MakeFlags            []string      `ini:"make_flags"`                                                // MAKEFLAGS
	MakepkgFlags         []string      `ini:"makepkg_flags" default:"--nocolor --ignorearch"`            // arguments of makepkg
	ArchbuildFlags       []string      `ini:"archbuild_flags"`                                           // arguments of devtools' archbuild
	MakechrootpkgFlags   []string      `ini:"makechrootpkg_flags"`                                       // arguments of makechrootpkg
	DevtoolsConfigs      string        `ini:"devtools_configs" as:"path"`                                // directory of devtools' configurations; empty: its own
	DevtoolsWrapper      []string      `ini:"devtools_wrapper"`                                          // command put before archbuild; empty: none
	IgnorePackages       []string      `ini:"ignore_packages"`                                           // bases that an update leaves out
	IncludeDebugPackages bool          `ini:"include_debug_packages" default:"yes"`                      // publish *-debug too
	VCSAllowedAge        time.Duration `ini:"vcs_allowed_age" default:"604800" min:"0"`                  // after this, a VCS package is looked at upstream again
	MinAge               time.Duration `ini:"min_age" default:"0" min:"0"`                               // an AUR version younger than this waits
	ScanPaths            []string      `ini:"scan_paths" as:"regexp"`                                    // regular expressions of files whose owners become dependencies
	BuildCommand         string        `ini:"build_command" effect:"none"`                               // older: devtools' command

	Builder string        `ini:"builder" one:"devtools makepkg"`                // (ours) empty: devtools where archbuild is found, else makepkg
	User    string        `ini:"user"`                                          // (ours) who builds when we are root; empty: the owner of Repository.Root
	Timeout time.Duration `ini:"timeout" default:"86400" min:"0"`               // (ours) of one build; 0: none
	Jobs    int           `ini:"jobs" default:"1" min:"1" max:"1024"`           // (ours) builds at once on this machine
	Retries int           `ini:"retries" default:"1" min:"0" max:"10"`          // (ours) how often a failed build is tried again, each time on another worker
	Server  string        `ini:"server"`                                        // (ours) Server line of the master's repository, with $repo and $arch; builds take from it what they need
	Network string        `ini:"network" default:"always" one:"always sources"` // (ours) sources: none once sources are fetched
}

// Sign is the section sign, merged for the repository.
type Sign struct {
	Target []string          `ini:"target" one:"disabled package packages repository"` // use Packages and Database to read it
	Key    string            `ini:"key" as:"key"`                                      // OpenPGP key ID or fingerprint
	Keys   map[string]string `ini:"key_*" as:"key"`                                    // key of a base, by base, where it is not Key
	Verify string            `ini:"verify" as:"file"`                                  // (ours) keyring; uploads must carry a signature by one of its keys
}

// Packages tells whether package files are signed.
func (s Sign) Packages() bool {
	return slices.Contains(s.Target, "package") || slices.Contains(s.Target, "packages")
}

// Database tells whether the repository's database is signed.
func (s Sign) Database() bool { return slices.Contains(s.Target, "repository") }

// Status is the section status: how this node speaks to the status service,
// its own or the master's. Settings.StatusAddress says where that is.
type Status struct {
	Enabled               bool          `ini:"enabled" default:"yes"`
	Address               string        `ini:"address" as:"url" schemes:"http https http+unix"` // http, https, http+unix://%2Fpath
	Username              string        `ini:"username"`                                        // empty: no log-in
	Password              string        `ini:"password" secret:"yes"`                           //
	Token                 string        `ini:"token" secret:"yes"`                              // (ours) instead of user and password
	TokenFile             string        `ini:"token_file" as:"file"`                            // (ours) holds the token
	Timeout               time.Duration `ini:"timeout" default:"30" min:"0"`                    // of one request; 0: none
	MaxRetries            int           `ini:"max_retries" default:"0" min:"0" max:"100"`       // tries after the first
	RetryBackoff          float64       `ini:"retry_backoff" default:"0" min:"0"`               // seconds; try n waits RetryBackoff·2ⁿ⁻¹
	SuppressHTTPLogErrors bool          `ini:"suppress_http_log_errors" default:"no"`           // say nothing when log lines cannot be sent
}

// Web is the section web, merged for the repository.
type Web struct {
	Host                string        `ini:"host" default:"127.0.0.1" as:"host"`                   // to listen on
	Port                int           `ini:"port" min:"1" max:"65535"`                             // 0: not set, no TCP listener
	UnixSocket          string        `ini:"unix_socket" as:"path"`                                // to listen on too
	UnixSocketUnsafe    bool          `ini:"unix_socket_unsafe" default:"yes"`                     // others may write to the socket
	Address             string        `ini:"address" as:"url"`                                     // under which others reach it
	EnableArchiveUpload bool          `ini:"enable_archive_upload" default:"no"`                   // accept package files
	MaxBodySize         int64         `ini:"max_body_size" default:"0" min:"0"`                    // bytes of an uploaded file; 0: any
	WaitTimeout         time.Duration `ini:"wait_timeout" default:"-1"`                            // requested runs wait so long for the lock; negative: not at all, 0: for ever
	ServiceOnly         bool          `ini:"service_only" default:"no"`                            // no status endpoints: a worker
	MaxQueueSize        int           `ini:"max_queue_size" default:"0" min:"0"`                   // events kept for a slow reader of the event stream; 0: any
	TLSCertificate      string        `ini:"tls_certificate" as:"file"`                            // (ours) PEM, chain included
	TLSKey              string        `ini:"tls_key" as:"file"`                                    // (ours) PEM
	IndexURL            string        `ini:"index_url" as:"url"`                                   // of the repository's page
	AutorefreshInterval []int         `ini:"autorefresh_intervals" default:"5 1 10 30 60" min:"0"` // seconds offered by the page; the first is the default
	Templates           []string      `ini:"templates" as:"path" effect:"none"`                    // directories
	StaticPath          string        `ini:"static_path" as:"path" effect:"none"`                  // directory
	CORSAllowOrigins    []string      `ini:"cors_allow_origins" default:"*" as:"origin"`           // sites whose pages may ask; where log-in is off, those named, and not by *, may change things too
	CORSAllowMethods    []string      `ini:"cors_allow_methods" default:"*"`                       // that those pages may use
	CORSAllowHeaders    []string      `ini:"cors_allow_headers" default:"*"`                       // that those pages may send
	CORSExposeHeaders   []string      `ini:"cors_expose_headers" default:"*"`                      // of answers that those pages may read
	Debug               bool          `ini:"debug" default:"no" effect:"none"`
	DebugCheckHost      bool          `ini:"debug_check_host" default:"no" effect:"none"`
	DebugAllowedHosts   []string      `ini:"debug_allowed_hosts" effect:"none"`
	Timeout             time.Duration `ini:"timeout" default:"30" effect:"none" move:"status"`
	Username            string        `ini:"username" effect:"none" move:"status"`
	Password            string        `ini:"password" secret:"yes" effect:"none" move:"status"`
}

// Auth is the section auth. For refuses targets that do not exist here, so that
// a service is never less guarded than its configuration says.
type Auth struct {
	Target          string        `ini:"target" default:"disabled" one:"disabled configuration" later:"oauth pam"`
	AllowReadOnly   bool          `ini:"allow_read_only" default:"yes"`             // reading needs no user
	Salt            string        `ini:"salt" secret:"yes"`                         // joined to passwords before they are hashed
	MaxAge          time.Duration `ini:"max_age" default:"604800" min:"1"`          // of a session
	CookieSecretKey string        `ini:"cookie_secret_key" as:"key32" secret:"yes"` // 32 bytes, url-safe base64; empty: a new one at each start
	ClientID        string        `ini:"client_id" effect:"none"`
	ClientSecret    string        `ini:"client_secret" secret:"yes" effect:"none"`
	OAuthIcon       string        `ini:"oauth_icon" effect:"none"`
	OAuthProvider   string        `ini:"oauth_provider" effect:"none"`
	OAuthScopes     []string      `ini:"oauth_scopes" effect:"none"`
	FullAccessGroup string        `ini:"full_access_group" effect:"none"`
	PermitRootLogin bool          `ini:"permit_root_login" default:"no" effect:"none"`
}

// Worker is the section worker: how a worker makes itself known to the master.
type Worker struct {
	Address    string        `ini:"address" as:"url"`                     // under which the master reaches this worker
	Identifier string        `ini:"identifier"`                           // empty: host:port of Address
	TimeToLive time.Duration `ini:"time_to_live" default:"60" min:"1"`    // the master forgets a worker that is silent so long
	Slots      int           `ini:"slots" default:"1" min:"0" max:"1024"` // (ours) builds at once that ahriman web makes for masters; 0: none
	Speed      float64       `ini:"speed" default:"1" min:"0.001"`        // (ours) relative to other workers
	Features   []string      `ini:"features"`                             // (ours) words by which masters choose a worker
}

// Archive is the section archive.
type Archive struct {
	KeepBuiltPackages int `ini:"keep_built_packages" default:"1" min:"0"` // versions of each package kept in the pool; 0: all
}

// LogsRotation is the section logs-rotation.
type LogsRotation struct {
	KeepLastLogs int `ini:"keep_last_logs" default:"5" min:"0"` // logs of each base; 0: all
}
