"""The fuzzer's targets take every seed, and find what they look for."""

from __future__ import annotations

import importlib
from pathlib import Path

import pytest

from fuzz.__main__ import CORPUS, TARGETS, main

_SEEDS = [(target, path) for target in TARGETS for path in sorted((CORPUS / target).iterdir())]


@pytest.mark.parametrize(("target", "seed"), _SEEDS, ids=lambda value: getattr(value, "name", value))
def test_a_seed_comes_out_as_a_result_or_as_our_own_error(target: str, seed: Path) -> None:
    importlib.import_module(f"fuzz.{target}").try_one(seed.read_bytes())


def test_an_input_that_was_kept_can_be_tried_alone(capsys: pytest.CaptureFixture[str]) -> None:
    target, seed = _SEEDS[0]
    assert main([target, "--input", str(seed)]) == 0
    assert capsys.readouterr().out == f"fuzz: {target}: 1 inputs tried\n"
