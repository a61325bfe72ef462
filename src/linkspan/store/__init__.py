"""What must survive the daemon: SQLite documents, leases and intents."""
