x=abc; echo "${x:1}" "${x:1:1}" "${x: -2}" "${x:0:-1}" "${#x}" "${x/b/Z}" "${x^}" "${x^^}" "${x,,}"
----
y=1.2.3; echo ${y%.*} ${y%%.*} ${y#*.} ${y##*.} ${y//./_} ${y/./} ${y//.}
----
echo "${u:-default}" "${u-def}" "${u:+set}" ${u:="assigned"} "$u" "${u:+set}"
----
x=; echo "[${x:-it is}]" "[${x-unset}]" "[${x:+y}]" ${x:-a b} "${x:-"q r"}" "${x:-'s'}" ${x:-'s t'}
----
a=(one "two three" four); echo "${a[@]}" ${#a[@]} "${a[1]}" ${#a[1]} "${a[-1]}" "${!a[@]}" "${a[@]:1}" "${a[@]:1:1}" "${a[*]}"
----
a=(one two); a+=(three); a[5]=six; echo "${!a[@]}" "${a[@]}" "${#a[@]}"; unset 'a[1]'; echo "${!a[@]}"; IFS=,; echo "${a[*]}"
----
a=(x y z); printf '<%s>' "${a[@]/#/pre-}" "${a[@]/%/-post}" "${a[@]/y}" "${a[@]#x}"; echo
----
a=(); printf '<%s>' "${a[@]}" "${a[*]}" "x${a[@]}" ; echo; set --; printf '<%s>' "$@"; echo; printf '<%s>' "a$@b"
----
set -- 'a b' c; for i; do echo "[$i]"; done; echo $# "$*" "$@" ${1} "${@:2}" "${*: -1}"
----
declare -A m=([foo]=1 [bar]=2 [baz]=3 [qux]=4); echo "${!m[@]}" "${m[@]}" "${m[foo]}" "${#m[@]}" "${m[none]-no}"
----
declare -A m; m[x86_64]=amd64; m[aarch64]=arm64; m["a b"]=c; for k in "${!m[@]}"; do echo "$k=${m[$k]}"; done
----
declare -A m=([linux]=1 [windows]=2 [darwin]=3 [freebsd]=4 [openbsd]=5 [netbsd]=6 [plan9]=7 [aix]=8 [js]=9 [solaris]=10); echo "${!m[*]}"
----
declare -A m=(a 1 b 2); m+=([c]=3); echo "${m[a]}${m[b]}${m[c]}"; unset "m[a]"; echo "${#m[@]}"
----
echo {a,b,c} x{1..3}y {1..10..3} {a..e} {05..8} {3..1} a{,b} {a,b}{1,2} {x} {} {a,{b,c}} pre{"a b",c}post '{a,b}' \{a,b\} {a..c..2} {-2..2}
----
echo 'https://x/logo_'{a.ppm,b.pbm}{,.sig} $'tab\there' "a\$b" a\ b "\x" '\x' ""
----
x='a  b'; echo $x "$x"; y=$x; echo "$y"; for w in $x; do echo "<$w>"; done
----
IFS=.; v=1.2.3; set -- $v; echo "$1-$2-$3-$#"; unset IFS; IFS=: read -r a b c <<< "x:y:z:w"; echo "$a|$b|$c"
----
IFS=' :'; x=' a : b::c '; set -- $x; printf '<%s>' "$@"; echo $#
----
r='[&]'; y=abc; echo "${y//b/$r}" "${y//b/"$r"}" "${y//b/[&]}" "${y//b/[\&]}" "${y//b/'&'}" "${y/b/\\}" "${y//b/\/}"
----
y="a'b'c"; echo "${y//\'b\'/'Q'}" "${y%'c'}" "${y%"c"}" "${y//\'}" "${y//"'"/\"}"
----
p=/usr/share/foo.tar.gz; echo "${p##*/}" "${p%/*}" "${p%%.*}" "${p#*/}" "${p//\//-}" "${p////_}" "${p/#\/usr/X}" "${p/%gz/xz}"
----
v=v1.2.3-rc1; echo "${v#v}" "${v%-rc*}" "${v//[^0-9.]/}" "${v/-/_}" "${v//[a-z]}" "${v//[[:digit:]]/#}" "${v//-/.}"
----
n=foo; foo=bar; echo "${!n}" "${!n:-x}" "${!n^^}"; arr=(1 2); r='arr[@]'; echo "${!r}" "${!fo@}" ${!fo*}
----
x=5; echo $((x+1)) $((x*2-3)) $((x>3?10:20)) $((1<<4)) $((0x1f)) $((010)) $((2**10)) $((7/2)) $((-7%3)) $((x++)) $x $((++x)) $((!x)) $((~x)) $((x&3|8)) $((16#ff)) $((36#z)) $(( (1,2) ))
----
x=1; ((x+=5)); echo $x; ((x==6)) && echo yes; let y=x*2; echo $y; a=(1 2 3); echo $((a[1]+a[2])) $((${a[0]}+1)); i=1; echo "${a[i]}" "${a[i+1]}" ${a[$i]}
----
echo $[1+2] `echo back \`echo nested\`` $(echo $(echo deep)) "$(echo "a  b")" $(printf '%s\n' x y)
----
x=$(cat <<EOF
here $((1+1)) "quoted" \$x
EOF
); echo "$x"; cat <<'EOF'
raw $x
EOF
cat <<-EOF
	tabs
	EOF
----
x="multi
line"; echo "$x" $x "${x%%
*}" "${x//$'\n'/,}"
----
f() { local x=inner; echo $x "$@" $# "$1"; return 3; }; x=outer; f a 'b c'; echo $? $x
----
f() { g; }; g() { echo "$v"; v=changed; }; h() { local v=local; f; echo $v; }; v=global; h; echo $v
----
y='~'; echo "$y" "~" a~b ~+
----
a=b=c; echo "$a"; export E=1 F="2 3"; echo $E $F; readonly R=4; echo $R; x+=y; x+=z; echo $x; declare -i n=5; n+=3; echo $n; declare -l low=ABC; echo $low; declare -u up=abc; echo $up
----
: ${a:=1} ; : "${b=2}" ; echo $a $b; [[ -v a ]] && echo set; [[ -v zz ]] || echo unset; echo ${a@Q}
----
echo *.txt sub/*.patch sub/[xy].patch nomatch* "*.txt" \*.txt ?.txt [!b].txt .h*
----
shopt -s extglob nullglob
echo none* !(b*).txt +(a|b).txt @(a|b).txt
x=aaabbb; echo ${x##+(a)} ${x%%+(b)} ${x/+(a)/Z} ${x//@(a|b)/-}
----
case "foo-bar" in foo*) echo 1;;& *bar) echo 2;; *) echo 3;; esac; case x in a|x) echo ax;; esac; case "" in '') echo empty;; esac; case '*' in '*') echo star;; esac; case a in b) ;; [[:alpha:]]) echo alpha;& z) echo fall;; esac
----
[[ abc == a* ]] && echo glob; [[ abc == "a*" ]] || echo quoted; [[ v1.2 =~ ^v([0-9]+)\.([0-9]+)$ ]] && echo "${BASH_REMATCH[1]}.${BASH_REMATCH[2]}"; re='^[a-z]+$'; [[ foo =~ $re ]] && echo re; [[ a < b ]] && echo lt; [[ ! -e none && ( 1 -lt 2 || x ) ]] && echo logic; [[ -f a.txt && -d sub && -s b.txt && ! -s empty ]] && echo files
----
[ a = a ] && echo eq; [ 3 -gt 2 -a -n x ] && echo and; [ "" ] || echo empty; [ ! -f none ] && echo nofile; test -z "" && echo z; [ a = b -o c = c ] && echo or; [ \( a = a \) ] && echo paren; [ 1 -eq x ] 2>/dev/null; echo $?
----
for ((i=0;i<3;i++)); do echo -n "$i "; done; echo; i=0; while ((i<5)); do ((i++)); ((i==2)) && continue; ((i==4)) && break; echo $i; done; until ((i==0)); do ((i--)); done; echo $i
----
while IFS='=' read -r k v; do echo "$k -> $v"; done < a.txt; while read -r l; do n=$l; done < <(printf '1\n2\n'); echo $n; echo x | while read y; do echo "got $y"; done
----
mapfile -t lines < b.txt; echo "${#lines[@]}" "${lines[1]}"; readarray -t z <<< "a
b"; echo "${z[@]}"; read -ra w <<< "p q r"; echo "${w[2]}"; read -r -d '' t <<< "x y"; echo "$t"
----
source c.sh one two; echo $sourced "$args"; . ./c.sh; echo "$args"; eval 'q=5; echo $((q+1))'; eval "v_$q=dyn"; echo $v_5
----
echo "$(<b.txt)"; x=$(< a.txt); echo "${x%%=*}"
----
printf '%s-%s\n' a b c; printf '%05d|%-5s|%5s|%x|%o|%c|%%|%b\n' 42 ab cd 255 8 xyz 'a\tb'; printf -v out '%03d' 7; echo $out; printf '%s\n' "${a[@]:-none}"; printf '%.2f %d\n' 3.14159 0x10; printf '%q\n' "a b"; printf 'no newline'; printf '%s'
----
echo -e 'a\tb\n' -n; echo -n x; echo -E 'a\tb'; echo -e '\x41\u00e9\0101'; echo -- x; echo - -a
----
x=héllo; echo ${#x} ${x:1:1} ${x^^} ${x//é/e} ${x%o}; printf '%s\n' "${x/l*/}"
----
declare -a q=(1 2); declare -p q; declare -A aa=([k]=v); declare -p aa; z='a"b$'; declare -p z; declare -x ex=1; declare -p ex; fn() { echo hi; }; declare -f fn; declare -F fn
----
x=1 y=2; unset x; echo "${x-unset}" $y; f() { unset y; echo "${y-gone}"; }; f; echo "${y-gone too}"; g() { echo a; }; unset -f g; type -t echo if f; command -v f echo
----
false || echo or; true && echo and; ! false && echo not; { echo group; } ; ( x=sub; echo $x ); echo "${x-}"; if false; then :; elif true; then echo elif; fi; true | false; echo $?; set -o pipefail; false | true; echo $?
----
shift 2>/dev/null; set -- a b c; shift; echo $*; set -- "${@:2}"; echo $1; getit() { echo "${FUNCNAME[0]}"; }; getit
----
name=foo; pkgver=1.0; source=("$name-$pkgver.tar.gz::https://x/$name/${pkgver//./_}"{,.sig} 'local file' $name.patch); printf '%s\n' "${source[@]}"
----
a=([2]=c [0]=a); echo "${a[@]}" "${!a[@]}"; a=([1]=x y [7]=z); echo "${!a[@]}"; b=("${a[@]}"); echo "${#b[@]}"; a=("${a[@]:0:1}" new); echo "${a[*]}"
----
x='$(date)'; echo "$x" '$x' "\`" "a\
b" a\
b
----
echo ${x:-$(echo sub)} ${x:-`echo bt`} "${x:-${y:-nested}}" ${x:+"$y"} "${x:-}" end
----
v='5.15.3'; major=${v%%.*}; rest=${v#*.}; minor=${rest%%.*}; if (( major > 5 || ( major == 5 && minor >= 15 ) )); then echo new; fi; [[ $v == 5.15.* ]] && echo match; [[ $v != 6* ]] && echo no6; [[ ${v} = +([0-9]).+([0-9]).* ]] && echo ext
----
f() { while (($#)); do case $1 in -a) echo "opt a";; --) shift; break;; *) echo "arg $1";; esac; shift; done; echo "rest $*"; }; f -a b -- c d
----
a="x y"; b=($a); echo ${#b[@]}; b=("$a"); echo ${#b[@]}; c=($(echo 1 2 3)); echo ${#c[@]}; d=(`echo p q`); echo "${d[1]}"; e=(*.txt); echo "${e[@]}"
----
(exit 3); echo $?; f() { return; }; false; f; echo $?; x=$(exit 4); echo $?; local_test() { local y=$(false); echo $?; }; local_test; y=$(false); echo $?
----
echo a >/dev/null; echo err >&2; { echo out; echo err >&2; } 2>/dev/null; echo both 2>&1 | cat; cat < a.txt | head -1; cat <<< here
----
x=3; while [ $x -gt 0 ]; do x=$((x-1)); [ $x -eq 1 ] && continue; echo $x; done; for i in 1 2; do for j in a b; do [ $j = b ] && continue 2; echo $i$j; done; done
----
declare -n ref=target; target=t; echo $ref; ref=new; echo $target; setvar() { local -n out=$1; out=(a b); }; setvar list; echo "${list[@]}"
----
a=(b c d); echo "${a[@]: -1}" "${a[@]::2}" "${a[@]/b/x}" "${a[@]^}" "${a[0]:0:1}" ${a[*]:1}; a[${#a[@]}]=e; echo ${a[@]}; echo ${a[@]@Q}
----
x=abc; [[ $x =~ (b)(c)? ]]; echo ${#BASH_REMATCH[@]} "${BASH_REMATCH[@]}"; [[ "a b" =~ a\ b ]] && echo sp; [[ a.b =~ a\.b ]] && echo dot; [[ axb =~ a"."b ]] || echo literal; [[ foo123 =~ [0-9]+ ]] && echo $BASH_REMATCH; [[ x =~ ^(a|x)$ ]] && echo alt
----
echo "${x:=y}${x}" "$((x=5))" $x; y[0]=a; echo $y ${y[0]}; z=(1); z+=2; echo $z; s=a; s+=(b); echo "${s[@]}"
----
time -p : 2>/dev/null; echo a & wait; echo done; trap - EXIT; umask 022; ulimit -n >/dev/null; hash -r; true; echo end
----
IFS='，'; a=(x y z); echo "${a[*]}版本"; s='p，q'; for w in $s; do echo "<$w>"; done
----
IFS=; a='x y'; for w in $a; do echo "<$w>"; done; set -- a b; echo "$*"; IFS=$'\n'; x=$'a b\nc'; for w in $x; do echo "<$w>"; done
----
a=("x" "y z"); for i in "${!a[@]}"; do echo "$i=${a[i]}"; done; b=("${a[@]/#/--with-}"); printf '[%s]' "${b[@]}"; c=${a[@]}; echo "$c"; d="${a[*]/ /_}"; echo "$d"; [[ " ${a[*]} " == *" x "* ]] && echo in
----
x=; (echo "${x:?}" ; echo unreachable); echo $?
----
f() { echo "${1:?need arg}"; echo after; }; (f) 2>/dev/null; echo $?
----
v=1.2; echo "${v/./}${v//[.]/-}" "${v%%[^0-9]*}" "${v##*[!0-9]}" "${v/%2/3}" "${v/#1/9}" "${v#?}" "${v%?}" "${v:${#v}-1}" "${v: -1:1}"
----
x="a/b/c"; echo "${x/\//_}" "${x//\//_}" "${x%%/*}" "${x//[\/]/-}" "${x/b\/c/z}"; y='$HOME'; echo "${y}" "${y/\$/D}"; z='a*b'; echo "${z/\*/S}" "${z//[*]/T}" "${z%%'*'*}"
----
i=5; echo $((i+=2)) $i $(( i > 3 && i < 10 )) $(( (i<<2) | 1 )) $((i--)) $((--i)) $((i,i+1)) "$((1 ? 2 : 3))" $(( 08#7 + 1 )) 2>/dev/null
----
n=3; while ((n-->0)); do printf '%d ' $n; done; echo; for x in $(seq 1 3); do printf '%s,' $((x*x)); done; echo; printf '%s\n' {01..03}{a,b} | sed 's/^/x/' | tr '\n' ' '
----
case abc in a?c) echo q;; esac; case a.b in *.*) echo dot;; esac; case x86_64 in i?86|x86_64) echo x86;; esac; case "a b" in "a b") echo sp;; esac; x='a*'; case abc in $x) echo unq;; esac; case abc in "$x") echo q;; *) echo noq;; esac
----
if [[ -z ${FOO+x} ]]; then echo unset; fi; if [ -z "${FOO}" -o "$FOO" = 1 ]; then echo o; fi; [[ x ]] && [[ ! "" ]] && echo ok; [ x = x -a ! y = z ] && echo fine; [ ! "$FOO" ] && echo nofoo; [[ 10 -gt 9 && 010 -eq 8 ]] && echo octal; [ 010 -eq 10 ] && echo decimal
----
declare -A o=([b]=1); o[c]+=x; o[b]+=y; echo "${o[b]} ${o[c]}"; declare -a l=([3]=d); l+=(e); echo "${!l[@]}"; unset l[3]; echo "${!l[@]}"; l=("${l[@]}"); echo "${!l[@]}"; s=(${o[b]} "${o[c]}"); echo ${#s[@]}
----
x=$'a\nb\n\n'; y=$(printf '%s' "$x"); echo "[$y]"; echo "$(echo 'a"b')" "$(echo "in \"quotes\"")" "`echo "back \"ticks\""`" "$(echo $(echo "a  b"))"
----
f() { echo "$@" | while read -r a b; do echo "$b $a"; done; }; f 1 2; g() { local IFS=,; echo "$*"; }; g x y z; h() ( x=sub; echo $x ); h; echo "${x-none}"; k() { return $(($1 % 2)); }; k 3 || echo odd
----
source ./c.sh; echo "${BASH_SOURCE[0]##*/}" "${FUNCNAME[0]}"; t() { echo "${FUNCNAME[0]} ${FUNCNAME[1]}"; }; t
----
echo "a${x:+b}c" 'single'"double"unquoted$'ansi' a{b,"c d"}e; echo "$(( $(echo 3) + ${y:-4} ))" "${z:-$((1+1))}" ${w:=$(echo w)}; echo $w "${#w}" "${v:=${w}v}" $v
----
a=(1 2 3 4 5); echo "${a[@]:1:3}" "${a[@]: -2}" "${a[@]:2}" "${a[@]::1}"; set -- "${a[@]}"; echo "${@:2:2}" "${@: -1}" "${@:1}" "$#" "${!#}"; a=("${a[@]:1}"); echo "${a[0]}"; unset 'a[-1]'; echo "${a[@]}"
----
x='foo bar'; y=(${x/ /,}); echo "${y[0]}"; IFS=', ' read -r -a z <<< 'a, b,c'; echo "${#z[@]} ${z[1]}"; IFS=$'\n' read -r -d '' -a w <<< $'l 1\nl 2'; echo "${w[1]}"; while IFS=: read -r p q; do echo "$q"; done <<< $'1:2\n3:4:5'
----
pkgver=1.2.3.r4.gabc; echo "${pkgver%%.r*}" "${pkgver##*.g}" "${pkgver//.r*/}" "${pkgver%.r*}"; t=${pkgver#*.}; echo "${t%%.*}"; printf -v v '%s.%02d' 1 5; echo $v; echo ${pkgver//./ } | wc -w; : $((c=1)) $((c+=1)); echo $c
----
printf '%s %s\n' a b c; printf '%d%%\n' 5; printf '%-6s|%6.2s|\n' ab cdef; printf '\x41\101\n'; printf '%b' 'x\ny\n'; printf "%s\n" "$(printf '%x' 255)" ; printf '%3d|%-3d|%+d\n' 5 5 5; printf '%s' '' ; printf '%c%c\n' foo bar; printf '%i\n' -3; printf -- '-x\n'; printf '%5s%%\n' é
----
f() { local v=in; echo $((1/0)); echo same; }; v=out; f; echo rest
echo "next line $v $?"
eval 'echo ${a!b}; echo no'; echo "after eval $?"
a=(1); echo "[${a[-5]}]"; echo still
(echo ${a!b}; echo no); echo $?
