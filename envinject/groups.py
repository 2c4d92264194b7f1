"""Groups of which one must come out (`required_one_of`): whether one did, and why each of the others did not."""

from __future__ import annotations

from .errors import NotFound
from .inject import is_wanted

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

    from .manifest import Composed, Entry, Literal, Manifest

    Source = Entry | Literal | Composed

_NAMED = 20
"""How many members an error tells of."""


def problems(manifest: Manifest, made: Collection[str], lost: Mapping[str, str | None]) -> Iterator[NotFound]:
    """The groups of which nothing was `made`. `lost` tells why a secret or a template became nothing.

    A group is not asked for when `--only` leaves out every member of it. Where a member has an error of its own, which
    may be all that is wrong, that one is told.
    """
    for group in manifest.options.required_one_of:
        sources = {name: _sources(name, manifest) for name in group.names}
        if not any(sources.values()) or any(name in made for name in group.names):
            continue
        reasons = {name: _reason(sources[name], lost) for name in group.names}
        if None not in reasons.values():
            told = [f"{name}: {reason}" for name, reason in reasons.items()]
            more = f"; and {len(told) - _NAMED} more" if len(told) > _NAMED else ""
            what = f"none of {', '.join(group.names[:_NAMED])} was found, and one of them must be"
            yield NotFound(what, where=group.node.place, hint=f"store one. {'; '.join(told[:_NAMED])}{more}")


def _sources(name: str, manifest: Manifest) -> list[Source]:
    """What would make a variable of that name, and is injected."""
    sources: list[Source] = [*manifest.entries, *manifest.literals, *manifest.templates]
    return [one for one in sources if is_wanted(one.name, manifest.only) and _may_make(one, name)]


def _may_make(source: Source, name: str) -> bool:
    expansion = getattr(source, "expansion", None)
    return source.name == name if expansion is None else bool(expansion.may_make(name))


def _reason(sources: Collection[Source], lost: Mapping[str, str | None]) -> str | None:
    """Why a variable is not there; None where that is told already."""
    reasons = [_of_source(source, lost) for source in sources] or ["left out by --only"]
    return None if None in reasons else ", ".join(map(str, reasons))


def _of_source(source: Source, lost: Mapping[str, str | None]) -> str | None:
    if getattr(source, "expansion", None) is None:
        return lost.get(source.name)
    return lost.get(source.name, f"{source.name} has no such key")
