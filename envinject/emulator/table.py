"""One table of a seed, read field by field. What is wrong is noted with its place, and reading goes on."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from difflib import get_close_matches
from typing import NoReturn, TypeVar

T = TypeVar("T")

_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_DURATION = re.compile(r"([0-9]+(?:\.[0-9]+)?)(ms|s|m|h|d)")


class Table:
    """A table at a place in a seed. Each method takes one field; `finish` notes the fields that nobody took.

    A field without a default must be there. What is wrong gives a harmless value of the field's type, and a
    sentence in `problems`, which all tables of a seed share; no sentence ever holds a value.
    """

    def __init__(self, content: object, place: str, problems: list[str]) -> None:
        self.place = place
        self.problems = problems
        self._content = content if isinstance(content, dict) else {}
        self._taken: list[str] = []
        if not isinstance(content, dict):
            problems.append(f"{place or 'the seed'} is not a table")

    def __contains__(self, key: str) -> bool:
        return key in self._content

    def note(self, key: str, what: str) -> None:
        """Note a problem with one field."""
        self.problems.append(f"{self._path(key)} {what}")

    def text(self, key: str, default: str | None = None) -> str:
        """A text that is not empty."""
        value = self._take(key, default)
        if isinstance(value, str) and (value or value == default):
            return value
        return self._wrong(key, "must be a text that is not empty", "")

    def optional(self, key: str) -> str | None:
        """A text that is not empty, or None where there is none."""
        return self.text(key, "") or None

    def header(self, key: str, default: str) -> str:
        """A text that can stand in a header: printable ASCII."""
        value = self.text(key, default)
        if all(" " <= c <= "~" for c in value):
            return value
        return self._wrong(key, "must be printable ASCII", default)

    def choice(self, key: str, options: Sequence[T], default: T) -> T:
        """One of some words or numbers."""
        value = self._take(key, default)
        if value in options:
            return options[options.index(value)]
        return self._wrong(key, f"must be one of {', '.join(map(str, options))}", default)

    def integer(self, key: str, default: int | None, least: int, most: int = 10**9) -> int:
        """A whole number between two others."""
        value = self._take(key, default)
        if isinstance(value, int) and not isinstance(value, bool) and least <= value <= most:
            return value
        return self._wrong(key, f"must be a whole number from {least} to {most}", least)

    def positive(self, key: str, default: float | None) -> float | None:
        """A positive number, or the default, which may be None."""
        value = self._take(key, None)
        if value is None:
            return default
        if isinstance(value, int | float) and not isinstance(value, bool) and 0 < value < 1e9:
            return float(value)
        return self._wrong(key, "must be a positive number", default)

    def seconds(self, key: str, default: float) -> float:
        """A duration: a number of seconds, or a text such as "50ms", "30s", "5m", "12h"."""
        value = self._take(key, default)
        if isinstance(value, str) and (match := _DURATION.fullmatch(value)):
            value = float(match[1]) * _UNITS[match[2]]
        if isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < 1e9:
            return float(value)
        return self._wrong(key, 'must be a duration such as "50ms", "30s" or "12h"', default)

    def texts(self, key: str) -> tuple[str, ...] | None:
        """A list of texts, or None where there is none."""
        value = self._take(key, None)
        if value is None:
            return None
        if isinstance(value, list) and all(isinstance(item, str) for item in value):
            return tuple(value)
        return self._wrong(key, "must be a list of texts", ())

    def json(self, key: str) -> str:
        """Any value that JSON can hold, as compact JSON."""
        value = self._take(key, None)
        try:
            return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
        except TypeError:
            return self._wrong(key, "is of a type that JSON has not: write it as text", "null")
        except ValueError:
            return self._wrong(key, "holds a number that is not finite: write it as JSON text", "null")

    def text_or_json(self, key: str) -> str | None:
        """A text as it is, even an empty one; None for null; anything else as compact JSON."""
        value = self._take(key, None)
        return value if value is None or isinstance(value, str) else self.json(key)

    def raw_json(self, key: str) -> str:
        """A text that is JSON, exactly as it is written."""
        value = self._take(key, None)
        if isinstance(value, str) and _is_json(value):
            return value
        return self._wrong(key, "must be a text that is JSON", "null")

    def table(self, key: str) -> Table:
        """A table, empty where there is none."""
        return Table(self._take(key, {}), self._path(key), self.problems)

    def tables(self, key: str, label: str) -> list[Table]:
        """A list of tables; each one's place shows its field `label`, or its number when it has none."""
        value = self._take(key, [])
        if not isinstance(value, list):
            return self._wrong(key, "must be a list of tables", [])
        return [
            Table(item, f"{self._path(key)}[{_label(item, label) or number}]", self.problems)
            for number, item in enumerate(value, 1)
        ]

    def finish(self, more: Sequence[str] = ()) -> None:
        """Note every field that was not taken, with the name that was perhaps meant.

        `more` are names that a table may have, though nobody took them from this one.
        """
        known = [*self._taken, *more]
        for key in (key for key in self._content if key not in known):
            near = get_close_matches(str(key), known, 1)
            self.note(key, "is unknown" + (f"; did you mean '{near[0]}'?" if near else ""))

    def _take(self, key: str, default: object) -> object:
        self._taken.append(key)
        return self._content.get(key, default)

    def _wrong(self, key: str, what: str, instead: T) -> T:
        self.note(key, what if key in self else "is missing")
        return instead

    def _path(self, key: str) -> str:
        return f"{self.place}.{key}" if self.place else key


def _label(content: object, field: str) -> str | None:
    label = content.get(field) if isinstance(content, dict) else None
    return label if isinstance(label, str) else None


def _is_json(text: str) -> bool:
    try:
        json.loads(text, parse_int=str, parse_constant=_not_json)
    except RecursionError:
        pass  # nested too deeply for this parser is still JSON
    except ValueError:
        return False
    return True


def _not_json(_name: str) -> NoReturn:
    raise ValueError
