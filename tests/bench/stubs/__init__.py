"""Benchmarks that measure nothing, to try the command with."""
