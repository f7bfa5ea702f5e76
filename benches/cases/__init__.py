"""The programs that are measured: each has `SIZE` and `body(size)`, whose result depends on all of its work."""
