#!/bin/sh
# Runs test programs and specs, each in a process of its own, and counts.
# usage: scripts/check.sh BUILD-FOLDER (PROGRAM | *.lua)...
# The last line is `N passed, N failed`, the sum of what each has printed.
# A program that prints no such line counts as one.  Called by make, which
# sets CC, LUA and the paths of the module.
# shellcheck disable=SC2046,SC2086 # words on purpose
set -u
build=$1
shift
limit=300 # seconds for one program or one file of specs
case $build in */asan | */tsan) limit=1200 ;; esac
[ -z "${STRESS:-}" ] || limit=7200

# The interpreter of the specs.  Under a sanitizer it is the stock one with
# the sanitizer loaded first, by the dynamic linker rather than by LD_PRELOAD:
# the programs that a spec starts must not inherit it.
export ASAN_OPTIONS="detect_leaks=1:detect_stack_use_after_return=1"
export LSAN_OPTIONS="suppressions=$PWD/spec/lsan.supp:print_suppressions=0"
export UBSAN_OPTIONS="print_stacktrace=1"
export TSAN_OPTIONS="suppressions=$PWD/spec/tsan.supp:second_deadlock_stack=1"
case $build in
*/asan | */tsan)
  library=$($CC -print-file-name=lib${build##*/}.so)
  linker=$(ldd "$(command -v "$LUA")" | sed -n 's/^[[:space:]]*\(\/[^ ]*ld[^ ]*\) .*/\1/p')
  run="exec $linker --preload $library $LUA"
  # Old thread sanitizers cannot live with much address randomisation.
  [ "${build##*/}" = asan ] || run="exec setarch -R ${run#exec }"
  printf '#!/bin/sh\n%s "$@"\n' "$run" >"$build/lua"
  chmod +x "$build/lua"
  LUA=$PWD/$build/lua
  ;;
esac
export RTH_BUILD="$PWD/$build"

log=$(mktemp) || exit 1
trap 'rm -f "$log"' EXIT
passed=0 failed=0

# Adds what a log says; without a closing line the status decides.
count() { # name status
  set -- "$1" "$2" $(sed -n '
    s/^\([0-9]*\) passed, \([0-9]*\) failed$/\1 \2/p
    s/^\([0-9]*\) success[es]* \/ \([0-9]*\) failures* \/ \([0-9]*\) error.*/\1 \2 \3/p
    ' "$log" | tail -n 1)
  p=${3:-0} f=$((${4:-0} + ${5:-0}))
  if [ $# -eq 2 ] && [ "$2" -eq 0 ]; then p=1; fi
  if [ "$2" -ne 0 ] && [ $f -eq 0 ]; then f=1; fi
  passed=$((passed + p)) failed=$((failed + f))
  if [ $f -eq 0 ]; then
    printf '%-44s %4d passed %4d s\n' "$1" "$p" $(($(date +%s) - start))
    return
  fi
  cat "$log"
  case $2 in
  124 | 137) printf '%s: over the limit of %d seconds\n' "$1" $limit ;;
  esac
  printf '%-44s %4d passed, %d failed (status %d)\n' "$1" "$p" $f "$2"
}

for item in "$@"; do
  case $item in
  *_spec.lua)
    set -- "$LUA" scripts/busted.lua --output=plainTerminal \
      --cpath="$RTH_BUILD/?.so" "$item"
    ;;
  *.lua) set -- "$LUA" "$item" ;;
  *) set -- "$item" ;;
  esac
  start=$(date +%s)
  timeout -k 10 $limit "$@" >"$log" 2>&1 </dev/null
  count "${item#"$build"/}" $?
done

printf '%d passed, %d failed\n' $passed $failed
[ $failed -eq 0 ] && [ $passed -gt 0 ]
