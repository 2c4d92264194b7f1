"""What a manifest says, checked and typed: the one model that every format and form becomes."""

from __future__ import annotations

from ..environ import OVERRIDE
from ..record import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from ..cache import CacheSettings
    from ..expand import Expansion
    from ..providers.base import Provider
    from ..reference import SecretRef
    from ..secret import Secret
    from ..template import Part
    from .document import Document, Node


MEMFD, TMPFS = "memfd", "tmpfs"
FILES = (MEMFD, TMPFS)
"""What a file may be: anonymous in memory, or a named one that somebody has to remove. The first is the default."""

FILE_MODE = 0o400


class AsFile(Record):
    """That a value becomes a file, and the variable holds its path. `kind` is MEMFD or TMPFS."""

    kind: str
    mode: int
    name: str


class Entry(Record):
    """One secret of the manifest: what is fetched, and what becomes of it.

    `ref` is as it was written, `target` the whole secret that is read for it. `node` is where it stands.
    """

    name: str
    ref: SecretRef
    target: SecretRef
    node: Node
    expansion: Expansion | None = None
    required: bool = True
    default: Secret | None = None
    decode: str | None = None
    description: str = ""
    as_file: AsFile | None = None

    def __init__(
        self,
        name: str,
        ref: SecretRef,
        target: SecretRef,
        node: Node,
        expansion: Expansion | None = None,
        required: bool = True,
        default: Secret | None = None,
        decode: str | None = None,
        description: str = "",
        as_file: AsFile | None = None,
    ) -> None:
        fields = self.__dict__  # by hand, since there are thousands
        fields["name"], fields["ref"], fields["target"], fields["node"] = name, ref, target, node
        fields["expansion"], fields["required"], fields["default"] = expansion, required, default
        fields["decode"], fields["description"], fields["as_file"] = decode, description, as_file

    @property
    def label(self) -> str:
        """The name as it is told: that of an expansion is the begin of others, and ends in `*`."""
        return self.name if self.expansion is None else f"{self.expansion.prefix}*"

    @property
    def shown(self) -> SecretRef:
        """The reference as it is told: as written, with the version or stage that is really asked for."""
        return self.ref.replace(version=self.target.version, stage=self.target.stage)

    @property
    def where(self) -> str:
        """The variable, the file with its line, and the reference, for an error."""
        return f"{self.name}, {self.node.file}, {self.shown}"


class Literal(Record):
    """A variable whose value stands in the manifest."""

    name: str
    value: Secret
    node: Node

    @property
    def where(self) -> str:
        """The variable and where it stands, for an error."""
        return f"{self.name}, {self.node.place}"


class Composed(Record):
    """A variable that is made of others: a template, in pieces."""

    name: str
    pieces: tuple[str | Part, ...]
    node: Node

    @property
    def names(self) -> tuple[str, ...]:
        """The variables that it is made of, each once."""
        return tuple(dict.fromkeys(piece.name for piece in self.pieces if not isinstance(piece, str)))

    @property
    def where(self) -> str:
        """The variable and where it stands, for an error."""
        return f"{self.name}, {self.node.place}"


class OneOf(Record):
    """Names of which at least one must come out. `node` is where that stands."""

    names: tuple[str, ...]
    node: Node


class Options(Record):
    """How a run behaves. Times in seconds. `inherit` is all, nothing, or globs of names.

    `export_profile` is the variable that tells the child which profile was chosen. `audit` is where it is
    told that secrets are read: a file's path, `syslog` or `journald`; `audit_required` whether nothing goes on without.
    """

    timeout: float = 120.0
    outage: float = 30.0
    concurrency: int = 16
    on_conflict: str = OVERRIDE
    inherit: bool | tuple[str, ...] = True
    keep_credentials: bool | tuple[str, ...] = False
    allow_names: tuple[str, ...] = ()
    export_profile: str | None = None
    required_one_of: tuple[OneOf, ...] = ()
    audit: str | None = None
    audit_required: bool = False

    @property
    def grouped(self) -> frozenset[str]:
        """The names that stand in a group: each of them alone may be missing."""
        return frozenset(name for group in self.required_one_of for name in group.names)


class Manifest(Record):
    """Everything that was asked for, of all manifest files together, in the order in which it was written.

    `templates` come so that each stands behind those that it is made of. `only` are globs of the names that are
    injected where not all are: others are there for templates. `sources` are the manifest files as they were read.
    """

    providers: Mapping[str, Provider]
    entries: tuple[Entry, ...]
    literals: tuple[Literal, ...]
    options: Options
    cache: CacheSettings | None = None
    profile: str | None = None
    templates: tuple[Composed, ...] = ()
    only: tuple[str, ...] = ()
    sources: tuple[Document, ...] = ()

    @property
    def credential_names(self) -> frozenset[str]:
        """The variables that its providers' own credentials, and the cache's key, may stand in."""
        own = frozenset(name for provider in self.providers.values() for name in provider.credential_names)
        return own | {self.cache.key_env} if self.cache and self.cache.key_env else own
