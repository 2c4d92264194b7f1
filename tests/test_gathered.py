"""One thing that goes wrong for many secrets is told once, with all of their names."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

from envinject.errors import NotFound, Unavailable, gathered

Launch = Callable[..., subprocess.CompletedProcess[bytes]]

SECRETS = "[secrets]\n" + "".join(f'S{number} = "kakaocloud://id-{number}"\n' for number in range(60))


def test_errors_without_a_cause_stay_apart_and_in_order() -> None:
    errors = [NotFound("a", where="A"), NotFound("a", where="B")]
    assert gathered(errors) == errors


def test_errors_of_one_cause_are_told_where_the_first_of_them_was() -> None:
    first, between, last = (
        Unavailable("x", where="A, f", cause="c"),
        NotFound("y", where="B"),
        Unavailable("x", cause="c"),
    )
    one, two = gathered([first, between, last.at("C, f")])
    assert (one.where, two) == ("A, f; likewise C", between)


def test_missing_credentials_are_one_message_however_many_secrets(
    launch: Launch, manifest: Callable[[str], Path]
) -> None:
    done = launch("-f", manifest(SECRETS), "--", "true")
    assert done.returncode == 77
    assert done.stderr.count(b"error:") == 1
    assert b"S0, " in done.stderr
    assert b" S50 and 9 more" in done.stderr


def test_a_host_that_is_not_there_is_one_message_however_many_secrets(
    launch: Launch, manifest: Callable[[str], Path]
) -> None:
    text = '[providers.kakaocloud]\nendpoint = "http://127.0.0.1:9"\n' + SECRETS
    done = launch("-f", manifest(text), "--timeout", "1s", "--", "true", environ={"KAKAOCLOUD_TOKEN": "a-token"})
    assert done.returncode == 75
    assert done.stderr.count(b"error:") == 1
