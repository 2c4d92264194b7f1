"""What has changed from one plan to the next: names and references, versions and lengths, never a value."""

from __future__ import annotations

from .errors import SecretsExecError, UsageError
from .files import read_regular

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from typing import Any

    Plan = Mapping[str, Any]

_LARGEST = 16 << 20
_FIELDS = ("provider", "id", "version", "stage", "key", "expand", "made_of", "required", "as", "read", "bytes")
"""What counts as a change of a variable. Where it stands does not, nor what is inherited."""


def read(path: str, shape: int) -> Plan:
    """An earlier answer of `plan --json`. Raises: UsageError when the file holds none of this shape."""
    import json

    hint = "write one: secrets-exec plan --json > FILE"
    try:
        document = json.loads(read_regular(path, _LARGEST))
    except SecretsExecError as error:
        problem = UsageError(error.what, where="--since", hint=hint)
    except (ValueError, RecursionError):
        problem = UsageError("the file of --since is no JSON", where=path, hint=hint)
    else:
        if _is_plan(document, shape):
            return document  # type: ignore[no-any-return]  # it was looked at
        problem = UsageError("the file of --since is no answer of plan --json", where=path, hint=hint)
    raise problem


def _is_plan(document: Any, shape: int) -> bool:
    rows = document.get("variables") if isinstance(document, dict) else None
    if not isinstance(rows, list) or document.get("shape") != shape or "ok" in document:
        return False
    return all(isinstance(row, dict) and isinstance(row.get("name"), str) for row in rows)


def between(earlier: Plan, later: Plan) -> list[dict[str, Any]]:
    """What has changed, by name: `change` is added, removed or changed; `fields` have what was and what is.

    Fields that one of the plans does not have are not compared. Raises: UsageError for plans of which only one fetched.
    """
    was = {row["name"]: row for row in earlier["variables"]}
    now = {row["name"]: row for row in later["variables"]}
    if was and now and _has_fetched(was) != _has_fetched(now):
        fetched, other = ("this one", "the earlier one") if _has_fetched(now) else ("the earlier one", "this one")
        raise UsageError(f"of two plans {fetched} was made with --fetch, and {other} was not", hint="make both alike")
    changes = [_change(name, was.get(name), row) for name, row in now.items()]
    changes += [_change(name, row, None) for name, row in was.items() if name not in now]
    return [change for change in changes if change is not None]


def _has_fetched(rows: Mapping[str, Mapping[str, Any]]) -> bool:
    return any("bytes" in row for row in rows.values())


def _change(name: str, was: Mapping[str, Any] | None, now: Mapping[str, Any] | None) -> dict[str, Any] | None:
    if was is None or now is None:
        return {"name": name, "change": "added" if was is None else "removed", "fields": {}}
    fields = {field: [was[field], now[field]] for field in _differing(was, now)}
    return {"name": name, "change": "changed", "fields": fields} if fields else None


def _differing(was: Mapping[str, Any], now: Mapping[str, Any]) -> Iterator[str]:
    return (field for field in _FIELDS if field in was and field in now and was[field] != now[field])
