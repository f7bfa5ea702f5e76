import warnings


def deprecated():
    warnings.warn("shown, since it is about __main__", DeprecationWarning, stacklevel=2)


deprecated()
warnings.warn("beyond the outermost frame", UserWarning, stacklevel=9)
"\d"
open(__file__)
print(warnings.filters)
