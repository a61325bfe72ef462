"""The live map in a browser: a small server of its own that asks the daemon over its socket, and a page."""
