"""The order of things: read the manifest, fetch every secret, put them in an environment, become the command."""

from __future__ import annotations

import os
import time

from . import environ as environment
from . import inject
from .child import dumps
from .child.command import find
from .child.replace import replace
from .errors import Failures, SecretsExecError, UsageError
from .log import VERBOSE, counted, terminal_width
from .manifest import ENVIRONMENT, load
from .record import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence
    from typing import Any

    from .audit import Audit
    from .child.supervise import Supervision
    from .inject import Injection
    from .log import Log
    from .manifest import Entry, Manifest
    from .placement import Placement
    from .reference import SecretRef
    from .secret import Secret
    from .timeline import Timeline

_LONGEST_MASKED = 1 << 14
"""Bytes of a file that is looked for in the output; larger ones would hold it up."""


class Order(Record):
    """What the command line and the environment ask for.

    `variables` come beside the manifest files, by where they were said. `options` go over the manifest's. `splay`
    is the longest time, in seconds, that the fetching waits by chance. `timings` is a file for a picture of the fetch.
    """

    files: Sequence[str] = ()
    profile: str | None = None
    variables: Mapping[str, Mapping[str, str]] | None = None
    only: Sequence[str] = ()
    allowed_hosts: Sequence[str] = ()
    offline: bool = False
    splay: float = 0.0
    timings: str | None = None
    options: Mapping[str, Any] | None = None


def run(
    order: Order,
    command: Sequence[str],
    given: Mapping[bytes, bytes],
    log: Log,
    *,
    dry: bool = False,
    supervision: Supervision | None = None,
) -> None:
    """Become the command with its secrets; or, dry, tell what would be set. `given` is our own environment.

    With a `supervision` a child of ours does so, and we become its supervisor.
    Raises: SecretsExecError, Failures; then nothing was started.
    """
    parent = None if dry else supervision
    if parent is not None:
        from .child.supervise import supervise  # only then: what replaces needs none of it

        given = supervise(parent, given)
    manifest, path = _before_fetching(order, command, given, log, supervised=supervision is not None, dry=dry)
    manifest, inherited = _wanted(manifest, given)
    templated, argv = for_templates(given, manifest), [os.fsencode(word) for word in command]
    audit = _audit(manifest, path, log, dry=dry)
    started = _started(order.splay, log)
    try:
        placement = None if dry else _placement(manifest, given)
        found = fetched(manifest, order, given, log, started)
        if audit is not None:
            audit.found = found
        made = inject.injections(manifest, found, templated, placement.paths if placement else {})
        environ = inject.put(made, inherited, manifest.options.on_conflict)
        environment.check_size(path, argv, environ, environment.limits())
        _tell(made, log, dry=dry)
        if parent is not None:
            # What decides on a restart is the content of files, and not where they lie this time.
            _tell_supervisor(parent, made, inject.injections(manifest, found, templated) if placement else made)
        if placement is not None:
            placement.fill(made)
    except (SecretsExecError, Failures) as failure:
        if audit is not None:
            audit.failed(failure.exit_code)
        raise
    if audit is not None:
        audit.succeeded()
    if not dry:
        replace(path, argv, environ)


def _audit(manifest: Manifest, path: bytes, log: Log, *, dry: bool) -> Audit | None:
    if manifest.options.audit is None:
        return None
    from .audit import Audit  # only where a start is audited

    return Audit(manifest, log, path=path, dry=dry)


def _tell_supervisor(supervision: Supervision, made: Sequence[Injection], watched: Sequence[Injection]) -> None:
    from .child.supervise import announce, await_adoption, mask_output

    if supervision.watch:
        announce([(one.name, one.value.reveal()) for one in watched])
    if supervision.mask:
        secrets = (one for one in made if one.is_secret and (one.path is None or len(one.value) <= _LONGEST_MASKED))
        mask_output([(one.name, one.value.reveal()) for one in secrets])
    await_adoption()


def prepare(order: Order, given: Mapping[bytes, bytes], log: Log) -> Manifest:
    """The manifest as it was ordered: read, merged, checked, and cut down to what was asked for.

    From here on values are read, so from here on there are no core dumps.
    """
    dumps.forbid()
    manifest = load(
        order.files,
        environment.decoded(given),
        profile=order.profile,
        variables=order.variables,
        allowed_hosts=order.allowed_hosts,
        warn=lambda what, hint: log.warning(what, hint=hint),
    )
    if order.options:
        manifest = manifest.replace(options=manifest.options.replace(**order.options))
    return _only(manifest, order.only) if order.only else manifest


def fetched(
    manifest: Manifest,
    order: Order,
    given: Mapping[bytes, bytes],
    log: Log,
    started: float,
    timeline: Timeline | None = None,
) -> Mapping[SecretRef, Secret | SecretsExecError]:
    """What the manifest's secrets hold, or why that is not known. Raises: ManifestError, UsageError for the cache.

    What happens when is told to the `timeline`, and drawn where somebody wants to see it.
    """
    wants_picture = order.timings is not None or log.verbosity >= VERBOSE
    if wants_picture and timeline is None:
        from .timeline import Timeline  # only where somebody wants to know

        timeline = Timeline(started)
    found: Mapping[SecretRef, Secret | SecretsExecError] = {}
    if manifest.entries:
        from .fetch import fetch  # literals need none of it

        found = fetch(manifest, given, log, started, offline=order.offline, timeline=timeline)
    if wants_picture and timeline is not None:
        _draw(timeline, order.timings, log)
    return found


def _draw(timeline: Timeline, path: str | None, log: Log) -> None:
    from .picture import DEFAULT_WIDTH, as_lines, save

    if log.verbosity >= VERBOSE and not log.as_json:
        for line in as_lines(timeline, terminal_width() or DEFAULT_WIDTH):
            log.step(line)
    if path is not None and (problem := save(timeline, path)):
        log.warning(f"the timings cannot be written: {problem}", where=path)


def withheld_names(manifest: Manifest) -> frozenset[str]:
    """The credential variables that do not reach the child."""
    kept = manifest.options.keep_credentials
    if isinstance(kept, bool):
        return frozenset() if kept else manifest.credential_names
    return manifest.credential_names - set(kept)


def for_templates(given: Mapping[bytes, bytes], manifest: Manifest) -> Mapping[bytes, bytes]:
    """What templates may take from the launcher's environment: all that is not withheld, inherited or not."""
    return environment.inherited(given, inherit=True, withheld=withheld_names(manifest))


def _before_fetching(
    order: Order, command: Sequence[str], given: Mapping[bytes, bytes], log: Log, *, supervised: bool, dry: bool
) -> tuple[Manifest, bytes]:
    """Everything that can be wrong without a network, told at once."""
    errors: list[SecretsExecError] = []
    manifest, path = None, b""
    try:
        manifest = prepare(order, given, log)
    except Failures as failures:
        errors += failures.errors
    except SecretsExecError as error:
        errors.append(error)
    if manifest and _has_files(manifest):
        from .placement import problems  # only where there are files

        errors += problems(manifest.entries, supervised=supervised)
    try:
        path = find(os.fsencode(command[0]), given.get(b"PATH")) if command else b""
    except SecretsExecError as error:
        errors.append(error)
    if manifest is None or errors:
        problem = Failures(errors)
        if manifest is not None and (audit := _audit(manifest, path, log, dry=dry)) is not None:
            audit.failed(problem.exit_code)
        raise problem
    return manifest, path


def _has_files(manifest: Manifest) -> bool:
    return any(entry.as_file for entry in manifest.entries)


def _placement(manifest: Manifest, given: Mapping[bytes, bytes]) -> Placement | None:
    if not _has_files(manifest):
        return None
    from .placement import Placement  # only where there are files

    return Placement(manifest.entries, given)


def _started(splay: float, log: Log) -> float:
    """When the fetching begins, by the monotonic clock: at once, or spread over `splay` seconds by chance."""
    if splay:
        from .child.ending import handlers
        from .fetch import chance

        handlers()
        wait = splay * chance()
        log.step(f"waiting {wait:.1f} s, so that many starts spread (--splay)")
        time.sleep(wait)
    return time.monotonic()


def _only(manifest: Manifest, globs: Sequence[str]) -> Manifest:
    """What matches, and what templates that match are made of: that is read, and not injected."""
    templates = [one for one in manifest.templates if inject.is_wanted(one.name, globs)]
    needed = {name for one in templates for name in one.names}
    for one in reversed(manifest.templates):  # each stands behind those that it is made of
        if one.name in needed and one not in templates:
            templates.insert(0, one)
            needed.update(one.names)
    entries = tuple(one for one in manifest.entries if inject.is_wanted(one.name, globs) or _makes(one, needed))
    literals = tuple(one for one in manifest.literals if inject.is_wanted(one.name, globs) or one.name in needed)
    if not (entries or literals or templates):
        raise UsageError("--only matches nothing in the manifest", hint="see: secrets-exec plan")
    return manifest.replace(entries=entries, literals=literals, templates=tuple(templates), only=tuple(globs))


def _makes(entry: Entry, names: Collection[str]) -> bool:
    return entry.name in names if entry.expansion is None else any(entry.expansion.may_make(name) for name in names)


def _wanted(manifest: Manifest, given: Mapping[bytes, bytes]) -> tuple[Manifest, dict[bytes, bytes]]:
    """What has to be fetched and set for this environment, and what of that the command inherits."""
    withheld = withheld_names(manifest)
    inherited = environment.inherited(given, inherit=manifest.options.inherit, withheld=withheld)
    manifest, inherited = resolved(manifest, inherited)
    return _without_kept(manifest, inherited), inherited


def resolved(manifest: Manifest, inherited: dict[bytes, bytes]) -> tuple[Manifest, dict[bytes, bytes]]:
    """References that are inherited are no values yet.

    So none is in conflict with its own value, and one that would not be inherited is not asked for.
    """
    names = {os.fsencode(entry.name) for entry in manifest.entries if _is_inherited(entry)}
    if not names:
        return manifest, inherited
    entries = (one for one in manifest.entries if not _is_inherited(one) or os.fsencode(one.name) in inherited)
    rest = {name: value for name, value in inherited.items() if name not in names}
    return manifest.replace(entries=tuple(entries)), rest


def _is_inherited(entry: Entry) -> bool:
    return entry.node.document.name == ENVIRONMENT


def _without_kept(manifest: Manifest, inherited: Mapping[bytes, bytes]) -> Manifest:
    """Without the secrets that the inherited environment replaces anyway: they need not be fetched."""
    if manifest.options.on_conflict != environment.KEEP:
        return manifest
    wanted = (entry for entry in manifest.entries if entry.expansion or os.fsencode(entry.name) not in inherited)
    groups = (
        one for one in manifest.options.required_one_of if not any(os.fsencode(n) in inherited for n in one.names)
    )
    options = manifest.options.replace(required_one_of=tuple(groups))
    return manifest.replace(entries=tuple(wanted), options=options)


def _tell(made: Sequence[Injection], log: Log, *, dry: bool) -> None:
    if not dry and log.verbosity < VERBOSE:
        return  # what is told costs the search for its line
    for injection in made:
        size = counted(len(injection.value), "byte")
        what = size if injection.path is None else f"a file of {size}"
        line = f"{injection.name}: {what} from {injection.where.partition(', ')[2]}"
        if dry:
            log.told(f"would set {line}")
        else:
            log.step(f"set {line}")
