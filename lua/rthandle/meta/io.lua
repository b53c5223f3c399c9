---@meta _
-- luacheck: ignore 211 212 241 631 (it declares, and never runs)
-- Annotations for the Lua language server: rt.io, from one stream to another.

---Anything that can be read: a stream, a StreamReader, an object of your own.
---read(n) gives at most n bytes; at the end nil, and "EOF" as third value or
---none.
---@class rthandle.Reader
---@field read fun(self: any, n: integer): string?, string?, string?

---Anything that can be written: a stream, a StreamWriter, an object of your
---own.
---@class rthandle.Writer
---@field write_all fun(self: any, data: string): any, string?, string?

---Anything that can be read, written and told that no more comes.
---@class rthandle.Duplex: rthandle.Reader, rthandle.Writer
---@field shutdown fun(self: any): any, string?, string?

---rt.io: from one stream to another.
---@class rthandle.io
local io = {}

---Reads until the end and writes all of it. Neither is closed.
---@async
---@param reader rthandle.Reader
---@param writer rthandle.Writer
---@return integer? bytes
---@return string? message
---@return string? code
function io.copy(reader, writer) end

---Copies both ways at the same time. The end of the one is passed on to the
---other (shutdown); it returns when both have ended, or with the error of
---either. Neither is closed.
---@async
---@param a rthandle.Duplex
---@param b rthandle.Duplex
---@return integer? bytes from a to b
---@return integer|string bytes from b to a; or the message
---@return string? code
function io.copy_bidirectional(a, b) end
