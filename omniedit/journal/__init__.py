"""Memory that survives a crash."""
