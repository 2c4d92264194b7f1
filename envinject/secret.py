"""A fetched value that can be seen only where someone wrote `reveal()`."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn


class Secret:
    """Some bytes, opaque: no text form, no comparison, no pickle, no copy shows them.

    `revision` is no secret: which version or stage of a store's secret this is, as a reference says it (`version=3`),
    where the store tells; else empty. Whoever sets it has checked its form.
    """

    __slots__ = ("__value", "revision")

    def __init__(self, value: bytes, *, revision: str = "") -> None:
        self.__value = value
        self.revision = revision

    def reveal(self) -> bytes:
        """The value. Every place that calls this is a place to look at in a review."""
        return self.__value

    def __len__(self) -> int:
        """The number of bytes."""
        return len(self.__value)

    def __bool__(self) -> bool:
        return True

    def __repr__(self) -> str:
        return "Secret(...)"

    def __format__(self, _spec: str) -> str:
        return repr(self)

    def __reduce_ex__(self, _protocol: object) -> NoReturn:
        raise TypeError("a Secret cannot be copied or pickled")

    def __getstate__(self) -> NoReturn:
        raise TypeError("a Secret cannot be copied or pickled")
