"""Pickles that the standard module reads, and reading those that it writes.

Objects of this module are pickled under the names of the standard one, with its state and nothing but builtins inside,
so that a Python without heapline loads them. Loading maps the names back to the classes here.
"""

import copy
import copyreg
import io
import pickle
import sys
from typing import Any

STANDARD = "tracemalloc"


def slots_of(instance: object) -> dict[str, Any]:
    """The values of an object's slots."""
    names = [name for kind in type(instance).__mro__ for name in kind.__dict__.get("__slots__", ())]
    return {name: getattr(instance, name) for name in names if hasattr(instance, name)}


def is_alike(value: Any, kind: type) -> bool:
    """Whether a value is of a class, or of what the standard module has under the name of this class."""
    if isinstance(value, kind):
        return True
    return any(base.__module__ == STANDARD and base.__name__ == kind.__name__ for base in type(value).__mro__)


class Exchanged:
    """Pickled under the name that the class has in the standard module."""

    __slots__ = ()
    # Slots that the class in the standard module does not have.
    _own_slots: tuple[str, ...] = ()

    def _plain_state(self) -> Any:
        """What the standard module's class would have as its state."""
        attributes = getattr(self, "__dict__", None)
        slots = {name: value for name, value in slots_of(self).items() if name not in self._own_slots}
        return (attributes, slots) if slots else attributes

    def __reduce_ex__(self, protocol: Any) -> Any:
        kind = type(self)
        if kind.__module__ != STANDARD:
            # A subclass that somebody else wrote.
            return super().__reduce_ex__(protocol)
        # Ours, where it stands in for the standard module.
        standard = getattr(__import__(STANDARD), kind.__name__)
        # `object.__new__` by the one name that pickle lets create an object of another class.
        return copyreg._reconstructor, (standard, object, None), self._plain_state()  # type: ignore[attr-defined]

    def __copy__(self) -> Any:
        new = object.__new__(type(self))
        for name, value in {**getattr(self, "__dict__", {}), **slots_of(self)}.items():
            setattr(new, name, value)
        return new

    def __deepcopy__(self, memo: dict[int, Any]) -> Any:
        new = memo[id(self)] = object.__new__(type(self))
        for name, value in {**getattr(self, "__dict__", {}), **slots_of(self)}.items():
            setattr(new, name, copy.deepcopy(value, memo))
        return new


class Unpickler(pickle.Unpickler):
    """Makes objects of the standard module's classes into objects of ours."""

    def find_class(self, module: str, name: str) -> Any:
        """The class of this name: ours, if the standard module has one of that name."""
        if module == STANDARD:
            ours = getattr(sys.modules[__package__], name, None)
            if isinstance(ours, type) and issubclass(ours, Exchanged):
                return ours
        return super().find_class(module, name)


def load(file: io.BufferedReader) -> Any:
    """Read one pickle. As with every pickle, only from a file that is trusted."""
    return Unpickler(file).load()
