"""Bytes and frames: probe, host, download."""
