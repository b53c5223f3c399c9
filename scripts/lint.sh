#!/bin/sh
# Every check that reads the code without running it.  Silent but for findings;
# the last line counts the checks.
# shellcheck disable=SC2086 # words on purpose
set -u
lua=${LUA:-lua5.4}
passed=0 failed=0
step() { # name, command...
  name=$1
  shift
  if output=$("$@" 2>&1); then
    passed=$((passed + 1))
  else
    failed=$((failed + 1))
    printf '%s:\n%s\n' "$name" "$output"
  fi
}

warnings="-Wall -Wextra -Wshadow -Wconversion -Wstrict-prototypes
  -Wmissing-prototypes -Wpointer-arith -Wcast-qual -Wvla -Wundef
  -Wformat=2 -Werror"
flags="-std=gnu11 -O2 -Icsrc/include -Icsrc -Ispec/c $(pkg-config --cflags \
  libuv "$(pkg-config --exists lua5.4 && echo lua5.4 || echo lua)")"

# Each file alone, syntax only, so that one run shows all findings.
compile() { # compiler and options
  status=0
  for file in csrc/*/*.c spec/c/*.c spec/stress/*.c examples/c/*.c \
    bench/c/*.c; do
    [ -f "$file" ] || continue
    "$@" $flags -c -o /dev/null "$file" || status=1
  done
  return $status
}
# Not csrc/lua: the analyzer does not know that luaL_error never returns.
analyze() {
  for file in csrc/*/*.c; do
    case $file in csrc/lua/*) continue ;; esac
    gcc $flags -fanalyzer -Werror -c -o /dev/null "$file" || return 1
  done
}
# A header is complete in itself; the public one is C++, too.
headers() {
  status=0
  for file in csrc/*/*.h; do
    gcc $flags -Werror -fsyntax-only -x c -include "$file" /dev/null || status=1
  done
  return $status
}
# The rock is built with the compiler's own defaults.
plain() {
  for file in csrc/*/*.c; do
    gcc -O2 -fPIC ${flags#* } -Werror -c -o /dev/null "$file" || return 1
  done
}
long_lines() {
  ! grep -nE '^.{81,}' csrc/*/*.[ch] spec/c/*.[ch] lua/rthandle/*.lua
}

step layers "$lua" spec/lint/layers.lua csrc/*/*.[ch]
step sync "$lua" spec/lint/sync.lua csrc/*/*.[ch]
step gcc compile gcc $warnings
step clang compile clang $warnings
step analyzer analyze
step headers headers
step "default flags" plain
step "80 columns" long_lines
step luacheck luacheck --quiet --codes lua spec examples bench scripts .busted
step rockspec luarocks --lua-version 5.4 lint rthandle-scm-1.rockspec
printf '%d passed, %d failed\n' $passed $failed
[ $failed -eq 0 ]
