basename /a/b.c .c; basename /a/b/; dirname /a/b; dirname a; dirname /a; basename -s .x a.x b.x; dirname a//b/ /
----
echo a:b:c | cut -d: -f2; echo a:b:c | cut -d : -f 1,3; echo abcdef | cut -c2-4; echo a.b.c | cut -d. -f2-; echo none | cut -d: -f2; echo a:b | cut -sd, -f1; echo abc | cut -b1
----
echo hello | tr a-z A-Z; echo a-b_c | tr -d -- '-_'; echo 'a  b' | tr -s ' '; echo 1.2.3 | tr . _; echo 'a,b' | tr , '\n'; echo aXb | tr -d '[:upper:]'; echo a1b2 | tr -cd '0-9'; echo; echo abc | tr abc xy; echo aabb | tr -s a-z; echo ab | tr '[a-z]' '[A-Z]'
----
echo v1.2.3 | sed 's/v//'; echo a-b-c | sed 's/-/./g'; echo abc | sed 's/\(a\)\(b\)/\2\1/'; echo abc | sed -E 's/(a)(b)/\2\1/'; echo abc | sed 's|b|[&]|'; printf 'a\nb\nc\n' | sed -n 2p; printf 'a\nb\n' | sed '/a/d'; echo aaa | sed 's/a/b/2'; echo x | sed -e s/x/y/ -e s/y/z/; echo 1.2-rc1 | sed 's/-/_/;s/rc//'; echo A | sed 's/a/b/I'; echo abc | sed 'y/abc/xyz/'; printf 'a\nb\nc\n' | sed '2,$d'; printf 'a\nb\nc\n' | sed '$!d'; printf 'k = v\n' | sed -n 's/^k = //p'
----
echo 'foo-1.2.tar' | sed -r 's/^.*-([0-9.]+)\.tar$/\1/'; echo 'a+b' | sed 's/+/ /'; echo 'a.b' | sed 's/\./_/g'; echo aab | sed 's/a\+/x/'; echo 'x(y)' | sed 's/(y)//'; echo abc | sed -E 's/b?c//'; echo 'r12.abc' | sed 's/\([^-]*-g\)/r\1/;s/-/./g'; echo hello | sed 's/./\U&/'; echo 'a b' | sed 's/\s/_/'; echo 'https://x/a' | sed 's,/[^/]*$,,' ; echo ab:S+ | sed -E 's|:\S+||g'
----
seq 3; seq 2 4; seq 1 2 5; seq -s, 3; seq -w 8 10; printf '3\n1\n2\n' | sort; printf 'b\na\nb\n' | sort -u; printf '10\n9\n' | sort -n; printf '10\n9\n' | sort; printf 'a\nb\n' | sort -r; printf 'a\na\nb\n' | uniq; printf 'a\nb\n' | wc -l; echo abc | rev; printf '1\n2\n' | tac; printf 'a\nb\n' | paste -sd,
----
head -n1 b.txt; head -1 b.txt; tail -n1 b.txt; tail -n +2 b.txt; head -c 2 b.txt; tail -1 b.txt; cat b.txt a.txt | head -n 4 | tail -n 2; head -n -1 b.txt
----
grep two b.txt; grep -o 'a[a-z]*' a.txt; grep -c x b.txt 2>/dev/null || true; grep -q one b.txt && echo yes; grep -v two b.txt; grep -E '^(one|two)$' b.txt; grep -oE '[0-9]+' a.txt; grep -m1 = a.txt; grep nothing b.txt; echo $?; echo 'v1.2' | grep -oP '\d+\.\d+'; grep -i ONE b.txt; grep -F . b.txt; grep -w two b.txt
----
date -u -d @0 +%Y-%m-%d; date -d 2024-02-03 +%s; date -u -d '2024-02-03' +%Y%m%d; date -u -d @1000000000 '+%F %T %j %u %V %y%m%d.%H%M'; expr 1 + 2; expr 7 / 2; date -u -d @0 +%-d.%-m
----
ls sub; ls none 2>/dev/null; echo $?; sleep 0; cat none 2>/dev/null; echo $?; cat - <<< in; echo a | cat
----
printf '%s\n' 1.10 1.9 1.2 v2.0 v1.10 v1.9 a-1.0.tar.gz a-1.0.1.tar.gz a-1.0-rc1.tar.gz 1.0~rc 1.0 1.0a 1.0.1 01 1 001 '' . .. .a b B 20230101-1 20230101-10 lineage-18.1-x lineage-9-y 1.0-1 1.0_1 1.0+1 5.10.0-1 5.9.16-2 5.10-arch1 | sort -V
----
printf '%s\n' 1.2 1.10 1.2 | sort -Vu; printf '%s\n' 2.0 10.0 | sort -rV | head -n1; printf '%s\n' 6.1 6.0.2 | sort -V -r
----
echo a.b.c | awk -F. '{print $1"."$2}'; echo 'x y  z' | awk '{print $2}'; echo 3.53.4 | awk -F. '{ printf "%d%02d%02d00", $1, $2, $3 }'; echo; echo a=b | awk -F'=' '/a/ {print $2}'; printf 'a 1\nb 2\n' | awk '$1 == "b" { print $2 }'; printf 'a\nb\n' | awk 'NR==2'; echo a:b:c | awk -F: '{print $NF, $(NF-1), NF}'; echo Ab | awk '{print toupper($1) tolower($0)}'; printf '1\n2\n' | awk '{print; exit}'; echo v08.09 | awk -F'[v.]' '{printf "%d-%d\n", $2, $3}'; awk '!/two/' b.txt; awk -F= '$1 ~ /^b/ {print $2}' a.txt; echo a | awk -v x=3 '{print x $1}'
