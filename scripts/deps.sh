#!/bin/sh
# Finds what is missing for a purpose and installs it where it can: on Debian
# and its kin as root or through sudo.  Elsewhere it says what to install.
# usage: scripts/deps.sh demo | test | lint | rock | bench
# Nothing missing: ends at once, without a look at the network.
# shellcheck disable=SC2046,SC2086 # words on purpose
set -u
lua=${LUA:-lua5.4}

# Columns: what, Debian, Fedora, Alpine, Arch, Homebrew; one row a need.
missing=""
need() { missing="$missing$*
"; }

have() { command -v "$1" >/dev/null 2>&1; }
has_module() { "$lua" -e "assert(package.searchpath('$1',
  package.path .. ';' .. package.cpath))" >/dev/null 2>&1; }

# Debian packages it; elsewhere it comes from luarocks.
rock() { echo "luarocks,rock:$1 luarocks5.4,rock:$1 luarocks,rock:$1 \
  luarocks,rock:$1"; }

find_build() {
  echo '#include <stdio.h>' | ${CC:-cc} -E - >/dev/null 2>&1 ||
    need compiler gcc,libc6-dev gcc gcc,musl-dev gcc gcc
  have make || need make make make make make make
  have pkg-config || need pkg-config pkg-config pkgconf pkgconf pkgconf pkgconf
  "$lua" -e 'assert(_VERSION == "Lua 5.4")' >/dev/null 2>&1 ||
    need lua lua5.4 lua lua5.4 lua54 lua@5.4
  pkg-config --exists 'lua5.4 >= 5.4' 2>/dev/null ||
    pkg-config --exists 'lua54 >= 5.4' 2>/dev/null ||
    pkg-config --exists 'lua-5.4 >= 5.4' 2>/dev/null ||
    pkg-config --exists 'lua >= 5.4 lua < 5.5' 2>/dev/null ||
    need lua-headers liblua5.4-dev lua-devel lua5.4-dev lua54 lua@5.4
  pkg-config --exists 'libuv >= 1.44' 2>/dev/null ||
    need libuv libuv1-dev libuv-devel libuv-dev libuv libuv
}

find_test() {
  has_module busted.runner ||
    need busted lua-busted $(rock busted)
  have ps || need ps procps procps-ng procps procps-ng procps
  # Peers of the network's examples.
  have curl || need curl curl curl curl curl curl
  have socat || need socat socat socat socat socat socat
  have wrk || need wrk wrk wrk wrk wrk wrk
  have redis-server || need redis-server redis-server redis redis redis redis
}

find_rock() {
  have luarocks || need luarocks luarocks luarocks luarocks5.4 luarocks luarocks
}

find_lint() {
  have luacheck ||
    need luacheck lua-check $(rock luacheck)
  have clang || need clang clang clang clang clang llvm
}

find_bench() {
  has_module cqueues ||
    need cqueues lua-cqueues $(rock cqueues)
  has_module luv ||
    need luv lua-luv $(rock luv)
  has_module socket ||
    need luasocket lua-socket $(rock luasocket)
  # Debian's is for Lua 5.2 by name only.
  has_module copas || [ -e /usr/share/lua/5.2/copas.lua ] ||
    need copas lua-copas $(rock copas)
  have nginx || need nginx nginx-light nginx nginx nginx nginx
  have wrk || need wrk wrk wrk wrk wrk wrk
  have cargo || need cargo cargo cargo cargo rust rust
  # bench/run leaves out Tokio where its crates are not to be had.
  if have apt-get && ! ls -d /usr/share/cargo/registry/tokio-[0-9]*; then
    need tokio librust-tokio-dev cargo cargo rust rust
  fi >/dev/null 2>&1
}

find_build
case ${1:-} in
demo) ;;
test) find_test ;;
lint) find_test && find_rock && find_lint ;;
rock) find_rock ;;
bench) find_bench ;;
*)
  echo "usage: $0 demo | test | lint | rock | bench" >&2
  exit 2
  ;;
esac
[ -n "$missing" ] || exit 0

# One column of what is missing, as words; rocks apart from packages.
column() { printf '%s' "$missing" | cut -d ' ' -f "$1" | tr ',' '\n' |
  grep -v '^rock:' | sort -u | tr '\n' ' '; }
rocks() { printf '%s' "$missing" | cut -d ' ' -f 3 | sed -n 's/.*rock://p' |
  tr '\n' ' '; }

root=
[ "$(id -u)" = 0 ] || root=sudo
if [ -z "${DEPS_AGAIN:-}" ] && have apt-get && { [ -z "$root" ] || have sudo; }
then
  packages=$(column 2)
  echo "installing: $packages" >&2
  export DEBIAN_FRONTEND=noninteractive
  $root apt-get update -qq >&2 &&
    $root apt-get install -qq -y --no-install-recommends $packages >&2 &&
    DEPS_AGAIN=1 exec "$0" "$1" # is all there now?
  echo "$0: apt-get could not install: $packages" >&2
  exit 1
fi

{
  printf 'missing for "make %s": ' "$1"
  column 1
  printf '\nInstall:\n'
  printf '  Debian, Ubuntu  apt-get install %s\n' "$(column 2)"
  printf '  Fedora          dnf install %s\n' "$(column 3)"
  printf '  Alpine          apk add %s\n' "$(column 4)"
  printf '  Arch            pacman -S %s\n' "$(column 5)"
  printf '  macOS           brew install %s\n' "$(column 6)"
  r=$(rocks)
  [ -z "$r" ] || printf '%s: luarocks --lua-version 5.4 install %s\n' \
    'and, but for Debian' "$r"
} >&2
exit 1
