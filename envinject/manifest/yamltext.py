"""YAML, the plain part of it: no anchors, no aliases, no tags, no merge keys, and a scalar is what was written."""

from __future__ import annotations

from ..errors import ManifestError
from .document import DEEPEST, Plain

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from .document import Path


class Tagged(str):
    """A scalar with a tag of its own, such as `!var` in another tool's file."""

    __slots__ = ("tag",)
    tag: str


def parse_yaml(text: str, name: str) -> tuple[Any, dict[Path, int]]:
    """The tree of a YAML document, its scalars text (`Plain` where unquoted), and the lines of its keys.

    Raises: ManifestError, also when PyYAML is not installed.
    """
    documents: list[tuple[Any, dict[Path, int]]] = _built(text, name, _Builder)
    return documents[0] if documents else ({}, {})


def parse_documents(text: str, name: str) -> list[tuple[Any, dict[Path, int]]]:
    """The trees of another tool's file, which may be several documents and may have tags (`Tagged`).

    Raises: ManifestError, also when PyYAML is not installed.
    """
    return _built(text, name, _Foreign)


def _built(text: str, name: str, builder: type[_Builder]) -> list[tuple[Any, dict[Path, int]]]:
    try:
        import yaml
    except ImportError:
        yaml = None  # type: ignore[assignment]  # the error is raised outside of the handler
    if yaml is None:
        raise ManifestError(f"{builder.reads} needs PyYAML", where=name, hint="pip install 'envinject[yaml]'")
    try:
        events = iter(yaml.parse(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader)))
        return list(builder(events, name).documents())
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = f"{name}:{mark.line + 1}:{mark.column + 1}" if mark else name
    except (yaml.YAMLError, RecursionError):
        where = name
    raise ManifestError(f"{builder.calls} is not valid YAML", where=where, hint="is the indentation right there?")


class _Builder:
    """Builds a tree from the parser's events, without PyYAML's composer: what is not plain never gets that far."""

    reads, calls = "a YAML manifest", "the manifest"
    most = 1

    def __init__(self, events: Iterator[Any], name: str) -> None:
        self._events = events
        self._name = name
        self._lines: dict[Path, int] = {}

    def documents(self) -> Iterator[tuple[Any, dict[Path, int]]]:
        count = 0
        for event in self._events:
            kind = type(event).__name__
            if kind == "DocumentStartEvent":
                count += 1
                if count > self.most:
                    raise self._refused(event, "a second document", "one manifest is one document")
            elif kind not in ("StreamStartEvent", "StreamEndEvent", "DocumentEndEvent"):
                self._lines = {}
                yield self._value(event, ()), self._lines

    def _value(self, event: Any, path: Path) -> Any:
        self._check(event)
        if len(path) > DEEPEST:
            raise self._refused(event, f"nesting deeper than {DEEPEST}", "a manifest is flat")
        kind = type(event).__name__
        if kind == "ScalarEvent":
            return self._scalar(event)
        if kind == "SequenceStartEvent":
            return self._sequence(path)
        return self._mapping(path)

    def _scalar(self, event: Any) -> str:
        text: str = event.value
        return text if event.style else Plain(text)  # libyaml says "" of a scalar without quotes

    def _sequence(self, path: Path) -> list[Any]:
        found: list[Any] = []
        while type(event := next(self._events)).__name__ != "SequenceEndEvent":
            self._lines[(*path, str(len(found)))] = event.start_mark.line + 1
            found.append(self._value(event, (*path, str(len(found)))))
        return found

    def _mapping(self, path: Path) -> dict[str, Any]:
        found: dict[str, Any] = {}
        while type(event := next(self._events)).__name__ != "MappingEndEvent":
            key = self._value(event, path)
            if not isinstance(key, str) or key == "<<":
                raise self._refused(event, "a key that is no plain text", "write it as a word")
            if key in found:
                raise self._refused(event, f"the key '{key}' a second time", "keep one")
            self._lines[(*path, key)] = event.start_mark.line + 1
            found[str(key)] = self._value(next(self._events), (*path, key))
        return found

    def _check(self, event: Any) -> None:
        if type(event).__name__ == "AliasEvent" or event.anchor is not None:
            raise self._refused(event, "an anchor or alias", "write the value out")
        if event.tag is not None:
            raise self._refused(event, "a tag", "leave it out")

    def _refused(self, event: Any, what: str, hint: str) -> ManifestError:
        return ManifestError(f"{self.calls} holds {what}", where=f"{self._name}:{event.start_mark.line + 1}", hint=hint)


class _Foreign(_Builder):
    """The same for files of other tools: several documents, and tags, which become `Tagged` and no objects."""

    reads, calls = "a YAML file", "the file"
    most = 1000

    def _scalar(self, event: Any) -> str:
        if event.tag is None:
            return super()._scalar(event)
        found = Tagged(event.value)
        found.tag = event.tag
        return found

    def _check(self, event: Any) -> None:
        if type(event).__name__ == "AliasEvent" or event.anchor is not None:
            raise self._refused(event, "an anchor or alias", "write the value out; yq 'explode(.)' does")
