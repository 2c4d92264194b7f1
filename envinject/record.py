"""Immutable values with named fields: what a frozen dataclass is, without the 17 ms of importing it."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, ClassVar, NoReturn, Self, dataclass_transform
else:

    def dataclass_transform(**_):
        """Tell type checkers, and nobody else, that subclasses behave as dataclasses."""
        return lambda cls: cls


@dataclass_transform(frozen_default=True)
class Record:
    """A value whose fields are its class's annotations, in order; an assigned annotation is a default.

    Records of one class are equal when their fields are. A field that may hold a secret belongs into a
    `Secret`: `repr` shows every field.
    """

    _fields: ClassVar[tuple[str, ...]] = ()
    _needed: ClassVar[frozenset[str]] = frozenset()
    """The fields without a default."""

    def __init_subclass__(cls) -> None:
        own = [name for name in cls.__annotations__ if name not in cls._fields and name[0] != "_"]
        cls._fields = (*cls._fields, *own)
        cls._needed = frozenset([name for name in cls._fields if not hasattr(cls, name)])

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        fields, given = self._fields, self.__dict__
        given.update(zip(fields, args, strict=False))
        given.update(kwargs)
        number = len(given)  # less than what was given, where one was given twice or there are too many
        fits = number == len(args) + len(kwargs) and (not kwargs or all(name in fields for name in kwargs))
        if not fits or (number < len(fields) and not self._needed <= given.keys()):
            raise TypeError(f"{type(self).__name__} takes {', '.join(fields)}")

    def __setattr__(self, name: str, value: object) -> NoReturn:
        raise AttributeError(f"{type(self).__name__} is immutable")

    def __delattr__(self, name: str) -> NoReturn:
        raise AttributeError(f"{type(self).__name__} is immutable")

    def _values(self) -> tuple[Any, ...]:
        return tuple([getattr(self, name) for name in self._fields])

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self) and other._values() == self._values()

    def __hash__(self) -> int:
        return hash((type(self), *self._values()))

    def __repr__(self) -> str:
        shown = ", ".join(f"{name}={getattr(self, name)!r}" for name in self._fields)
        return f"{type(self).__name__}({shown})"

    def replace(self, **changes: Any) -> Self:
        """The same record with some fields changed."""
        for name in changes:
            if name not in self._fields:
                raise TypeError(f"{type(self).__name__} has no field {name}")
        made = object.__new__(type(self))
        made.__dict__.update(self.__dict__, **changes)
        return made
