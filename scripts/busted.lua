-- busted under the Lua that runs this file: its own command may pick another.
require "busted.runner" { standalone = false }
