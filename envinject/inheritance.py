"""What the launcher's environment has under a planned name, and what becomes of that. Lengths, never a value."""

from __future__ import annotations

import os

from . import environ as environment
from .errors import BadValue
from .log import counted
from .manifest import ENVIRONMENT, Entry
from .run import withheld_names

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from .inject import Injection
    from .manifest import Composed, Literal, Manifest

REPLACED, KEPT, CONFLICT = "replaced", "kept", "conflict"
EXCLUDED, WITHHELD, RESOLVED = "excluded", "withheld", "resolved"
_BY_RULE = {environment.OVERRIDE: REPLACED, environment.KEEP: KEPT, environment.ERROR: CONFLICT}


class Inheritance:
    """The launcher's environment as a start with this manifest sees it; `reaching` is what the command inherits."""

    def __init__(self, manifest: Manifest, given: Mapping[bytes, bytes]) -> None:
        withheld = withheld_names(manifest)
        self._given = given
        self._withheld = {os.fsencode(name) for name in withheld}
        self.reaching = environment.inherited(given, inherit=manifest.options.inherit, withheld=withheld)
        self._conflict = _BY_RULE[manifest.options.on_conflict]

    def of_source(self, source: Entry | Literal | Composed) -> dict[str, Any]:
        """The two keys of a row before anything is fetched; which names an expansion makes is not known then."""
        if not isinstance(source, Entry) or source.expansion is None:
            return self._of(source.name, source)
        names = map(os.fsdecode, self._given)
        makes = (name for name in names if not environment.changes_how_programs_run(name))
        return {"inherited": any(map(source.expansion.may_make, makes)), "inheritance": None}

    def of_injection(self, injection: Injection) -> dict[str, Any]:
        """The two keys of a row when its value is known: whether the same is there. A file's path is not known yet."""
        row = self._of(injection.name, injection.source)
        if row["inheritance"] is not None:
            given = self._given[injection.name.encode()]
            is_same = None if injection.path is not None else given == injection.value.reveal()
            row["inheritance"]["same"] = is_same
        return row

    def _of(self, name: str, source: Entry | Literal | Composed) -> dict[str, Any]:
        value = self._given.get(name.encode())
        if value is None:
            return {"inherited": False, "inheritance": None}
        becomes = self._becomes(name.encode(), source)
        code = BadValue.exit_code if becomes == CONFLICT else 0
        return {"inherited": True, "inheritance": {"bytes": len(value), "becomes": becomes, "exit_code": code}}

    def _becomes(self, name: bytes, source: Entry | Literal | Composed) -> str:
        if name in self._withheld or name.startswith(environment.OWN):
            return WITHHELD
        if name not in self.reaching:
            return EXCLUDED
        if isinstance(source, Entry) and source.node.document.name == ENVIRONMENT:
            return RESOLVED
        return self._conflict


def told(row: Mapping[str, Any]) -> str:
    """The cell of a row that has these keys; empty where no value is inherited: a reference is none yet."""
    found = row["inheritance"]
    if found is None:
        return "perhaps" if row["inherited"] else ""
    if found["becomes"] == RESOLVED:
        return ""
    words = "not inherited" if found["becomes"] == EXCLUDED else found["becomes"]
    end = f" ({found['exit_code']})" if found["exit_code"] else ""
    same = {True: ", the same", False: ", differs"}.get(found.get("same"), "")
    return f"{counted(found['bytes'], 'byte')}, {words}{end}{same}"
