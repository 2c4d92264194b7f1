"""What `check`, `plan` and `providers` answer: data of a documented shape, and its words. Never a value."""

from __future__ import annotations

import time

from . import inject
from . import providers as registry
from .errors import Failures, NotFound, SecretsExecError, shown
from .inheritance import Inheritance
from .inheritance import told as told_inheritance
from .log import counted
from .manifest import Entry
from .run import fetched, for_templates, prepare, resolved
from .secret import Secret
from .sheet import BAD, DOUBTFUL, FAINT, GOOD, STRONG, Line, Table

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from .log import Log
    from .manifest import Composed, Literal, Manifest
    from .providers.base import Found
    from .run import Order
    from .sheet import Sheet
    from .timeline import Timeline

_COLUMNS = ("VARIABLE", "FROM", "READ", "REQUIRED", "AS", "BYTES", "INHERITED", "WHERE", "DESCRIPTION")
_MAY_BE_LEFT_OUT = ("READ", "AS", "INHERITED", "DESCRIPTION")

SHAPE = 1
"""The version of the JSON that these commands write."""


def check(order: Order, given: Mapping[bytes, bytes], log: Log, *, fetching: bool) -> dict[str, Any]:
    """Whether the manifest makes sense and, when fetching, whether every secret resolves.

    Keys: `shape`, `ok`, `exit_code`, `variables` (as in `plan`), `problems` (message, where, hint, exit_code); when
    fetching, `secrets`: `reference`, `variables` (their names), `result` (ok, absent, failed), `exit_code`, `seconds`
    (None where it was not read), `answers` (what came of each request). Problems are told on standard error too.
    """
    secrets: list[dict[str, Any]] = []
    try:
        found = _planned(order, given, log, secrets, action="check", fetching=fetching)
    except Failures as failures:
        answer = _failed(failures, log)
    except SecretsExecError as error:
        answer = _failed(Failures([error]), log)
    else:
        answer = {"shape": SHAPE, "ok": True, "exit_code": 0, "variables": found["variables"], "problems": []}
    return answer | ({"secrets": secrets} if fetching else {})


def plan(
    order: Order, given: Mapping[bytes, bytes], log: Log, *, fetching: bool, since: str | None = None
) -> dict[str, Any]:
    """The variables that would be set, in the manifest's order, with the lengths of their values when fetching.

    Keys: `shape`, `profile` (None where none was chosen), `variables`: a list of `name`, `provider`, `id`, `version`,
    `stage`, `key`, `expand`, `made_of` (the names in a template), `required`, `as` ("env" or "file"), `description`,
    `where`, `inherited` (whether the environment has that name), `inheritance` (None, or `bytes`, `becomes`, the
    `exit_code` of a conflict, and when fetching `same`), and when fetching `read` (the version or stage that the store
    says it gave, else None) and `bytes`. With `since`, a file with an earlier plan, also `changes`: a list of
    `name`, `change` (added, removed, changed) and `fields`, each with what was and what is.
    Raises: Failures, SecretsExecError.
    """
    earlier = None if since is None else _earlier(since)
    found = _planned(order, given, log, [], action="plan", fetching=fetching)
    if earlier is None:
        return found
    from .changes import between

    return found | {"changes": between(earlier, found)}


def _earlier(path: str) -> Mapping[str, Any]:
    from .changes import read  # only where something is compared

    return read(path, SHAPE)


def _planned(
    order: Order, given: Mapping[bytes, bytes], log: Log, secrets: list[dict[str, Any]], *, action: str, fetching: bool
) -> dict[str, Any]:
    """The plan; what is fetched for it is told in `secrets`, whether it comes to a plan or not.

    Raises: Failures, SecretsExecError.
    """
    started = time.monotonic()
    manifest = prepare(order, given, log)
    inheritance = Inheritance(manifest, given)
    manifest, _ = resolved(manifest, inheritance.reaching)
    if not fetching:
        own: list[Literal | Composed] = [*manifest.literals, *manifest.templates]
        wanted = [one for one in manifest.entries if one.as_file or inject.is_wanted(one.name, manifest.only)]
        variables = [_row(one, inheritance) for one in wanted]
        variables += [_own_row(one, inheritance) for one in own if inject.is_wanted(one.name, manifest.only)]
        return {"shape": SHAPE, "profile": manifest.profile, "variables": variables}
    from .audit import Audit  # only where something is fetched
    from .timeline import Timeline

    timeline = Timeline(started)
    with Audit(manifest, log, action=action, dry=True) as audit:
        audit.found = found = fetched(manifest, order, given, log, started, timeline)
        secrets += _secrets(manifest, found, timeline)
        made = inject.injections(manifest, found, for_templates(given, manifest))
    variables = [_fetched_row(injection, found, inheritance) for injection in made]
    return {"shape": SHAPE, "profile": manifest.profile, "variables": variables}


def _secrets(manifest: Manifest, found: Found, timeline: Timeline) -> list[dict[str, Any]]:
    """A row for each distinct secret: what came of reading it, and how long that took."""
    by_target: dict[Any, list[Entry]] = {}
    for entry in manifest.entries:
        by_target.setdefault(entry.target, []).append(entry)
    rows = []
    for ref, entries in by_target.items():
        outcome, track = found[ref], timeline.of(ref)
        is_needed = any(entry.required and entry.default is None for entry in entries)
        result, code = "ok", 0
        if isinstance(outcome, SecretsExecError):
            is_absent = isinstance(outcome, NotFound) and not is_needed
            result, code = ("absent", 0) if is_absent else ("failed", outcome.exit_code)
        rows.append(
            {
                "reference": str(entries[0].shown.whole),
                "variables": [entry.label for entry in entries],
                "result": result,
                "exit_code": code,
                "seconds": None if track is None else round(track.seconds, 6),
                "answers": [attempt.outcome for attempt in track.attempts] if track else [],
            }
        )
    return rows


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


def _row(entry: Entry, inheritance: Inheritance) -> dict[str, Any]:
    shown = entry.shown
    return {
        "name": entry.label,
        "provider": shown.provider,
        "id": shown.id,
        "version": shown.version,
        "stage": shown.stage,
        "key": shown.key,
        "expand": entry.expansion is not None,
        "made_of": [],
        "required": entry.required and entry.default is None,
        "as": "file" if entry.as_file else "env",
        "description": entry.description,
        "where": entry.node.place,
        **inheritance.of_source(entry),
    }


def _own_row(source: Literal | Composed, inheritance: Inheritance) -> dict[str, Any]:
    """A row of what stands in the manifest itself."""
    nothing = dict.fromkeys(("provider", "id", "version", "stage", "key"))
    return {
        "name": source.name,
        **nothing,
        "expand": False,
        "made_of": list(getattr(source, "names", ())),
        "required": True,
        "as": "env",
        "description": "",
        "where": source.node.place,
        **inheritance.of_source(source),
    }


def _fetched_row(injection: inject.Injection, found: Found, inheritance: Inheritance) -> dict[str, Any]:
    source = injection.source
    outcome = found[source.target] if isinstance(source, Entry) else None
    row = _row(source, inheritance) if isinstance(source, Entry) else _own_row(source, inheritance)
    changed = {"name": injection.name, "key": injection.key or row["key"], **inheritance.of_injection(injection)}
    revision = outcome.revision if isinstance(outcome, Secret) else ""
    return row | changed | {"read": revision or None, "bytes": len(injection.value)}


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


def told_check(found: Mapping[str, Any]) -> Sheet:
    """One line: how many variables are fine, or how many problems there are; above it what each secret took."""
    if found["ok"]:
        end = Line(f"ok: {counted(len(found['variables']), 'variable')}", GOOD)
    else:
        end = Line(f"not ok: {counted(len(found['problems']), 'problem')}", BAD)
    if not found.get("secrets"):
        return [end]
    rows = [_told_secret(row) for row in found["secrets"]]
    tones = {"ok": GOOD, "absent": DOUBTFUL, "failed": BAD}
    return [Table(("SECRET", "RESULT", "TIME", "ANSWERS", "VARIABLES"), rows, tones), end]


def _told_secret(row: Mapping[str, Any]) -> tuple[str, ...]:
    time_ = "" if row["seconds"] is None else f"{row['seconds'] * 1000:.1f} ms"
    return row["reference"], row["result"], time_, ", ".join(row["answers"]), ", ".join(row["variables"])


def told_plan(found: Mapping[str, Any]) -> Sheet:
    """A table with a row for each variable, with what some have where any has it; the profile; what has changed."""
    rows = [_told_row(row) for row in found["variables"]]
    told = [name for name in _COLUMNS if name not in _MAY_BE_LEFT_OUT or any(row[name] for row in rows)]
    cells = [tuple(row[name] for name in told) for row in rows]
    sheet: list[Line | Table] = [Table(tuple(told), cells, {"no": FAINT}, prose="DESCRIPTION")]
    if found["profile"] is not None:
        sheet += [Line(""), Line(f"profile: {shown(found['profile'])}", STRONG)]
    if "changes" not in found:
        return sheet
    changes = [_told_change(change) for change in found["changes"]]
    sheet += [Line(""), Line(f"changes: {len(changes)}", STRONG)]
    tones = {"added": GOOD, "removed": BAD, "changed": DOUBTFUL}
    return [*sheet, Table(("", "", ""), changes, tones)] if changes else sheet


def _told_row(row: Mapping[str, Any]) -> dict[str, str]:
    return {
        "VARIABLE": row["name"],
        "FROM": _source(row),
        "READ": row.get("read") or "",
        "REQUIRED": "yes" if row["required"] else "no",
        "AS": "file" if row["as"] == "file" else "",
        "BYTES": str(row.get("bytes", "")),
        "INHERITED": told_inheritance(row),
        "WHERE": row["where"].split(", ")[0],
        "DESCRIPTION": shown(row["description"]),
    }


def _told_change(change: Mapping[str, Any]) -> tuple[str, ...]:
    fields = (f"{name}: {_shown(was)} -> {_shown(now)}" for name, (was, now) in change["fields"].items())
    return change["change"], change["name"], ", ".join(fields)


def _shown(value: Any) -> str:
    if isinstance(value, list):
        return " ".join(map(str, value)) or "none"
    if value is None or isinstance(value, bool):
        return "none" if value is None else "yes" if value else "no"
    return str(value)


def _source(row: Mapping[str, Any]) -> str:
    if not row["provider"]:
        return f"a template of {', '.join(row['made_of'])}" if row["made_of"] else "the manifest"
    revision = next((f"?{name}={row[name]}" for name in ("version", "stage") if row[name]), "")
    key = f"#{row['key']}" if row["key"] is not None else ""
    return f"{row['provider']}://{row['id']}{revision}{key}"


def told_providers(found: Mapping[str, Any]) -> Sheet:
    """A paragraph for each provider."""
    lines = []
    for row in found["providers"]:
        lines.append(Line(f"{row['type']}: {row['about']}", STRONG))
        lines += [Line(f"  {name}: {form}") for name, form in row["coordinates"].items()]
        lines += [
            Line(f"  {name}_env, {name}_file: default {' or '.join(v)}") for name, v in row["credentials"].items()
        ]
        lines += [Line(f"  {name}: {about}") for name, about in row["settings"].items()]
    return lines
