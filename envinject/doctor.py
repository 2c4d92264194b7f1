"""What may be wrong between this machine and the stores: found step by step, with numbered ways to mend it.

Nothing is started and nothing is kept. Findings have names, hosts, times and statuses, never a value.
"""

from __future__ import annotations

import os
import sys
import time

from . import __version__
from . import environ as environment
from . import providers as registry
from .audit import Audit
from .errors import Denied, Failures, NotFound, SecretsExecError, StoreError, SystemRefused, Unavailable
from .fetch.engine import run_locally
from .log import counted
from .manifest import DEFAULT_FILES, Manifest, Options
from .providers.base import HTTPProvider
from .record import Record
from .run import fetched, prepare
from .sheet import BAD, DOUBTFUL, FAINT, GOOD, STRONG, Line, Table
from .timeline import Timeline
from .transports import RETRIED_FAILURES, open_transport
from .transports.probe import Sight, look_at

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
    from typing import Any

    from .log import Log
    from .manifest import Entry
    from .providers.base import Provider
    from .run import Order
    from .sheet import Sheet
    from .transports.probe import Target
    from .url import Endpoint

SHAPE = 1
"""The version of the JSON that this writes."""

OK, WARN, FAIL, SKIP = "ok", "warn", "fail", "skip"

_PROBE_SECONDS = 20.0
_READ_SECONDS = 30.0
_CLOCK_WARNS, _CLOCK_FAILS = 30, 300
"""Seconds: a token's or certificate's time is not that exact; NAVER Cloud refuses what is off by more."""
_EXPIRY_DAYS = 14
_SLOW_SECONDS = 1.0
_DAY = 86_400.0


class Finding(Record):
    """One thing that was looked at: what it is about, which check, what came of it, and how to mend it.

    `error` decides the exit code of what fails. `facts` are for programs.
    """

    about: str
    check: str
    result: str
    told: str
    mend: str = ""
    error: type[SecretsExecError] | None = None
    facts: Mapping[str, Any] | None = None


def examine(order: Order, given: Mapping[bytes, bytes], log: Log) -> dict[str, Any]:
    """Look at everything that a start with this manifest needs. Nothing is raised for what is found.

    Keys: `shape`, `ok`, `exit_code`, `findings`: a list of `about`, `check`, `result` (ok, warn, fail, skip), `told`,
    `mend` (a number, or None), `exit_code` (of what fails), `facts`; and `mends`, the ways to mend from number 1 on.
    """
    findings = [*_of_launcher(environment.decoded(given))]
    if any(one.result == FAIL for one in findings):
        order = order.replace(offline=True)  # nobody can be asked
    manifest, about = _manifest(order, given, log, findings)
    if manifest is not None:
        findings += _of_providers(manifest, about, order, given, log)
    return _answer(findings)


def _answer(findings: Sequence[Finding]) -> dict[str, Any]:
    mends = list(dict.fromkeys(one.mend for one in findings if one.mend))
    failed = [one.error or StoreError for one in findings if one.result == FAIL]
    rows = [
        {
            "about": one.about,
            "check": one.check,
            "result": one.result,
            "told": one.told,
            "mend": mends.index(one.mend) + 1 if one.mend else None,
            "exit_code": (one.error or StoreError).exit_code if one.result == FAIL else 0,
            "facts": {name: _rounded(fact) for name, fact in (one.facts or {}).items()},
        }
        for one in findings
    ]
    code = Failures(kind("") for kind in failed).exit_code if failed else 0
    return {"shape": SHAPE, "ok": not failed, "exit_code": code, "findings": rows, "mends": mends}


def _rounded(fact: Any) -> Any:
    """Times to microseconds: more is noise."""
    return round(fact, 6) if isinstance(fact, float) else fact


# This launcher, this manifest


def _of_launcher(environ: Mapping[str, str]) -> Iterator[Finding]:
    try:
        transport = open_transport(environ, lambda _what, _hint: None)
    except SecretsExecError as error:
        yield Finding("launcher", "transport", FAIL, error.what, error.hint, type(error))
        return
    transport.close()
    name = type(transport).__name__.removesuffix("Transport").lower()
    python = ".".join(map(str, sys.version_info[:3]))
    facts = {"version": __version__, "python": python, "transport": name}
    yield Finding("launcher", "version", OK, f"{__version__}, Python {python}, transport {name}", facts=facts)


def _manifest(
    order: Order, given: Mapping[bytes, bytes], log: Log, findings: list[Finding]
) -> tuple[Manifest | None, str]:
    """The manifest, or without one the types whose credentials are here; None when it cannot be gone on with."""
    if not (order.files or order.variables or any(map(os.path.lexists, DEFAULT_FILES))):
        return _without_manifest(environment.decoded(given), findings), "none"
    about = ", ".join(order.files) or next(filter(os.path.lexists, DEFAULT_FILES), "--set")
    try:
        manifest = prepare(order, given, log)
    except Failures as failures:
        findings += (_problem(about, "manifest", error) for error in failures.errors)
        return None, about
    except SecretsExecError as error:
        findings.append(_problem(about, "manifest", error))
        return None, about
    told = f"{counted(len(manifest.entries), 'secret')} of {counted(len(manifest.providers), 'provider')}"
    facts = {"secrets": len(manifest.entries), "providers": len(manifest.providers), "profile": manifest.profile}
    findings.append(Finding(about, "manifest", OK, told, facts=facts))
    return manifest, about


def _problem(about: str, check: str, error: SecretsExecError) -> Finding:
    where = f" ({error.where})" if error.where else ""
    return Finding(about, check, FAIL, f"{error.what}{where}", error.hint or "mend it there", type(error))


def _without_manifest(environ: Mapping[str, str], findings: list[Finding]) -> Manifest | None:
    found: dict[str, Provider] = {}
    for name, row in registry.TYPES.items():
        if not row.credentials:
            continue
        provider = registry.provider_class(name)(name, {}, environ)
        if any(map(environ.get, row.credentials)) or _has_credentials(provider):
            found[name] = provider
    told = f"there is none here; looking at the stores whose credentials are: {', '.join(found) or 'none'}"
    findings.append(Finding("manifest", "manifest", WARN, told, "name a manifest with -f, or write secrets.toml"))
    if not found:
        variables = ", ".join(name for row in registry.TYPES.values() for name in row.credentials)
        mend = f"set the variables of a store: {variables}"
        findings.append(Finding("stores", "credentials", FAIL, "there are no credentials of any store", mend, Denied))
        return None
    return Manifest(found, (), (), Options())


def _has_credentials(provider: Provider) -> bool:
    try:
        return bool(run_locally(provider.origin()))
    except SecretsExecError:
        return False


# Stores


def _of_providers(
    manifest: Manifest, about: str, order: Order, given: Mapping[bytes, bytes], log: Log
) -> Iterator[Finding]:
    """Each provider's credentials and servers, then what it lets us read."""
    environ = environment.decoded(given)
    used = {entry.target.provider for entry in manifest.entries} or {*manifest.providers}
    chosen = {name: provider for name, provider in manifest.providers.items() if name in used}
    stores = {name: provider for name, provider in chosen.items() if isinstance(provider, HTTPProvider)}
    targets = [] if order.offline else [(end, one.route) for one in stores.values() for end in one.endpoints()]
    sights = look_at(targets, environ, _PROBE_SECONDS)
    of_each: dict[str, list[Finding]] = {name: [] for name in chosen}
    for name, provider in stores.items():
        of_each[name].append(_credentials(provider))
        of_each[name] += _of_servers(provider, sights)
    hindered = {name for name, one in stores.items() if order.offline or _is_hindered(one, of_each[name])}
    reads, audit = _reads(manifest, order, given, log, hindered)
    for name, findings in of_each.items():
        yield from findings
        yield from reads[name]
    for name in manifest.providers.keys() - chosen.keys():
        yield Finding(name, "use", SKIP, f"no secret of {about} is read from it")
    if audit.found:
        yield from _recorded(audit, [one for rows in reads.values() for one in rows], about)


def _is_hindered(provider: HTTPProvider, findings: Sequence[Finding]) -> bool:
    """Whether there is no point in asking for a secret: no credentials, or no way to the store itself."""
    store = next((endpoint.authority for endpoint in provider.endpoints()), "")
    failed = (one for one in findings if one.result == FAIL and one.check != "clock")
    return any(one.check == "credentials" or (one.facts or {}).get("host") == store for one in failed)


def _credentials(provider: HTTPProvider) -> Finding:
    try:
        origin = run_locally(provider.origin())
    except SecretsExecError as error:
        return Finding(provider.name, "credentials", FAIL, error.what, error.hint or "set them", type(error))
    told = f"found in {origin}" if origin else "it needs none"
    return Finding(provider.name, "credentials", OK, told, facts={"type": provider.type, "found": origin})


def _of_servers(provider: HTTPProvider, sights: Mapping[Target, Sight]) -> Iterator[Finding]:
    seen: set[str] = set()
    for endpoint in provider.endpoints():
        sight = sights.get((endpoint, provider.route))
        if sight is not None and endpoint.authority not in seen:
            seen.add(endpoint.authority)
            yield from _of_server(provider, endpoint, sight)


def _of_server(provider: HTTPProvider, endpoint: Endpoint, sight: Sight) -> Iterator[Finding]:
    """What was seen of one server, up to where the way ended."""
    host = endpoint.authority

    def finding(check: str, result: str, told: str, mend: str = "", **facts: Any) -> Finding:
        error = _error(sight) if result == FAIL and check != "clock" else Denied
        return Finding(provider.name, check, result, told, mend, error, {"host": host, **facts})

    problem = sight.problem
    asked = f"the proxy {sight.proxy}" if sight.proxy else host
    if sight.addresses:
        told = f"{asked} is {_some(sight.addresses)} ({_ms(sight.name_seconds)})"
        slow = (sight.name_seconds or 0) > _SLOW_SECONDS
        mend = "ask why this machine's name servers are slow (/etc/resolv.conf)" if slow else ""
        facts = {"addresses": list(sight.addresses), "seconds": sight.name_seconds, "proxy": sight.proxy or None}
        yield finding("name", WARN if slow else OK, told, mend, **facts)
    if sight.connect_seconds is not None:
        told = f"{asked}: {sight.address} takes the connection in {_ms(sight.connect_seconds)}"
        yield finding("connection", OK, told, address=sight.address, seconds=sight.connect_seconds)
    if sight.tls_seconds is not None:
        yield _tls(finding, host, sight)
    if sight.status is not None:
        told = f"{host} answers in {_ms(sight.answer_seconds)}, without credentials with a {sight.status}"
        yield finding("answer", OK, told, status=sight.status, seconds=sight.answer_seconds)
        yield _clock(finding, host, sight)
    if problem is not None:
        check = _unreached(sight)
        shown = f"; it shows {_shown(sight)}" if sight.chain and sight.tls_seconds is None else ""
        yield finding(check, FAIL, f"{host}: {problem.what}{shown}", _mend(check, host), chain=_chain(sight))
    elif sight.status is None:
        told = f"{host}: TLS to the proxy hides the rest of the way from here"
        yield finding("connection", SKIP, told)


def _unreached(sight: Sight) -> str:
    """The check at which the way ended."""
    if not sight.addresses:
        return "name"
    if sight.connect_seconds is None:
        return "connection"
    is_in_tls = sight.tls_seconds is None and sight.problem is not None and bool(sight.trusted)
    return "tls" if is_in_tls else "answer"


def _error(sight: Sight) -> type[SecretsExecError]:
    passes = sight.problem is not None and sight.problem.kind in RETRIED_FAILURES
    return Unavailable if passes else StoreError


def _mend(check: str, host: str) -> str:
    return {
        "name": f"is {host} the right endpoint? Else mend this machine's name servers, or set HTTPS_PROXY",
        "connection": f"let this machine reach {host} (a firewall, a security group, a route), or set HTTPS_PROXY",
        "tls": f"trust the authority of {host} (ca_bundle or SSL_CERT_FILE), or find out who stands between; "
        "verification cannot be switched off",
        "answer": f"is {host} the store itself, and no proxy or gateway that does not know it?",
    }[check]


def _tls(finding: Callable[..., Finding], host: str, sight: Sight) -> Finding:
    days = [int((one.expires - time.time()) // _DAY) for one in sight.chain]
    left = min(days, default=None)
    told = f"{host}: {sight.tls} in {_ms(sight.tls_seconds)}; {_shown(sight)}; trusted by {sight.trusted}"
    facts = {"version": sight.tls, "seconds": sight.tls_seconds, "days_left": left, "chain": _chain(sight)}
    if left is not None and left < _EXPIRY_DAYS:
        mend = f"have the certificate of {host} renewed"
        return finding("tls", WARN, told, mend, **facts)
    return finding("tls", OK, told, **facts)


def _shown(sight: Sight) -> str:
    if not sight.chain:
        return "no certificate that can be read"
    own = sight.chain[0]
    days = int((min(one.expires for one in sight.chain) - time.time()) // _DAY)
    good = f"good for {days} days" if days >= 0 else f"expired {-days} days ago"
    return f"{own.subject}, issued by {own.issuer}, {good}"


def _chain(sight: Sight) -> list[dict[str, Any]]:
    return [{"subject": one.subject, "issuer": one.issuer, "expires": one.expires} for one in sight.chain]


def _clock(finding: Callable[..., Finding], host: str, sight: Sight) -> Finding:
    ahead = sight.ahead
    if ahead is None:
        told = f"{host} tells no time to compare this machine's clock with"
        return finding("clock", SKIP, told)
    told = f"this machine's clock is {abs(ahead)} s {'ahead of' if ahead > 0 else 'behind'} {host}'s"
    mend = "set this machine's clock (timedatectl, chrony); signatures and tokens hold the time"
    if abs(ahead) > _CLOCK_FAILS:
        return finding("clock", FAIL, told, mend, ahead=ahead)
    if abs(ahead) > _CLOCK_WARNS:
        return finding("clock", WARN, told, mend, ahead=ahead)
    told = told if abs(ahead) > 1 else f"this machine's clock agrees with {host}'s"
    return finding("clock", OK, told, ahead=ahead)


# Secrets


def _reads(
    manifest: Manifest, order: Order, given: Mapping[bytes, bytes], log: Log, hindered: Collection[str]
) -> tuple[Mapping[str, list[Finding]], Audit]:
    """What came of reading each secret once, by provider, and the audit trail's knowledge of it.

    Nothing is kept, and nothing comes from a cache.
    """
    by_target: dict[Any, list[Entry]] = {}
    for entry in manifest.entries:
        by_target.setdefault(entry.target, []).append(entry)
    wanted = tuple(entry for entry in manifest.entries if entry.target.provider not in hindered)
    options = manifest.options
    if "timeout" not in (order.options or {}):
        options = options.replace(timeout=min(options.timeout, _READ_SECONDS))
    started = time.monotonic()
    timeline = Timeline(started)
    asked = manifest.replace(entries=wanted, cache=None, options=options)
    audit = Audit(asked, log, action="doctor", dry=True)
    audit.found = found = fetched(asked, order.replace(offline=False), given, log, started, timeline)
    findings: dict[str, list[Finding]] = {name: [] for name in manifest.providers}
    for ref, entries in by_target.items():
        track = timeline.of(ref)
        seconds = None if track is None else track.seconds
        findings[ref.provider].append(_read(entries, found.get(ref), seconds))
    for name, rows in findings.items():
        if not rows:
            rows.append(Finding(name, "read", SKIP, "no secret is named, so none was read"))
    return findings, audit


def _recorded(audit: Audit, reads: Sequence[Finding], about: str) -> Iterator[Finding]:
    """Tell the audit trail, if there is one; a finding where a line is required and cannot be written."""
    failed = [one.error or StoreError for one in reads if one.result == FAIL]
    try:
        if failed:
            audit.failed(Failures(kind("") for kind in failed).exit_code)
        else:
            audit.succeeded()
    except SystemRefused as error:
        yield _problem(about, "audit", error)


def _read(entries: Sequence[Entry], outcome: Any, seconds: float | None) -> Finding:
    about = entries[0].target.provider
    names = ", ".join(entry.name for entry in entries)
    told = f"{entries[0].shown.whole} ({names})"
    facts: dict[str, Any] = {"reference": str(entries[0].shown.whole), "variables": [entry.name for entry in entries]}
    if outcome is None:
        return Finding(about, "read", SKIP, f"{told}: not asked for", facts=facts)
    facts["seconds"] = seconds
    if not isinstance(outcome, SecretsExecError):
        took = "" if seconds is None else f": {_ms(seconds)}"
        return Finding(about, "read", OK, f"{told}{took}", facts=facts)
    is_needed = any(entry.required and entry.default is None for entry in entries)
    result = FAIL if is_needed or not isinstance(outcome, NotFound) else WARN
    mend = outcome.hint or "see docs/faults.md"
    return Finding(about, "read", result, f"{told}: {outcome.what}", mend, type(outcome), facts)


def _some(addresses: Sequence[str]) -> str:
    more = f" and {len(addresses) - 3} more" if len(addresses) > 3 else ""
    return ", ".join(addresses[:3]) + more


def _ms(seconds: float | None) -> str:
    return f"{(seconds or 0.0) * 1000:.1f} ms"


# In words


def told(found: Mapping[str, Any]) -> Sheet:
    """A table of the findings, the ways to mend, and a last line with the sum."""
    rows = [
        (row["about"], row["check"], row["result"], str(row["mend"] or ""), row["told"]) for row in found["findings"]
    ]
    tones = {OK: GOOD, WARN: DOUBTFUL, FAIL: BAD, SKIP: FAINT}
    sheet: list[Line | Table] = [Table(("ABOUT", "CHECK", "RESULT", "MEND", "FINDING"), rows, tones)]
    if found["mends"]:
        sheet += [Line(""), Line("To mend:", STRONG)]
        sheet += [Line(f"  {number}. {mend}") for number, mend in enumerate(found["mends"], 1)]
    results = [row["result"] for row in found["findings"]]
    failures, warnings = results.count(FAIL), results.count(WARN)
    more = f", {counted(warnings, 'warning')}" if warnings else ""
    if found["ok"]:
        return [*sheet, Line(""), Line(f"ok{more}", DOUBTFUL if warnings else GOOD)]
    return [*sheet, Line(""), Line(f"not ok: {counted(failures, 'problem')}{more}", BAD)]
