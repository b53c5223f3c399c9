#!/bin/sh
# Builds the rock as a user would, into an empty tree, and requires it from
# another folder.  Works on a copy: luarocks leaves objects beside sources.
set -eu
lua=${LUA:-lua5.4}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir "$work/source"
tar -cf - --exclude=./build --exclude=./.git . |
  tar -xf - -C "$work/source"
unset LUA_PATH_5_4 LUA_CPATH_5_4
(cd "$work/source" && luarocks --lua-version 5.4 --tree "$work/tree" make) \
  >"$work/log" 2>&1 || {
  cat "$work/log"
  exit 1
}
if grep -i 'warning' "$work/log"; then exit 1; fi
test -f "$(find "$work/tree" -name rthandle.h)"
cd /
tree=$work/tree
LUA_PATH="$tree/share/lua/5.4/?.lua;$tree/share/lua/5.4/?/init.lua;;" \
  LUA_CPATH="$tree/lib/lua/5.4/?.so;;" "$lua" - "$tree" <<'END'
local rt = require "rthandle"
assert(package.searchpath("rthandle", package.path):find(arg[1], 1, true))
assert(package.searchpath("rthandle.core", package.cpath):find(arg[1], 1, true))
local answer = rt.main(function()
  return rt.spawn(function(a, b) return a * b end, 6, 7):await()
end)
assert(answer == 42)
END
echo "1 passed, 0 failed"
