"""Every fenced block of the documents is run, is checked by another test, or says in its first line why it cannot be.

A page is a session in a folder of its own. Its blocks are taken from top to bottom, as a reader would: manifests that
it shows are written and fetched, commands are run in a shell, and what it shows as their output is compared. The
clouds' usual hosts are the emulator, by a proxy, so that nothing on a page has to be written otherwise for the tests.

The first line of a block says what is to be done with it, behind its language:

    (nothing)         toml, yaml, json: a manifest, which is written as secrets.FORM, and all its secrets are fetched
                      sh, python: it is run, and ends well
    error             a manifest that is refused
    seed              what an emulator holds; it is written as seed.toml
    file=NAME         a file that a command of the page reads
    exit=N            the script ends with this code
    serves            a server: it goes on while the page is read, then it is ended
    output            what the block before it wrote, both streams; `...` stands for anything
    cannot-run: WHY   one of the reasons below
    compose, ...      what other programs read: tests of the recipes check it
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import ssl
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from itertools import pairwise
from pathlib import Path
from typing import IO, Self

import pytest
from launching import PATIENCE, eventually, unused_port
from loopback import Proxy
from test_docs import FOREIGN, PAGES, ROOT, Block, blocks
from test_examples import CREDENTIALS

from envinject.emulator import Emulator, load_seed
from envinject.emulator.server import tls_context

SHOWN = ROOT / "tests" / "pages"
"""The folder that a page's session begins with: programs of a reader, mounted files, what the clouds hold."""

RUN = ("sh", "python", "toml", "yaml", "json")
"""Languages of blocks that do something."""

READ = ("text", "ini", "dockerfile")
"""Languages of blocks that are read alone, or that tests of the recipes check."""

REASONS = {
    "it installs packages",
    "it is the tests themselves",
    "it needs a build of the one file",
    "it needs a debugger",
    "it needs docker",
    "it needs kubectl",
    "it needs systemd",
    "it takes minutes",
}
"""Why a block cannot be run here. Each is used; another one has to be argued for."""

PLACES = r"/run/(?:secrets|keys|kakaocloud|credentials/shop\.service)\b|/var/(?:log|cache)/\w+|/etc/shop\b|/launcher\b"
"""Absolute paths on the pages, which lie in the session's folder."""

FOLDERS = ("etc/shop", "var/log/shop", "var/cache/app", "launcher")
"""Those of them that are there and empty."""

NOT_HERE = re.compile(r"^ *(?:sudo )?(pip|apt-get|docker|kubectl|make|systemctl|journalctl) ", re.MULTILINE)
"""Programs that change the machine, or are not on every one."""

PORT = "8480"
"""The emulator's on the pages; a free one in a session."""

WORDS = {"error", "seed", "serves", "output", "cannot-run:", *FOREIGN}


def reason(block: Block) -> str:
    """Why it cannot be run; nothing where it can."""
    return " ".join(block.info[2:]) if block.info[1:2] == ["cannot-run:"] else ""


def is_for_others(block: Block) -> bool:
    """Whether nothing is done with it here: it cannot be run, or another test checks it."""
    return bool(reason(block)) or not FOREIGN.isdisjoint(block.info)


def given(block: Block, name: str) -> str:
    """What the first line says behind `name=`."""
    return next((word.removeprefix(f"{name}=") for word in block.info[1:] if word.startswith(f"{name}=")), "")


def matches(shown: str, wrote: str) -> bool:
    """Whether that is what was written, with anything in place of `...`."""
    lines = ["(?:.*\n)*" if line == "..." else re.escape(line).replace(r"\.\.\.", ".*") for line in shown.splitlines()]
    assert set(shown.split()) > {"..."} or "..." not in shown.split(), f"this shows nothing:\n{wrote}"
    pattern = "".join(line if line.endswith("\n)*") else f"{line}\n" for line in lines)
    return re.fullmatch(pattern, wrote if wrote.endswith("\n") else f"{wrote}\n") is not None


class Session:
    """One page, read and followed in one folder."""

    def __init__(self, folder: Path, environ: Mapping[str, str]) -> None:
        self._root, self._port = folder / "root", str(unused_port())
        self.folder = folder
        self._environ = dict(environ)
        self._wrote: Path | None = None
        self._server: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        shutil.copytree(SHOWN, self.folder, dirs_exist_ok=True)
        for path in FOLDERS:
            (self._root / path).mkdir(parents=True)
        shutil.copytree(ROOT / "examples", self.folder / "examples")
        overlay = self.folder / "examples" / "emulated.toml"
        overlay.write_text(self._here(overlay.read_text()))
        return self

    def __exit__(self, *_: object) -> None:
        self._end_server()

    def _end_server(self) -> None:
        if self._server is not None:
            self._server.send_signal(signal.SIGTERM)
            assert self._server.wait(PATIENCE) == 0, "the server of the page did not end well"

    def take(self, block: Block) -> None:
        """Do with a block what its first line says."""
        language, *words = block.info
        if is_for_others(block):
            self._wrote = None
        elif "output" in words:
            self._compare(block)
        elif name := given(block, "file"):
            self._write(name, block)
        elif "seed" in words:
            load_seed(self._write("seed.toml", block))
        elif language in ("toml", "yaml", "json"):
            name = self._write(f"secrets.{language}", block).name
            self._run(["secrets-exec", "check", "--fetch", "-f", name], block, 78 if "error" in words else 0)
        elif found := NOT_HERE.search(block.text):
            pytest.fail(f"{block}: {found[1]} is for another machine; say `cannot-run:`")
        elif "serves" in words:
            self._serve(block)
        elif language in RUN:
            program = ["sh", "-ec"] if language == "sh" else [sys.executable, "-c"]
            self._run([*program, self._here(block.text)], block, int(given(block, "exit") or 0))

    def _here(self, text: str) -> str:
        """A page's text with the places of this session."""
        return re.sub(PLACES, lambda match: f"{self._root}{match[0]}", text.replace(PORT, self._port))

    def _there(self, text: str) -> str:
        """What was written, with the places of the page."""
        return text.replace(str(self._root), "").replace(str(self.folder), "/home/me").replace(self._port, PORT)

    def _write(self, name: str, block: Block) -> Path:
        path = self.folder / name
        path.write_text(self._here(block.text))
        return path

    def _run(self, command: list[str], block: Block, code: int) -> None:
        self._wrote = self.folder / "wrote"
        with self._wrote.open("wb") as output:
            process = self._start(command, output, subprocess.STDOUT)
            try:
                process.wait(PATIENCE)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait(PATIENCE)
                pytest.fail(f"{block} does not end; a server says `serves`")
        told = self._wrote.read_text(errors="replace")
        assert process.returncode == code, f"{block}\n{told}"
        assert code or "secrets-exec: error" not in told, f"{block}\n{told}"

    def _serve(self, block: Block) -> None:
        self._end_server()
        self._wrote = self.folder / "served"
        with self._wrote.open("wb") as output:
            self._server = self._start(["sh", "-ec", f"exec {self._here(block.text)}"], output, subprocess.DEVNULL)

    def _start(self, command: list[str], output: IO[bytes], errors: int) -> subprocess.Popen[bytes]:
        """Begin a command in the session's folder, as a group of its own."""
        return subprocess.Popen(
            command,
            cwd=self.folder,
            env=self._environ,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=errors,
            start_new_session=True,
        )

    def _compare(self, block: Block) -> None:
        wrote = self._wrote
        assert wrote is not None, f"{block}: nothing was run before it"

        def told() -> str:
            return self._there(wrote.read_text(errors="replace"))

        if wrote.name == "served":
            eventually(lambda: matches(block.text, told()), f"{block}: {told()}")
        assert matches(block.text, told()), f"{block}\n{told()}"


# The pages


def whole(page: Path) -> list[Block]:
    return blocks(*RUN, *READ, pages=[page])


FOLLOWED = [page for page in PAGES if any(block.info[0] in RUN for block in whole(page))]


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> tuple[ssl.SSLContext, Path]:
    """The clouds' TLS, made once."""
    return tls_context(tmp_path_factory.mktemp("authority"))


@pytest.fixture
def session(authority: tuple[ssl.SSLContext, Path], tmp_path: Path) -> Iterator[Session]:
    """A folder of a reader's, whose clouds are an emulator."""
    context, ca_file = authority
    folder = tmp_path / "page"
    with ExitStack() as stack:
        emulator = stack.enter_context(Emulator(load_seed(SHOWN / "clouds.toml"), tls=context))
        proxy = stack.enter_context(Proxy(int(emulator.url.rpartition(":")[2])))
        environ = {
            **CREDENTIALS,
            "PATH": f"{folder / 'bin'}:{Path(sys.executable).parent}:{os.defpath}",
            "HOME": str(folder),
            "HTTPS_PROXY": proxy.url,
            "SSL_CERT_FILE": str(ca_file),
            "PGHOST": "db.shop.test",
            "SHOP_JSON": '{"token": "not-a-secret"}',
            "DEBUG_TOKEN": "not-a-secret",
            "CREDENTIALS_DIRECTORY": str(folder / "root/run/credentials/shop.service"),
        }
        yield stack.enter_context(Session(folder, environ))


@pytest.mark.skipif(sys.platform != "linux", reason="the pages show what Linux can")
@pytest.mark.parametrize("page", FOLLOWED, ids=lambda page: str(page.relative_to(ROOT)))
def test_the_blocks_of_a_page_do_what_it_says(page: Path, session: Session) -> None:
    for block in whole(page):
        session.take(block)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_block_says_what_it_is(page: Path) -> None:
    text = page.read_text()
    found = whole(page)
    unknown = [
        (str(block), word)
        for block in found
        for word in block.info[1 : 2 if reason(block) else None]
        if word not in WORDS and not re.match(r"(file|exit)=.", word)
    ]

    assert text.count("\n```") == 2 * len(found), "a block without a language, or with one that no test knows"
    assert unknown == []
    assert not re.search(r"(?:^|\n)(?![-*\d ]).*\n\n    \S", re.sub(r"```.*?\n```", "", text, flags=re.DOTALL)), (
        "a block that is indented is not seen by the tests"
    )


@pytest.mark.parametrize("page", FOLLOWED, ids=lambda page: str(page.relative_to(ROOT)))
def test_what_stands_right_behind_a_script_is_its_output(page: Path) -> None:
    found = whole(page)
    beside = [
        (str(behind), "output" in behind.info)
        for block, behind in pairwise(found)
        if block.info[0] == "sh" and not is_for_others(block) and behind.info[0] == "text"
        if behind.line == block.line + block.text.count("\n") + 3
    ]
    servers = [block for block in found if "serves" in block.info]

    assert [place for place, is_output in beside if not is_output] == []
    assert all("output" in found[found.index(block) + 1].info for block in servers), "when is it ready?"


def test_the_reasons_for_not_running_a_block_are_few() -> None:
    reasons = Counter(reason(block) for block in blocks(*RUN) if reason(block))

    assert set(reasons) == REASONS


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_a_file_that_a_page_shows_is_used_on_it(page: Path) -> None:
    scripts = "".join(block.text for block in blocks("sh", pages=[page]) if not reason(block))

    assert [str(block) for block in whole(page) if (name := given(block, "file")) and name not in scripts] == []


@pytest.mark.parametrize("block", blocks("text"), ids=str)
def test_no_command_hides_in_a_block_of_text(block: Block) -> None:
    typed = [line for line in block.text.splitlines() if re.match(r"(\$ )?(secrets-exec|make|pip|docker) ", line)]

    assert [line for line in typed if not re.search(r"\[OPTIONS\]", line)] == []


def test_a_target_of_make_on_a_page_is_one_of_the_makefile() -> None:
    targets = set(re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = re.findall(r"^make ([\w-]+)", "".join(block.text for block in blocks("sh")), re.MULTILINE)

    assert named
    assert set(named) <= targets


# The reading of pages itself


@pytest.mark.parametrize(
    ("shown", "wrote", "holds"),
    [
        ("one\n", "one\n", True),
        ("one\n", "one", True),
        ("one\n", "one\ntwo\n", False),
        ("one ... three\n", "one two three\n", True),
        ("one ... three\n", "one\nthree\n", False),
        ("one\n...\nfour\n", "one\ntwo\nthree\nfour\n", True),
        ("a.c\n", "abc\n", False),
    ],
)
def test_three_points_stand_for_anything(shown: str, wrote: str, holds: bool) -> None:
    assert matches(shown, wrote) == holds


@pytest.mark.parametrize(
    ("info", "text"),
    [
        ("sh", "false\n"),
        ("sh exit=3", "true\n"),
        ("sh", "secrets-exec -- true | cat\n"),
        ("toml", '[secrets]\nA = "kakaocloud://not-there"\n'),
        ("toml error", '[secrets]\nA = "env://HOME"\n'),
        ("python", "raise SystemExit(1)\n"),
    ],
)
def test_a_block_that_does_not_do_what_it_says_is_noticed(info: str, text: str, session: Session) -> None:
    (session.folder / "secrets.toml").write_text("not = 'a manifest'\n")

    with pytest.raises(AssertionError, match=r"README\.md:1"):
        session.take(Block(ROOT / "README.md", 1, info.split(), text))


def test_output_that_is_not_what_a_page_shows_is_noticed(session: Session) -> None:
    session.take(Block(ROOT / "README.md", 1, ["sh"], "echo one\n"))
    session.take(Block(ROOT / "README.md", 2, ["text", "output"], "one\n"))

    with pytest.raises(AssertionError, match=r"README\.md:3"):
        session.take(Block(ROOT / "README.md", 3, ["text", "output"], "two\n"))
