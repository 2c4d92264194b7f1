"""Whole files, byte for byte."""

from __future__ import annotations

import os

import pytest

from envinject.errors import Denied, Failures, NotFound, StoreError


@pytest.mark.parametrize(
    "content", [b"", b"value", b"value\n", b" \r\n\t", b"\xff\x00\xfe", "é".encode(), b"x" * (1 << 20)]
)
def test_a_file_is_its_content_byte_for_byte(read, tmp_path, content):
    (tmp_path / "secret").write_bytes(content)
    assert read({"A": "file://secret"}) == {"A": content}


def test_a_path_is_seen_from_the_manifests_folder_and_not_from_the_working_one(read, tmp_path):
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "secret").write_bytes(b"right")
    (tmp_path / "folder" / "deep").mkdir()
    (tmp_path / "folder" / "deep" / "secret").write_bytes(b"wrong")
    absolute = tmp_path / "deep" / "secret"
    assert read({"A": "file://deep/secret", "B": f"file://{absolute}"}) == {"A": b"right", "B": b"right"}


def test_a_path_means_what_the_system_means_by_it(read, tmp_path):
    """`..` behind a symlink is the parent of where the link leads."""
    (tmp_path / "releases" / "1").mkdir(parents=True)
    (tmp_path / "current").symlink_to("releases/1")
    (tmp_path / "releases" / "secret").write_bytes(b"right")
    (tmp_path / "secret").write_bytes(b"wrong")
    assert read({"A": "file://current/../secret"}) == {"A": b"right"}


def test_a_symlink_to_a_file_is_followed_as_kubernetes_needs_it(read, tmp_path):
    (tmp_path / "..2026_01_01").mkdir()
    (tmp_path / "..2026_01_01" / "token").write_bytes(b"value")
    (tmp_path / "..data").symlink_to("..2026_01_01")
    (tmp_path / "token").symlink_to("..data/token")
    assert read({"A": "file://token"}) == {"A": b"value"}


@pytest.mark.parametrize("name", ["with space", "with#hash", "with?mark", "100%", "é"])
def test_a_path_may_hold_any_character(read, tmp_path, name):
    (tmp_path / name).write_bytes(b"value")
    assert read({"A": {"provider": "file", "id": name}}) == {"A": b"value"}


@pytest.mark.parametrize("path", ["missing", "missing/too", "secret/beneath"])
def test_a_file_that_is_not_there_is_not_found(read, tmp_path, path):
    (tmp_path / "secret").write_bytes(b"")
    problem = read({"A": f"file://{path}"})["A"]
    assert isinstance(problem, NotFound)
    assert path in problem.what


def test_what_is_no_regular_file_is_69_and_never_waited_for(read, tmp_path):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "folder of files").mkdir()
    secrets = {
        "PIPE": "file://pipe",
        "FOLDER": {"provider": "file", "id": "folder of files"},
        "NULL": "file:///dev/zero",
    }
    assert {type(problem) for problem in read(secrets).values()} == {StoreError}


def test_a_file_of_more_than_1_mib_is_69(read, tmp_path):
    (tmp_path / "secret").write_bytes(b"x" * ((1 << 20) + 1))
    assert isinstance(read({"A": "file://secret"})["A"], StoreError)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_that_may_not_be_read_is_77(read, tmp_path):
    (tmp_path / "secret").touch(mode=0)
    assert isinstance(read({"A": "file://secret"})["A"], Denied)


@pytest.mark.parametrize("id", ["", "a\0b"])
def test_what_can_be_no_path_is_refused_at_once(read, id):
    with pytest.raises(Failures) as caught:
        read({"A": {"provider": "file", "id": id}})
    assert caught.value.exit_code == 78


@pytest.mark.parametrize("query", ["?version=1", "?stage=active"])
def test_there_is_neither_version_nor_stage(read, query):
    with pytest.raises(Failures):
        read({"A": f"file://secret{query}"})


def test_systemds_credentials_are_found_by_their_folder(read, tmp_path):
    (tmp_path / "credentials").mkdir()
    (tmp_path / "credentials" / "db").write_bytes(b"value")
    environ = {"CREDENTIALS_DIRECTORY": str(tmp_path / "credentials")}
    assert read({"A": "file://$CREDENTIALS_DIRECTORY/db"}, environ=environ) == {"A": b"value"}


def test_without_systemds_folder_its_credentials_are_not_found(read):
    problem = read({"A": "file://$CREDENTIALS_DIRECTORY/db"})["A"]
    assert isinstance(problem, NotFound)
    assert "CREDENTIALS_DIRECTORY" in problem.what


def test_one_file_is_read_once_for_all_its_variables(read, tmp_path):
    (tmp_path / "secret").write_bytes(b'{"a":1}')
    assert read({"A": "file://secret#a", "B": "file://secret"}) == {"A": b'{"a":1}', "B": b'{"a":1}'}


def test_in_set_a_path_is_seen_from_the_working_folder(launch, tmp_path):
    (tmp_path / "folder" / "secret").write_bytes(b"value")
    done = launch("--set", "A=file://secret", "--", "printenv", "A")
    assert (done.stdout, done.stderr) == (b"value\n", b"")
