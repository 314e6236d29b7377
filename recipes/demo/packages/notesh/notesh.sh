#!/usr/bin/env bash
# notesh: notes in plain files, one a day.
set -euo pipefail

dir=${NOTESH_DIR:-${XDG_DATA_HOME:-$HOME/.local/share}/notesh}

usage() {
	echo "usage: notesh add TEXT... | list [DAY] | find WORD | days" >&2
	exit 2
}

case ${1:-} in
add)
	[ $# -gt 1 ] || usage
	mkdir -p "$dir"
	printf '%s %s\n' "$(date +%H:%M)" "${*:2}" >>"$dir/$(date +%F)"
	;;
list) cat "$dir/${2:-$(date +%F)}" ;;
find)
	[ $# = 2 ] || usage
	grep -rFi --no-messages -- "$2" "$dir"
	;;
days) ls "$dir" ;;
*) usage ;;
esac
