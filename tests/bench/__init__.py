"""The benchmarks: one file each, run by `manage.py bench NAME`. Each has `run(pairs, say)`, which gives a `Report`.

`kit/` holds what they share; `stubs/` are those with which the command itself is tried.
"""
