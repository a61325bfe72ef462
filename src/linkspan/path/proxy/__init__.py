"""The userland proxy: one process that holds every published host socket."""
