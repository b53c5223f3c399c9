std = "lua54"
max_line_length = 80
cache = false
files["spec"] = { std = "+busted", max_line_length = 100 } -- long messages
files[".luacheckrc"] = { std = "+luacheckrc" }
