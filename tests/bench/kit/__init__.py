"""What the benchmarks share: a portal of their own, a service by hand, a client that counts, a report."""
