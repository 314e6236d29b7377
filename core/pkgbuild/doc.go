// Package pkgbuild reads the metadata of packages without building them: from
// PKGBUILD files, which are shell scripts, and from .SRCINFO files.
//
// # PKGBUILD
//
// [Evaluate] answers what `makepkg --printsrcinfo` (6.0.2) would print for a
// directory, without running anything:
//
//	info, err := pkgbuild.Evaluate(ctx, "/srv/pkgbuilds/foo", pkgbuild.Options{})
//	var needs *pkgbuild.NeedsEvaluation
//	switch {
//	case errors.As(err, &needs):
//		// only a run can tell; needs names file, line and reason
//	case err != nil:
//		return err
//	}
//	fmt.Println(info.Base, info.Version())
//	for _, pkg := range info.ForArch("x86_64") {
//		fmt.Println(pkg.Name, pkg.Depends)
//	}
//	info.WriteTo(os.Stdout)
//
// The script is interpreted by a shell of ours (internal/shell) in a world that
// has the package directory's files and nothing else: no processes, no network,
// no environment. Common text tools (sed, cut, tr, grep, sort, date, basename
// and so on) are computed in Go. The output of any other command, a file
// elsewhere, $HOME and their like are unknown values. They may be stored
// and passed on, as in _jobs=$(nproc); when a decision or the result depends on
// one, the error is [*NeedsEvaluation]. Nothing is guessed.
//
// Evaluation then goes on as makepkg does. Its checks of names, versions and
// kinds give a [*LintError] with what is wrong and where. A package function
// is not run: makepkg takes for an override each line of `declare -f` that
// starts with an attribute and "=" or "+=", whatever conditions are around it,
// and evaluates these lines alone; so does this package.
//
// Time, memory, output and depth are bounded; a script that asks for more gets
// a [*LimitError]. All four errors name the line.
//
// bash is not parsed by mvdan.cc/sh: that parser looks into words as it goes,
// and rejects files over an expansion in a function that is never called.
// bash, like the parser here, keeps words as written until they are expanded,
// and `declare -f` needs them that way too.
//
// # .SRCINFO
//
// [ParseSrcinfo] reads such a file and [Srcinfo.WriteTo] writes it, byte for
// byte as makepkg does. [Srcinfo.ForArch] and [Srcinfo.Sources] are the view of
// one architecture, with overrides applied and the _ARCH arrays appended.
package pkgbuild
