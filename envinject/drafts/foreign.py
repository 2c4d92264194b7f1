"""Which tool a file is of, by what is in it, and what becomes of it."""

from __future__ import annotations

from ..errors import ManifestError
from . import ecs, external_secrets, summon, teller
from .draft import Draft
from .source import read

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ..manifest.document import Node

_TOOLS: Sequence[tuple[str, Callable[[Sequence[Node]], bool], Callable[[Sequence[Node], Draft], None]]] = (
    ("an ECS task definition", ecs.is_one, ecs.carry),
    ("External Secrets", external_secrets.is_one, external_secrets.carry),
    ("teller", teller.is_one, teller.carry),
    ("summon", summon.is_one, summon.carry),
)
"""The tools, how their files are recognised, and how they are carried over; asked in this order."""


def carried(path: str) -> Draft:
    """What becomes of another tool's file, or of standard input for `-`.

    Raises: ManifestError when it cannot be read, or is no file of theirs.
    """
    documents = [document for document in read(path) if document.value]
    source = documents[0].document.name if documents else path
    for form, is_one, carry in _TOOLS:
        if documents and is_one(documents):
            draft = Draft(source, form)
            carry(documents, draft)
            return draft
    hint = f"it takes {', '.join(form for form, _, _ in _TOOLS)}; a dotenv file is for secrets-exec init --from"
    raise ManifestError("this is no file that can be imported", where=source, hint=hint)
