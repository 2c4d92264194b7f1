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

    def __init_subclass__(cls) -> None:
        own = (name for name in cls.__annotations__ if name not in cls._fields and name[0] != "_")
        cls._fields = (*cls._fields, *own)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        if len(args) > len(self._fields):
            raise TypeError(f"{type(self).__name__} takes {len(self._fields)} fields")
        given = dict(zip(self._fields, args, strict=False))
        if unknown := kwargs.keys() - set(self._fields[len(args) :]):
            raise TypeError(f"{type(self).__name__} has no free field {sorted(unknown)}")
        given.update(kwargs)
        for name in self._fields:
            if name not in given and not hasattr(type(self), name):
                raise TypeError(f"{type(self).__name__} needs {name}")
        self.__dict__.update(given)

    def __setattr__(self, name: str, value: object) -> NoReturn:
        raise AttributeError(f"{type(self).__name__} is immutable")

    def __delattr__(self, name: str) -> NoReturn:
        raise AttributeError(f"{type(self).__name__} is immutable")

    def _values(self) -> tuple[Any, ...]:
        return tuple(getattr(self, name) for name in self._fields)

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self) and other._values() == self._values()

    def __hash__(self) -> int:
        return hash((type(self), *self._values()))

    def __repr__(self) -> str:
        shown = ", ".join(f"{name}={getattr(self, name)!r}" for name in self._fields)
        return f"{type(self).__name__}({shown})"

    def replace(self, **changes: Any) -> Self:
        """The same record with some fields changed."""
        return type(self)(**{name: getattr(self, name) for name in self._fields} | changes)
