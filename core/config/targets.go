package config

import "time"

// Target is what the sections named by a target option have in common.
type Target struct {
	Name string // as written in the target option
	Type string // its type option, else Name without ":architecture"
}

// UploadTarget is one item of upload.target. The field that Type names is not
// nil, the others are.
type UploadTarget struct {
	Target
	RemoteService *RemoteService `type:"remote-service"`
	Rsync         *Rsync         `type:"rsync" effect:"none"`
	S3            *S3            `type:"s3" effect:"none"`
	GitHub        *GitHub        `type:"github" effect:"none"`
}

// ReportTarget is one item of report.target. The field that Type names is not
// nil, the others are.
type ReportTarget struct {
	Target
	Console    *Console    `type:"console"`
	RemoteCall *RemoteCall `type:"remote-call"`
	Email      *Email      `type:"email" effect:"none"`
	HTML       *HTML       `type:"html" effect:"none"`
	RSS        *RSS        `type:"rss" effect:"none"`
	Telegram   *Telegram   `type:"telegram" effect:"none"`
}

// GitTarget is one item of remote-pull.target or remote-push.target.
type GitTarget struct {
	Target
	GitRemote *GitRemote `type:"gitremote"`
}

// PackageTarget is one item of keyring.target or mirrorlist.target. The field
// that Type names is not nil.
type PackageTarget struct {
	Target
	Keyring    *KeyringGenerator    `type:"keyring-generator"`
	Mirrorlist *MirrorlistGenerator `type:"mirrorlist-generator"`
}

// RemoteService uploads packages to the master that the section status names.
type RemoteService struct {
	Timeout      time.Duration `ini:"timeout" default:"30" min:"0"`              // seconds in the file; of one request; 0: none
	MaxRetries   int           `ini:"max_retries" default:"0" min:"0" max:"100"` // tries after the first
	RetryBackoff float64       `ini:"retry_backoff" default:"0" min:"0"`         // seconds; try n waits RetryBackoff·2ⁿ⁻¹
}

// Rsync has no effect yet.
type Rsync struct {
	Command []string `ini:"command" required:"yes"`
	Remote  string   `ini:"remote" required:"yes"`
}

// S3 has no effect yet.
type S3 struct {
	AccessKey  string `ini:"access_key" required:"yes"`
	Bucket     string `ini:"bucket" required:"yes"`
	ChunkSize  int64  `ini:"chunk_size" default:"8388608" min:"0"` // bytes
	Endpoint   string `ini:"endpoint" as:"url"`
	ObjectPath string `ini:"object_path"`
	Region     string `ini:"region" required:"yes"`
	SecretKey  string `ini:"secret_key" required:"yes" secret:"yes"`
}

// GitHub has no effect yet.
type GitHub struct {
	Owner              string        `ini:"owner" required:"yes"`
	Password           string        `ini:"password" required:"yes" secret:"yes"`
	Repository         string        `ini:"repository" required:"yes"`
	Timeout            time.Duration `ini:"timeout" default:"30" min:"0"`
	MaxRetries         int           `ini:"max_retries" default:"0" min:"0" max:"100"`
	RetryBackoff       float64       `ini:"retry_backoff" default:"0" min:"0"`
	UseFullReleaseName bool          `ini:"use_full_release_name" default:"no"`
	Username           string        `ini:"username"`
}

// Console prints the outcome of a run.
type Console struct {
	UseUTF bool `ini:"use_utf" default:"yes"` // else ASCII only
}

// RemoteCall asks the master that the section status names to update itself.
type RemoteCall struct {
	AUR         bool          `ini:"aur" default:"no"`          // look at the AUR
	Local       bool          `ini:"local" default:"no"`        // look at local packages
	Manual      bool          `ini:"manual" default:"no"`       // take in what was built or uploaded
	WaitTimeout time.Duration `ini:"wait_timeout" default:"-1"` // how long to wait for the master; negative: not at all, 0: for ever
}

// Email has no effect yet.
type Email struct {
	Homepage      string   `ini:"homepage" as:"url"`
	Host          string   `ini:"host" required:"yes"`
	LinkPath      string   `ini:"link_path" required:"yes" as:"url"`
	NoEmptyReport bool     `ini:"no_empty_report" default:"yes"`
	Password      string   `ini:"password" secret:"yes"`
	Port          int      `ini:"port" required:"yes" min:"1" max:"65535"`
	Receivers     []string `ini:"receivers" required:"yes"`
	RSSURL        string   `ini:"rss_url" as:"url"`
	Sender        string   `ini:"sender" required:"yes"`
	SSL           string   `ini:"ssl" default:"disabled" one:"ssl starttls disabled"`
	Template      string   `ini:"template"`
	TemplateFull  string   `ini:"template_full"`
	TemplatePath  string   `ini:"template_path" as:"path"`
	FullTemplate  string   `ini:"full_template_path" as:"path"`
	Templates     []string `ini:"templates" as:"path"`
	User          string   `ini:"user"`
}

// HTML has no effect yet.
type HTML struct {
	Homepage     string   `ini:"homepage" as:"url"`
	LinkPath     string   `ini:"link_path" required:"yes" as:"url"`
	Path         string   `ini:"path" required:"yes" as:"path"`
	RSSURL       string   `ini:"rss_url" as:"url"`
	Template     string   `ini:"template"`
	TemplatePath string   `ini:"template_path" as:"path"`
	Templates    []string `ini:"templates" as:"path"`
}

// RSS has no effect yet.
type RSS struct {
	Homepage   string   `ini:"homepage" as:"url"`
	LinkPath   string   `ini:"link_path" required:"yes" as:"url"`
	MaxEntries int      `ini:"max_entries" default:"-1"`
	Path       string   `ini:"path" required:"yes" as:"path"`
	RSSURL     string   `ini:"rss_url" as:"url"`
	Template   string   `ini:"template"`
	Templates  []string `ini:"templates" as:"path"`
}

// Telegram has no effect yet.
type Telegram struct {
	APIKey       string        `ini:"api_key" required:"yes" secret:"yes"`
	ChatID       string        `ini:"chat_id" required:"yes"`
	Homepage     string        `ini:"homepage" as:"url"`
	LinkPath     string        `ini:"link_path" required:"yes" as:"url"`
	RSSURL       string        `ini:"rss_url" as:"url"`
	Template     string        `ini:"template"`
	TemplatePath string        `ini:"template_path" as:"path"`
	TemplateType string        `ini:"template_type" default:"HTML" one:"MarkdownV2 HTML Markdown"`
	Templates    []string      `ini:"templates" as:"path"`
	Timeout      time.Duration `ini:"timeout" default:"30" min:"0"`
	MaxRetries   int           `ini:"max_retries" default:"0" min:"0" max:"100"`
	RetryBackoff float64       `ini:"retry_backoff" default:"0" min:"0"`
}

// GitRemote is a git repository of PKGBUILDs. A user and token may stand in the
// URLs, so that these are secret as far as that goes: see Redact.
type GitRemote struct {
	PullURL     string `ini:"pull_url"`                                 // required for remote-pull
	PullBranch  string `ini:"pull_branch" default:"master"`             //
	PushURL     string `ini:"push_url"`                                 // required for remote-push
	PushBranch  string `ini:"push_branch" default:"master"`             //
	CommitEmail string `ini:"commit_email" default:"ahriman@localhost"` //
	CommitUser  string `ini:"commit_user" default:"ahriman"`            //
}

// KeyringGenerator describes a package of keys.
type KeyringGenerator struct {
	Description string   `ini:"description"` // empty: "<repository> PGP keyring"
	Homepage    string   `ini:"homepage" as:"url"`
	License     []string `ini:"license" default:"Unlicense"`
	Package     string   `ini:"package"`            // empty: <repository>-keyring
	Packagers   []string `ini:"packagers" as:"key"` // empty: Sign.Keys, and the keys of users
	Revoked     []string `ini:"revoked" as:"key"`
	Trusted     []string `ini:"trusted" as:"key"` // empty: Sign.Key
}

// MirrorlistGenerator describes a package with a list of mirrors.
type MirrorlistGenerator struct {
	Description string   `ini:"description"` // empty: "<repository> mirror list for use by pacman"
	Homepage    string   `ini:"homepage" as:"url"`
	License     []string `ini:"license" default:"Unlicense"`
	Package     string   `ini:"package"`                // empty: <repository>-mirrorlist
	Path        string   `ini:"path"`                   // in the package; empty: /etc/pacman.d/<repository>-mirrorlist
	Servers     []string `ini:"servers" required:"yes"` // as Server in pacman.conf(5)
}
