"""The values of a manifest's variables, for another program, in a format of its own. All of them, or none."""

from __future__ import annotations

import time

from .. import inject
from ..audit import Audit
from ..errors import BadValue, Failures, SecretsExecError
from ..run import fetched, for_templates, prepare
from ..secret import Secret
from .formats import FORMATS, GITHUB, masking

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ..inject import Injection
    from ..log import Log
    from ..run import Order

SECRET_NAME = "secrets-exec"
"""What the Secret of Kubernetes is called unless something else is said."""


def exported(
    order: Order, given: Mapping[bytes, bytes], log: Log, form: str, *, name: str = SECRET_NAME
) -> tuple[list[Injection], Secret]:
    """The variables that the manifest makes, and these in a format; what is inherited is not among them.

    Whoever asked for an audit trail has the line in it before the values are handed out.
    Raises: Failures, SecretsExecError.
    """
    started = time.monotonic()
    manifest = prepare(order, given, log)
    with Audit(manifest, log, action="export") as audit:
        audit.found = fetched(manifest, order, given, log, started)
        made = inject.injections(manifest, audit.found, for_templates(given, manifest))
        text = written(made, form, name=name)
    return made, text


def written(made: Sequence[Injection], form: str, *, name: str = SECRET_NAME) -> Secret:
    """The variables in a format of FORMATS; `name` is the Secret's, for Kubernetes.

    Raises: Failures (BadValue), every variable that the format cannot hold.
    """
    errors: list[SecretsExecError] = []
    for one in made:
        why = FORMATS[form].refusal(one.name, one.value.reveal())
        if why:
            errors.append(BadValue(f"{form} cannot hold {one.name}: {why}", where=one.where, hint=_others(one)))
    if errors:
        raise Failures(errors)
    text = FORMATS[form].write({one.name: one.value.reveal() for one in made}, name)
    if (most := FORMATS[form].most) is not None and len(text) > most:
        what = f"{form} cannot hold {len(text)} bytes together"
        raise BadValue(what, where=_largest(made), hint=f"at most {most}; --only exports some of them")
    return Secret(text)


def masks(made: Sequence[Injection]) -> Secret:
    """The lines that have GitHub's runner hide every value that came from a store, for the log of a step."""
    return Secret(masking(one.value.reveal() for one in made if one.is_secret))


def wants_masks(form: str, environ: Mapping[str, str]) -> bool:
    """Whether masks have a meaning: in that format, and where a runner of GitHub reads what we write."""
    return form == GITHUB and environ.get("GITHUB_ACTIONS") == "true"


def _others(one: Injection) -> str:
    able = [form for form, row in FORMATS.items() if not row.refusal(one.name, one.value.reveal())]
    return f"these formats can: {', '.join(able)}" if able else "store another value, or leave it out with --only"


def _largest(made: Sequence[Injection]) -> str:
    largest = sorted(made, key=lambda one: -len(one.value))[:5]
    return ", ".join(f"{one.name}: {len(one.value)} bytes" for one in largest)
