package build

import (
	"fmt"
	"strings"
)

// target is what makepkg.conf says of one architecture. The values are those of
// Arch Linux and its ports, so that a package built on another distribution's
// makepkg comes out alike.
type target struct{ chost, cflags, ldflags string }

// targets by CARCH; others get a triple made of their name and plain flags.
func targetOf(architecture string) target {
	const hardened = " -O2 -pipe -fno-plt -fexceptions -Wp,-D_FORTIFY_SOURCE=3 -Wformat -Werror=format-security -fstack-clash-protection"
	switch architecture {
	case "x86_64":
		return target{"x86_64-pc-linux-gnu", "-march=x86-64 -mtune=generic" + hardened + " -fcf-protection -fno-omit-frame-pointer -mno-omit-leaf-frame-pointer", " -Wl,-z,pack-relative-relocs"}
	case "i686":
		return target{"i686-pc-linux-gnu", "-march=i686 -mtune=generic" + hardened, ""}
	case "aarch64":
		return target{"aarch64-unknown-linux-gnu", "-march=armv8-a" + hardened, ""}
	case "armv7h":
		return target{"armv7l-unknown-linux-gnueabihf", "-march=armv7-a -mfloat-abi=hard -mfpu=neon" + hardened, ""}
	}
	return target{architecture + "-unknown-linux-gnu", strings.TrimSpace(hardened), ""}
}

// makepkgConf returns the makepkg.conf(5) a build gets. Nothing of the host's
// file takes part, so that two machines build alike.
func (c Config) makepkgConf(architecture string, dirs directories, packager string) string {
	t := targetOf(architecture)
	debug := "!debug"
	if c.IncludeDebug {
		debug = "debug"
	}
	var b strings.Builder
	line := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	line(`DLAGENTS=('file::/usr/bin/curl -qgC - -o %%o %%u'`)
	line(`          'ftp::/usr/bin/curl -qgfC - --ftp-pasv --retry 3 --retry-delay 3 -o %%o %%u'`)
	line(`          'http::/usr/bin/curl -qgb "" -fLC - --retry 3 --retry-delay 3 -o %%o %%u'`)
	line(`          'https::/usr/bin/curl -qgb "" -fLC - --retry 3 --retry-delay 3 -o %%o %%u'`)
	line(`          'rsync::/usr/bin/rsync --no-motd -z %%u %%o'`)
	line(`          'scp::/usr/bin/scp -C %%u %%o')`)
	line(`VCSCLIENTS=('bzr::breezy' 'fossil::fossil' 'git::git' 'hg::mercurial' 'svn::subversion')`)
	line("CARCH=%s", quote(architecture))
	line("CHOST=%s", quote(t.chost))
	line("CFLAGS=%s", quote(t.cflags))
	line(`CXXFLAGS="$CFLAGS -Wp,-D_GLIBCXX_ASSERTIONS"`)
	line(`LDFLAGS="-Wl,-O1 -Wl,--sort-common -Wl,--as-needed -Wl,-z,relro -Wl,-z,now%s"`, t.ldflags)
	line(`LTOFLAGS="-flto=auto"`)
	line(`DEBUG_CFLAGS="-g"`)
	line(`DEBUG_CXXFLAGS="$DEBUG_CFLAGS"`)
	line("MAKEFLAGS=%s", quote(c.makeFlags()))
	line("BUILDENV=(!distcc !color !ccache check !sign)")
	line("OPTIONS=(strip docs !libtool !staticlibs emptydirs zipman purge %s lto)", debug)
	line("INTEGRITY_CHECK=(sha256)")
	line(`STRIP_BINARIES="--strip-all"`)
	line(`STRIP_SHARED="--strip-unneeded"`)
	line(`STRIP_STATIC="--strip-debug"`)
	line("MAN_DIRS=({usr{,/local}{,/share},opt/*}/{man,info})")
	line("DOC_DIRS=(usr/{,local/}{,share/}{doc,gtk-doc} opt/*/{doc,gtk-doc})")
	line("PURGE_TARGETS=(usr/{,share}/info/dir .packlist *.pod)")
	line(`DBGSRCDIR="/usr/src/debug"`)
	line("LIB_DIRS=('lib:usr/lib' 'lib32:usr/lib32')")
	line("COMPRESSGZ=(gzip -c -f -n)")
	line("COMPRESSBZ2=(bzip2 -c -f)")
	line("COMPRESSXZ=(xz -c -z -)")
	line("COMPRESSZST=(zstd -c -T0 -)")
	line("COMPRESSLRZ=(lrzip -q)")
	line("COMPRESSLZO=(lzop -q)")
	line("COMPRESSZ=(compress -c -f)")
	line("COMPRESSLZ4=(lz4 -q)")
	line("COMPRESSLZ=(lzip -c -f)")
	line("PKGEXT='.pkg.tar.zst'")
	line("SRCEXT='.src.tar.gz'")
	line("PKGDEST=%s", quote(dirs.pkgdest))
	line("SRCDEST=%s", quote(dirs.srcdest))
	line("SRCPKGDEST=%s", quote(dirs.pkgdest))
	line("LOGDEST=%s", quote(dirs.build))
	line("BUILDDIR=%s", quote(dirs.build))
	if packager != "" {
		line("PACKAGER=%s", quote(packager))
	}
	return b.String()
}

// quote quotes s for bash.
func quote(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }
