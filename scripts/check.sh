#!/bin/sh
# Runs test programs and specs, each in a process of its own, as many at a time
# as there are processors, and counts.
# usage: scripts/check.sh BUILD-FOLDER (PROGRAM | *.lua)...
# The last line is `N passed, N failed`, the sum of what each has printed; one
# that prints no such line counts as one.  Called by make, which sets CC, LUA
# and the paths of the module.
# shellcheck disable=SC2046,SC2086 # words on purpose
set -u

# ---- one of them (started by xargs below) -----------------------------------

# Answers "passed failed" from a log; without a closing line the status decides.
count() { # log status
  set -- "$2" $(sed -n '
    s/^\([0-9]*\) passed, \([0-9]*\) failed$/\1 \2/p
    s/^\([0-9]*\) success[es]* \/ \([0-9]*\) failures* \/ \([0-9]*\) error.*/\1 \2 \3/p
    ' "$1" | tail -n 1)
  p=${2:-0} f=$((${3:-0} + ${4:-0}))
  [ $# -gt 1 ] || [ "$1" -ne 0 ] || p=1
  [ "$1" -eq 0 ] || [ $f -gt 0 ] || f=1
  echo "$p $f"
}

run_one() { # item
  log=$CHECK_FOLDER/$(echo "$1" | tr / _)
  start=$(date +%s)
  case $1 in
  *_spec.lua)
    set -- "$1" "$LUA" scripts/busted.lua --output=plainTerminal \
      --cpath="$RTH_BUILD/?.so" "$1"
    ;;
  *.lua) set -- "$1" "$LUA" "$1" ;;
  *) set -- "$1" "$1" ;;
  esac
  name=${1#"$CHECK_BUILD"/}
  shift
  timeout -k 10 "$CHECK_LIMIT" "$@" >"$log" 2>&1 </dev/null
  status=$?
  set -- $(count "$log" $status)
  echo "$1 $2" >"$log.count"
  line=$(printf '%-42s %4d passed %5d s' "$name" "$1" \
    $(($(date +%s) - start)))
  case $2,$status in
  0,*) echo "$line" ;;
  *,124 | *,137) echo "$line, $2 failed: over the limit" ;;
  *) echo "$line, $2 failed, status $status" ;;
  esac
}

if [ "$1" = --one ]; then
  run_one "$2"
  exit 0
fi

# ---- all of them --------------------------------------------------------------

CHECK_BUILD=$1
shift
[ $# -gt 0 ] || {
  echo "no test here has '${ONLY:-}' in its name; see spec/ and spec/c/"
  exit 1
}
CHECK_LIMIT=300 # seconds for one program or one file of specs
case $CHECK_BUILD in */asan | */tsan) CHECK_LIMIT=900 ;; esac
[ -z "${STRESS:-}" ] || CHECK_LIMIT=7200
CHECK_FOLDER=$(mktemp -d) || exit 1
trap 'rm -rf "$CHECK_FOLDER"' EXIT
export CHECK_BUILD CHECK_LIMIT CHECK_FOLDER RTH_BUILD="$PWD/$CHECK_BUILD"

# __tls_get_addr is left alone: the sanitizers guess from a mere address whether
# an old glibc has allocated a thread's variables there, and crash (in the
# search for leaks, say) where the guess is wrong.
both=intercept_tls_get_addr=0
export ASAN_OPTIONS="$both:detect_leaks=1:detect_stack_use_after_return=1"
export UBSAN_OPTIONS="print_stacktrace=1"
export TSAN_OPTIONS="$both:second_deadlock_stack=1"
export TSAN_OPTIONS="$TSAN_OPTIONS:suppressions=$PWD/spec/tsan.supp"
# Under a sanitizer the interpreter of the specs is the stock one with the
# sanitizer loaded first.
sanitizer=${CHECK_BUILD##*/}
case $sanitizer in
asan | tsan)
  preload="$($CC -print-file-name=lib$sanitizer.so) $RTH_BUILD/unpreload.so"
  $CC -shared -fPIC -o "$RTH_BUILD/unpreload.so" spec/support/unpreload.c
  run="env LD_PRELOAD='$preload' $LUA"
  # Old thread sanitizers cannot live with much address randomisation.
  [ $sanitizer = asan ] || run="setarch -R $run"
  printf '#!/bin/sh\nexec %s "$@"\n' "$run" >"$RTH_BUILD/lua"
  chmod +x "$RTH_BUILD/lua"
  export LUA="$RTH_BUILD/lua"
  ;;
esac

printf '%s\n' "$@" |
  xargs -n 1 -P "$(getconf _NPROCESSORS_ONLN)" "$0" --one

passed=0 failed=0
for item in "$@"; do
  log=$CHECK_FOLDER/$(echo "$item" | tr / _)
  set -- $(cat "$log.count" 2>/dev/null || echo 0 1)
  passed=$((passed + $1)) failed=$((failed + $2))
  [ "$2" -eq 0 ] || {
    echo
    echo "==== $item"
    cat "$log"
  }
done
printf '%d passed, %d failed\n' $passed $failed
[ $failed -eq 0 ] && [ $passed -gt 0 ]
