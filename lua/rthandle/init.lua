-- rthandle: an asynchronous multi-core runtime for Lua.
--
-- The functions are C functions that scripts call directly, so that errors
-- name the line of the call.
return require "rthandle.core"
