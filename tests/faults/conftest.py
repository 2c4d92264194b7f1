"""The authority that servers of this folder show, and launchers trust."""

from __future__ import annotations

import pytest

from .certificates import Certificates


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    """One authority for the session."""
    return Certificates(tmp_path_factory.mktemp("certificates"))
