"""A variable of the launcher's own environment."""

from __future__ import annotations

import os

from ..errors import NotFound, SecretsExecError
from ..secret import Secret
from .base import Provider

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..reference import SecretRef
    from .base import Flow, Found


class Env(Provider):
    """Takes variables under another name, or keys out of one that holds JSON."""

    type = "env"
    about = "a variable of the launcher's environment"

    def read(self, refs: tuple[SecretRef, ...]) -> Flow[Found]:
        """No I/O at all: the environment is here."""
        return {ref: self._secret(ref.id) for ref in refs}
        yield  # a flow is a generator, also one that needs nothing done

    def _secret(self, name: str) -> Secret | SecretsExecError:
        if name not in self.environ:
            return NotFound(
                f"the launcher's environment has no variable {name}", hint="set it for the launcher, or mend the name"
            )
        return Secret(os.fsencode(self.environ[name]))
