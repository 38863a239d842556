"""Judgement: pure, synchronous, without I/O."""
