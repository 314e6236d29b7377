package pkgbuild

import (
	"slices"
	"strings"

	"ahriman/core/pkgbuild/internal/shell"
)

// commands are makepkg's own functions that PKGBUILDs call and that are
// answered here.
func commands(m *makepkg) map[string]func(*shell.Shell, []string) int {
	silent := func(*shell.Shell, []string) int { return 0 } // prints to standard error
	message := func(prefix, end string) func(*shell.Shell, []string) int {
		return func(sh *shell.Shell, args []string) int {
			if len(args) == 0 {
				args = []string{""}
			}
			sh.Print(sh.Format(prefix+args[0]+end, args[1:]))
			return 0
		}
	}
	return map[string]func(*shell.Shell, []string) int{
		"msg": message("==> ", "\n"), "msg2": message("  -> ", "\n"), "plain": message("    ", "\n"), "ask": message(":: ", ""),
		"plainerr": silent, "warning": silent, "error": silent,
		"gettext": func(sh *shell.Shell, args []string) int {
			sh.Print(strings.Join(args, "\n"))
			return 0
		},
		"in_array": func(sh *shell.Shell, args []string) int {
			for _, arg := range args {
				sh.Text(arg)
			}
			return status(len(args) > 1 && slices.Contains(args[1:], args[0]))
		},
		"is_array": func(sh *shell.Shell, args []string) int {
			if len(args) == 0 {
				return 1
			}
			value, _ := sh.Lookup(args[0])
			return status(value.Array)
		},
		"have_function": func(sh *shell.Shell, args []string) int {
			return status(len(args) > 0 && sh.Defined(args[0]))
		},
		"get_full_version": func(sh *shell.Shell, _ []string) int {
			sh.Print(m.fullVersion() + "\n")
			return 0
		},
		"check_option":      func(_ *shell.Shell, args []string) int { return m.checkOption(args, "OPTIONS", "options") },
		"check_buildenv":    func(_ *shell.Shell, args []string) int { return m.checkOption(args, "BUILDENV") },
		"check_buildoption": func(_ *shell.Shell, args []string) int { return m.checkOption(args, "BUILDENV", "options") },
	}
}

func status(ok bool) int {
	if ok {
		return 0
	}
	return 1
}

// checkOption answers whether an option is as expected ("y" or "n"); the last
// mention counts, and 127 means that there is none.
func (m *makepkg) checkOption(args []string, arrays ...string) int {
	if len(args) < 2 {
		return 127
	}
	for _, name := range slices.Backward(arrays) {
		for _, option := range slices.Backward(m.values(name)) {
			switch option {
			case args[0]:
				return status(args[1] == "y")
			case "!" + args[0]:
				return status(args[1] == "n")
			}
		}
	}
	return 127
}

// hidden are the other functions of makepkg 6.0.2: they exist for a PKGBUILD
// and change the shell.
var hidden = set("array_build backup_package_variables canonicalize_path cd_safe check_checksums check_deps check_software colorize " +
	"create_package create_signature dir_is_empty download_file download_sources ensure_writable_dir exists_function_variable " +
	"extract_function_variable extract_global_variable extract_sources get_all_sources get_all_sources_for_arch get_downloadclient " +
	"get_filename get_filepath get_integlist get_pkg_arch get_pkgbuild_all_split_attributes get_pkgbuild_attribute get_protocol " +
	"get_uri_fragment get_uri_query get_url get_vcsclient grep_function handle_deps in_opt_array check_opt_array install_package " +
	"lint_pkgbuild load_makepkg_config merge_arch_attrs parseopts prepare_buildenv print_all_package_names remove_deps resolve_deps " +
	"run_build run_check run_function run_function_safe run_package run_pacman run_prepare source_buildfile source_makepkg_config " +
	"source_safe tidy_install trap_exit update_pkgver usage version write_pkginfo write_srcinfo")

// essential are the functions that makepkg calls between sourcing a PKGBUILD
// and printing; one that defines them changes makepkg.
var essential = strings.Fields("array_build check_epoch check_files_exist check_fullpkgver check_pkgrel check_pkgver check_software " +
	"error exists_function_variable extract_function_variable extract_global_variable get_full_version get_pkgbuild_all_split_attributes " +
	"get_pkgbuild_attribute grep_function have_function in_array is_array lint_one_pkgname lint_pkgbuild pkgbuild_extract_to_srcinfo " +
	"srcinfo_open_section srcinfo_separate_section srcinfo_write_attr srcinfo_write_global srcinfo_write_package " +
	"srcinfo_write_section_details write_srcinfo_content printf eval shopt read declare grep local")

func set(names string) map[string]bool {
	result := map[string]bool{}
	for name := range strings.FieldsSeq(names) {
		result[name] = true
	}
	return result
}
