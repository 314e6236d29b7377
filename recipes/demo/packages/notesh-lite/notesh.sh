#!/bin/sh
# notesh, for a shell with nothing but builtins and date: add and list only.
set -eu

dir=${NOTESH_DIR:-${XDG_DATA_HOME:-$HOME/.local/share}/notesh}

case ${1:-} in
add)
	shift
	[ -d "$dir" ] || mkdir -p "$dir"
	printf '%s %s\n' "$(date +%H:%M)" "$*" >>"$dir/$(date +%F)"
	;;
list)
	while IFS= read -r line; do
		printf '%s\n' "$line"
	done <"$dir/${2:-$(date +%F)}"
	;;
*)
	echo "usage: notesh add TEXT... | list [DAY]" >&2
	exit 2
	;;
esac
