#!/usr/bin/env bash
# almanac: what the calendar says about a day.
set -euo pipefail

data=${ALMANAC_DATA:-/usr/share/almanac/days.tsv}

case ${1:-today} in
today) day=$(date +%m-%d) ;;
note)
	exec notesh add "$("$0" today)"
	;;
[01][0-9]-[0-3][0-9]) day=$1 ;;
*)
	echo "usage: almanac [today|note|MM-DD]" >&2
	exit 2
	;;
esac
awk -F '\t' -v day="$day" '$1 == day { print $2; found = 1 } END { if (!found) print "an ordinary day" }' "$data"
