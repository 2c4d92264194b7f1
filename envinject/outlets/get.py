"""The value of one reference, byte for byte."""

from __future__ import annotations

import time

from .. import environ as environment
from .. import inject
from ..audit import Audit
from ..child import dumps
from ..errors import Failures, SecretsExecError, UsageError, suggest
from ..manifest import load_reference
from ..reference import is_reference, parse
from ..run import fetched, prepare

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from ..log import Log
    from ..manifest import Manifest
    from ..providers.base import Found
    from ..run import Order
    from ..secret import Secret


def get(reference: str, order: Order, given: Mapping[bytes, bytes], log: Log) -> Secret:
    """What a reference of the manifest's providers, or of a type, refers to.

    Where a manifest asks for an audit trail, the line is in it before the value is handed out.
    Raises: UsageError for a text that is no reference; Failures, SecretsExecError.
    """
    started = time.monotonic()
    _check(reference, order, given, log)
    dumps.forbid()
    manifest = load_reference(
        reference,
        order.files,
        environment.decoded(given),
        profile=order.profile,
        allowed_hosts=order.allowed_hosts,
        warn=lambda what, hint: log.warning(what, hint=hint),
    )
    if order.options:
        manifest = manifest.replace(options=manifest.options.replace(**order.options))
    with Audit(manifest, log, action="get") as audit:
        audit.found = fetched(manifest, order, given, log, started)
        return _value(manifest, audit.found)


def _value(manifest: Manifest, found: Found) -> Secret:
    (entry,) = manifest.entries
    try:
        return inject.value_of(entry, found[entry.target])
    except SecretsExecError as error:
        problem = error.at(str(entry.shown))
    raise problem


def _check(text: str, order: Order, given: Mapping[bytes, bytes], log: Log) -> None:
    """Refuse what is no reference, without showing it: it may be a value."""
    if not is_reference(text):
        hint = _instead(text, order, given, log) or "write PROVIDER://ID, PROVIDER://ID#KEY or PROVIDER://ID?version=N"
        raise UsageError("get takes a reference, and this is none", hint=hint)
    try:
        parse(text)
    except SecretsExecError as error:
        problem = UsageError(error.what, hint=error.hint)
    else:
        return
    raise problem


def _instead(text: str, order: Order, given: Mapping[bytes, bytes], log: Log) -> str:
    """What to write for a name of the manifest, or for one that is near; nothing where there is none."""
    try:
        manifest = prepare(order, given, log)
    except (SecretsExecError, Failures):  # told when it matters
        return ""
    names = {entry.name: f"get '{entry.shown}'" for entry in manifest.entries if entry.expansion is None}
    others = (*(one.name for one in manifest.literals), *(one.name for one in manifest.templates))
    names |= {name: f"export --format json --only {name}" for name in others}
    return f"for {text}: secrets-exec {names[text]}" if text in names else suggest(text, names).strip()
