package app

// Grammar is the command line: the global flags, then one line a command. Only
// commands that exist are here. The tags are kong's, and these of ours:
//
//	environ:"NAME"    the environment variable that holds a flag's default
//	unsafe:""         the command may run as any user (see --unsafe)
//	complete:"WHAT"   what a shell completes, where name and type do not say:
//	                  packages, versions, repositories, architectures, sections,
//	                  users, workers, files, directories, commands, none; several
//	                  with "+" between
type Grammar struct {
	Globals

	// Packages.
	AURSearch             aurSearch             `cmd:"" name:"aur-search" aliases:"search" group:"package" unsafe:"" help:"search packages in the AUR"`
	PackageAdd            packageAdd            `cmd:"" name:"package-add" aliases:"add,package-update" group:"package" help:"add packages to the repository"`
	PackageRemove         packageRemove         `cmd:"" name:"package-remove" aliases:"remove" group:"package" help:"remove packages from the repository"`
	PackageStatus         packageStatus         `cmd:"" name:"package-status" aliases:"status" group:"package" help:"show packages and how they do"`
	PackageInfo           packageInfo           `cmd:"" name:"package-info" group:"package" unsafe:"" help:"print what package files say about themselves"`
	PackageArchives       packageArchives       `cmd:"" name:"package-archives" group:"package" help:"list the package files of a package that are kept"`
	PackageChanges        packageChanges        `cmd:"" name:"package-changes" group:"package" help:"show what the source of a package has become"`
	PackageChangesRemove  packageChangesRemove  `cmd:"" name:"package-changes-remove" group:"package" help:"forget what package-changes shows"`
	PackageCopy           packageCopy           `cmd:"" name:"package-copy" aliases:"copy" group:"package" help:"publish packages of another repository of this node"`
	PackageHold           packageHold           `cmd:"" name:"package-hold" group:"package" help:"keep packages as they are when their sources get newer"`
	PackageLogs           packageLogs           `cmd:"" name:"package-logs" aliases:"logs" group:"package" help:"show what the last build of a package said"`
	PackagePkgbuild       packagePkgbuild       `cmd:"" name:"package-pkgbuild" group:"package" help:"show the PKGBUILD that a package was built from"`
	PackagePkgbuildRemove packagePkgbuildRemove `cmd:"" name:"package-pkgbuild-remove" group:"package" help:"forget what package-pkgbuild shows"`
	PackageRollback       packageRollback       `cmd:"" name:"package-rollback" group:"package" help:"publish an earlier version of a package"`
	PackageStatusRemove   packageStatusRemove   `cmd:"" name:"package-status-remove" group:"package" help:"forget packages, and leave the repository alone"`
	PackageStatusUpdate   packageStatusUpdate   `cmd:"" name:"package-status-update" aliases:"status-update" group:"package" help:"set the status of packages"`
	PackageUnhold         packageUnhold         `cmd:"" name:"package-unhold" group:"package" help:"let updates have packages again"`
	PatchAdd              patchAdd              `cmd:"" name:"patch-add" group:"package" help:"set a variable or function of a PKGBUILD in every build"`
	PatchList             patchList             `cmd:"" name:"patch-list" group:"package" help:"list patches of a package"`
	PatchRemove           patchRemove           `cmd:"" name:"patch-remove" group:"package" help:"remove patches of a package"`
	PatchSetAdd           patchSetAdd           `cmd:"" name:"patch-set-add" group:"package" help:"keep the changes of a git checkout as the diff of a package"`
	Vercmp                vercmp                `cmd:"" name:"vercmp" group:"package" unsafe:"" help:"compare package versions"`

	// Repository.
	RepoBackup           repoBackup           `cmd:"" name:"repo-backup" group:"repository" help:"pack configuration, database, local sources and keys"`
	RepoCheck            repoCheck            `cmd:"" name:"repo-check" aliases:"check" group:"repository" help:"say what is newer than the repository, and change nothing"`
	RepoCreateKeyring    repoCreateKeyring    `cmd:"" name:"repo-create-keyring" group:"repository" help:"make a package of the repository's keys"`
	RepoCreateMirrorlist repoCreateMirrorlist `cmd:"" name:"repo-create-mirrorlist" group:"repository" help:"make a package of the repository's mirrors"`
	RepoDaemon           repoDaemon           `cmd:"" name:"repo-daemon" aliases:"daemon" group:"repository" help:"update again and again"`
	RepoExport           repoExport           `cmd:"" name:"repo-export" group:"repository" help:"copy the repository to a directory, for other tools"`
	RepoImport           repoImport           `cmd:"" name:"repo-import" group:"repository" help:"publish what another tool made of a copy"`
	RepoRebuild          repoRebuild          `cmd:"" name:"repo-rebuild" aliases:"rebuild" group:"repository" help:"build again what is published"`
	RepoRemoveUnknown    repoRemoveUnknown    `cmd:"" name:"repo-remove-unknown" aliases:"remove-unknown" group:"repository" help:"remove packages whose source is gone"`
	RepoRestore          repoRestore          `cmd:"" name:"repo-restore" group:"repository" unsafe:"" help:"put back what repo-backup has packed"`
	RepoRollback         repoRollback         `cmd:"" name:"repo-rollback" group:"repository" help:"go back to an earlier publication"`
	RepoStatistics       repoStatistics       `cmd:"" name:"repo-statistics" group:"repository" help:"sum up builds and other events of packages"`
	RepoStatusUpdate     repoStatusUpdate     `cmd:"" name:"repo-status-update" group:"repository" help:"set the status of the service"`
	RepoUpdate           repoUpdate           `cmd:"" name:"repo-update" aliases:"update" group:"repository" help:"publish what waits, build what is due"`

	// Distribution and pipelines.
	Build        buildCommand `cmd:"" name:"build" group:"distribution" unsafe:"" help:"build packages in the order of their dependencies"`
	RepoReport   repoReport   `cmd:"" name:"repo-report" aliases:"report" group:"distribution" unsafe:"" help:"make reports, such as asking the master to update"`
	RepoSync     repoSync     `cmd:"" name:"repo-sync" aliases:"sync" group:"repository" help:"upload what the targets lack of the repository"`
	RepoTriggers repoTriggers `cmd:"" name:"repo-triggers" group:"repository" help:"run triggers without an update"`
	RepoTree     repoTree     `cmd:"" name:"repo-tree" group:"distribution" unsafe:"" help:"print levels of dependencies, and parts for several workers"`
	Sign         signCommand  `cmd:"" name:"repo-sign" aliases:"sign" group:"distribution" unsafe:"" help:"sign package files, or packages of the repository"`
	Workers      workers      `cmd:"" name:"workers" group:"distribution" help:"show and change the workers of this master"`
	Srcinfo      srcinfo      `cmd:"" name:"srcinfo" group:"distribution" unsafe:"" help:"print the .SRCINFO of PKGBUILDs without running them"`

	// Service.
	HelpCommand        helpCommand        `cmd:"" name:"help" group:"service" unsafe:"" help:"show help message"`
	HelpCommandsUnsafe helpCommandsUnsafe `cmd:"" name:"help-commands-unsafe" group:"service" unsafe:"" help:"list commands which may run as any user"`
	HelpVersion        helpVersion        `cmd:"" name:"help-version" aliases:"version" group:"service" unsafe:"" help:"show versions of ahriman and what it was built with"`
	Upload             upload             `cmd:"" name:"upload" group:"distribution" unsafe:"" help:"send package files to the master"`

	ServiceClean          serviceClean          `cmd:"" name:"service-clean" aliases:"clean,repo-clean" group:"service" help:"empty directories of the service, and its queue"`
	ServiceConfig         serviceConfig         `cmd:"" name:"service-config" aliases:"config,repo-config" group:"service" unsafe:"" help:"print the configuration"`
	ServiceConfigValidate serviceConfigValidate `cmd:"" name:"service-config-validate" aliases:"config-validate,repo-config-validate" group:"service" unsafe:"" help:"find errors in the configuration"`
	ServiceKeyImport      serviceKeyImport      `cmd:"" name:"service-key-import" aliases:"key-import" group:"service" unsafe:"" help:"take a public key from a keyserver"`
	ServiceRepositories   serviceRepositories   `cmd:"" name:"service-repositories" group:"service" unsafe:"" help:"list repositories"`
	ServiceRun            serviceRun            `cmd:"" name:"service-run" aliases:"run" group:"service" unsafe:"" help:"run commands, each when the one before has succeeded"`
	ServiceSetup          serviceSetup          `cmd:"" name:"service-setup" aliases:"init,repo-init,repo-setup,setup" group:"service" unsafe:"" help:"set up a repository on this machine"`
	ServiceTreeMigrate    serviceTreeMigrate    `cmd:"" name:"service-tree-migrate" group:"service" help:"bring the directories of an older ahriman up to date"`
	Complete              completeCommand       `cmd:"" name:"__complete" hidden:"" unsafe:"" help:"names for the shells' completions"`
	NodeConnect           nodeConnect           `cmd:"" name:"node-connect" hidden:"" unsafe:"" help:"what a master runs here through SSH"`
	NodeServe             nodeServe             `cmd:"" name:"node-serve" hidden:"" unsafe:"" help:"the server that node-connect starts"`

	// Users.
	UserAdd    userAdd    `cmd:"" name:"user-add" group:"user" help:"add a user, or replace one"`
	UserList   userList   `cmd:"" name:"user-list" group:"user" help:"list users"`
	UserRemove userRemove `cmd:"" name:"user-remove" group:"user" help:"remove a user"`

	// Web.
	Web       web       `cmd:"" name:"web" group:"web" help:"serve the API, the repositories and a page"`
	WebReload webReload `cmd:"" name:"web-reload" group:"web" help:"make the web service read its configuration again"`
}

// Globals are the flags that every command takes, before or after its name.
type Globals struct {
	Architecture  string      `short:"a" environ:"AHRIMAN_ARCHITECTURE" placeholder:"ARCH" complete:"architectures" help:"architecture of the repository; all when neither it nor -r is given"`
	Configuration string      `short:"c" environ:"AHRIMAN_CONFIGURATION" default:"/etc/ahriman.ini" placeholder:"PATH" complete:"files" help:"configuration file"`
	Force         bool        `help:"build even when another process does"`
	Lock          string      `short:"l" placeholder:"PATH" complete:"files" help:"lock file of builds; one of each repository's own when it is empty"`
	LogHandler    string      `enum:"console,syslog,journald" default:"console" placeholder:"HANDLER" help:"where messages go: ${enum}"`
	Quiet         bool        `short:"q" help:"print errors only"`
	Report        bool        `negatable:"" default:"true" help:"tell the status service what happens"`
	Repository    string      `short:"r" environ:"AHRIMAN_REPOSITORY" placeholder:"NAME" complete:"repositories" help:"name of the repository"`
	Unsafe        bool        `help:"run as a user who does not own the repository's root"`
	Version       versionFlag `short:"V" help:"show version and exit"`
	WaitTimeout   int         `default:"-1" placeholder:"SECONDS" help:"how long to wait for the lock: negative not at all, 0 for ever"`
}
