"""``python -m heapline``: the same as the ``heapline`` command."""

from heapline._native import main

# A plain `raise`: the program that `heapline run` runs must not find more imported than it has to.
raise SystemExit(main())
