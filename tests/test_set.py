"""What --set names is a reference: one of a provider that nobody knows starts nothing."""

from __future__ import annotations

import subprocess
from collections.abc import Callable

Launch = Callable[..., "subprocess.CompletedProcess[bytes]"]


def test_a_reference_of_an_unknown_provider_is_78_and_no_literal(launch: Launch) -> None:
    done = launch("--set", "X=naver://abc", "--", "printenv", "X")
    assert (done.returncode, done.stdout) == (78, b"")
    assert b"there is no provider 'naver'" in done.stderr
