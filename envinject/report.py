"""What `check`, `plan` and `providers` answer: data of a documented shape, and its words. Never a value."""

from __future__ import annotations

import time

from . import inject
from . import providers as registry
from .errors import Failures, SecretsExecError
from .log import printable
from .manifest import Entry
from .run import fetched, for_templates, prepare

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    from .log import Log
    from .manifest import Composed, Literal
    from .run import Order

SHAPE = 1
"""The version of the JSON that these commands write."""


def check(order: Order, given: Mapping[bytes, bytes], log: Log, *, fetching: bool) -> dict[str, Any]:
    """Whether the manifest makes sense and, when fetching, whether every secret resolves.

    Keys: `shape`, `ok`, `exit_code`, `variables` (as in `plan`), `problems` (message, where, hint, exit_code).
    Problems are told on standard error too.
    """
    try:
        found = plan(order, given, log, fetching=fetching)
    except Failures as failures:
        return _failed(failures, log)
    except SecretsExecError as error:
        return _failed(Failures([error]), log)
    return {"shape": SHAPE, "ok": True, "exit_code": 0, "variables": found["variables"], "problems": []}


def plan(order: Order, given: Mapping[bytes, bytes], log: Log, *, fetching: bool) -> dict[str, Any]:
    """The variables that would be set, in the manifest's order, with the lengths of their values when fetching.

    Keys: `shape`, `profile` (None where none was chosen), `variables`: a list of `name`, `provider`, `id`, `version`,
    `stage`, `key`, `expand`, `made_of` (the names in a template), `required`, `where`, `inherited` (whether the
    environment has that name), `bytes` (when fetching).
    Raises: Failures, SecretsExecError.
    """
    started = time.monotonic()
    manifest = prepare(order, given, log)
    if not fetching:
        rows = [(one.name, _row(one, given)) for one in manifest.entries]
        rows += [(one.name, _own_row(one, given)) for one in manifest.literals]
        rows += [(one.name, _own_row(one, given)) for one in manifest.templates]
        variables = [row for name, row in rows if inject.is_wanted(name, manifest.only)]
        return {"shape": SHAPE, "profile": manifest.profile, "variables": variables}
    found = fetched(manifest, order, given, log, started)
    made = inject.injections(manifest, found, for_templates(given, manifest))
    variables = [_fetched_row(injection, given) for injection in made]
    return {"shape": SHAPE, "profile": manifest.profile, "variables": variables}


def _failed(failures: Failures, log: Log) -> dict[str, Any]:
    problems = []
    for error in failures.errors:
        log.error(error)
        problems.append({"message": error.what, "where": error.where, "hint": error.hint, "exit_code": error.exit_code})
    return {
        "shape": SHAPE,
        "ok": False,
        "exit_code": failures.exit_code,
        "variables": [],
        "problems": problems,
    }


def _row(entry: Entry, given: Mapping[bytes, bytes]) -> dict[str, Any]:
    shown = entry.shown
    return {
        "name": entry.name if entry.expansion is None else f"{entry.expansion.prefix}*",
        "provider": shown.provider,
        "id": shown.id,
        "version": shown.version,
        "stage": shown.stage,
        "key": shown.key,
        "expand": entry.expansion is not None,
        "made_of": [],
        "required": entry.required and entry.default is None,
        "where": entry.node.place,
        "inherited": entry.name.encode() in given,
    }


def _own_row(source: Literal | Composed, given: Mapping[bytes, bytes]) -> dict[str, Any]:
    """A row of what stands in the manifest itself."""
    nothing = dict.fromkeys(("provider", "id", "version", "stage", "key"))
    return {
        "name": source.name,
        **nothing,
        "expand": False,
        "made_of": list(getattr(source, "names", ())),
        "required": True,
        "where": source.node.place,
        "inherited": source.name.encode() in given,
    }


def _fetched_row(injection: inject.Injection, given: Mapping[bytes, bytes]) -> dict[str, Any]:
    source = injection.source
    row = _row(source, given) if isinstance(source, Entry) else _own_row(source, given)
    changed = {
        "name": injection.name,
        "key": injection.key or row["key"],
        "inherited": injection.name.encode() in given,
    }
    return row | changed | {"bytes": len(injection.value)}


def providers() -> dict[str, Any]:
    """The providers that are installed. Keys: `shape`, `providers`: type, about, coordinates, settings, credentials."""
    return {"shape": SHAPE, "providers": [_provider(name) for name in registry.all_types()]}


def _provider(name: str) -> dict[str, Any]:
    kind = registry.provider_class(name)
    return {
        "type": name,
        "about": kind.about,
        "coordinates": dict(kind.COORDINATES),
        "settings": {setting.name: setting.about for setting in kind.SETTINGS},
        "credentials": {credential.name: list(credential.variables) for credential in kind.CREDENTIALS},
    }


def told_check(found: Mapping[str, Any]) -> str:
    """One line: how many variables are fine, or how many problems there are."""
    if found["ok"]:
        return f"ok: {len(found['variables'])} variables"
    return f"not ok: {len(found['problems'])} problems"


def told_plan(found: Mapping[str, Any]) -> str:
    """A table with a row for each variable."""
    rows: list[tuple[str, ...]] = [("VARIABLE", "FROM", "REQUIRED", "BYTES", "WHERE")]
    rows += [_told_row(row) for row in found["variables"]]
    return _table(rows)


def _told_row(row: Mapping[str, Any]) -> tuple[str, ...]:
    revision = next((f"?{name}={row[name]}" for name in ("version", "stage") if row[name]), "")
    key = f"#{row['key']}" if row["key"] is not None else ""
    source = f"{row['provider']}://{row['id']}{revision}{key}" if row["provider"] else _own_source(row)
    return (
        row["name"],
        source,
        "yes" if row["required"] else "no",
        str(row.get("bytes", "")),
        row["where"].split(", ")[0],
    )


def _own_source(row: Mapping[str, Any]) -> str:
    return f"a template of {', '.join(row['made_of'])}" if row["made_of"] else "the manifest"


def told_providers(found: Mapping[str, Any]) -> str:
    """A paragraph for each provider."""
    lines = []
    for row in found["providers"]:
        lines.append(f"{row['type']}: {row['about']}")
        lines += [f"  {name}: {form}" for name, form in row["coordinates"].items()]
        lines += [f"  {name}_env, {name}_file: default {' or '.join(v)}" for name, v in row["credentials"].items()]
        lines += [f"  {name}: {about}" for name, about in row["settings"].items()]
    return "\n".join(lines)


def _table(rows: Sequence[tuple[str, ...]]) -> str:
    rows = [tuple(map(printable, row)) for row in rows]
    widths = [max(len(cell) for cell in column) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join(f"{cell:{width}}" for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    )
