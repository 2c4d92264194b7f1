"""A whole file, byte for byte: Docker and Kubernetes secrets, systemd credentials."""

from __future__ import annotations

from ..secret import Secret
from .base import Provider, ReadFile, absolute

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..reference import SecretRef
    from .base import Flow, Found

_CREDENTIALS = "$CREDENTIALS_DIRECTORY/"


class File(Provider):
    """Reads regular files of at most 1 MiB; nothing is trimmed."""

    type = "file"
    about = "a whole file, byte for byte"

    def target(self, ref: SecretRef, folder: str) -> SecretRef:
        """A path that begins with `$CREDENTIALS_DIRECTORY/` lies where systemd put the credentials."""
        directory = self.environ.get("CREDENTIALS_DIRECTORY")
        if directory and ref.id.startswith(_CREDENTIALS):
            ref = ref.replace(id=f"{directory}/{ref.id.removeprefix(_CREDENTIALS)}")
        return super().target(absolute(ref, folder), folder)

    def read(self, refs: tuple[SecretRef, ...]) -> Flow[Found]:
        """One file each."""
        (ref,) = refs
        data: bytes = yield ReadFile(ref.id)
        return {ref: Secret(data)}
