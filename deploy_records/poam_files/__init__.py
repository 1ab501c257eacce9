"""Files of exceptions: reading both dialects of poam.yaml, and writing what other tools and auditors read. Pure."""
