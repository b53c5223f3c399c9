std = "lua54"
max_line_length = 80
cache = false
files["spec"] = { std = "+busted" }
files[".luacheckrc"] = { std = "+luacheckrc" }
