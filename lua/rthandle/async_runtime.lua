-- rthandle.async_runtime: one runtime for the whole process, made at first
-- use and never closed by a script.
return require("rthandle.core")._async_runtime
