"""Variables of the launcher's own environment, under another name."""

from __future__ import annotations

import os

import pytest

from envinject.errors import Failures, NotFound


def test_a_variable_is_taken_under_another_name(read):
    assert read({"B": "env://A"}, environ={"A": "value"}) == {"B": b"value"}


@pytest.mark.parametrize("value", [b"", b" \n", b"\xff\xfe raw", "é😀".encode(), b"a=b=c"])
def test_a_variable_is_taken_byte_for_byte(read, value):
    assert read({"B": "env://A"}, environ={"A": os.fsdecode(value)}) == {"B": value}


@pytest.mark.parametrize("name", ["MISSING", "a", "A B", "A=B", "", "A\0"])
def test_a_variable_that_is_not_there_is_not_found(read, name):
    if name:
        assert isinstance(read({"B": {"provider": "env", "id": name}}, environ={"A": "x"})["B"], NotFound)
    else:
        with pytest.raises(Failures):
            read({"B": {"provider": "env", "id": name}})


@pytest.mark.parametrize("query", ["?version=1", "?stage=active"])
def test_there_is_neither_version_nor_stage(read, query):
    with pytest.raises(Failures) as caught:
        read({"B": f"env://A{query}"})
    (problem,) = caught.value.errors
    assert problem.exit_code == 78
    assert "neither version nor stage" in problem.hint


def test_this_process_environment_is_not_the_launchers(read, monkeypatch):
    monkeypatch.setenv("OF_THIS_PROCESS", "x")
    assert isinstance(read({"B": "env://OF_THIS_PROCESS"})["B"], NotFound)


def test_a_key_of_a_variable_that_holds_json_reaches_the_child(launch, manifest):
    path = manifest('[secrets]\nPASSWORD = "env://ALL#db.password"\nPORT = "env://ALL#/db/port"\n')
    environ = {"ALL": '{"db.password":"s3cret","db":{"port":5432.0}}'}
    done = launch("-f", path, "--", "sh", "-c", 'echo "$PASSWORD $PORT"', environ=environ)
    assert (done.stdout, done.stderr) == (b"s3cret 5432.0\n", b"")
