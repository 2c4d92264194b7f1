"""A manifest that needs nothing."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture
def literal(tmp_path: Path) -> Path:
    """A manifest that sets GREETING and OTHER."""
    path = tmp_path / "literal.toml"
    path.write_text('[env]\nGREETING = "hello"\nOTHER = "x"\n')
    return path
