"""An honest stranger that speaks the API on loopback and really edits video."""
