"""A timeline drawn: as text for -v, as SVG and as a trace for --timings. Whole, escaped, and never in a start's way."""

from __future__ import annotations

import json
import os
import subprocess
import xml.etree.ElementTree as xml
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from launching import TRANSPORTS, Asked, Store, http, kakao_value, unused_port

from envinject.picture import as_lines, as_svg, as_trace, save
from envinject.reference import SecretRef
from envinject.timeline import KINDS, Phases, Timeline

Launch = Callable[..., "subprocess.CompletedProcess[bytes]"]

_SVG = "{http://www.w3.org/2000/svg}"


@st.composite
def timelines(draw: st.DrawFn) -> Timeline:
    """What may have happened: any number of tracks with names of any characters."""
    moment = st.floats(0, 100)
    timeline = Timeline(0.0)
    for number in range(draw(st.integers(0, 30))):
        ref = SecretRef("p", draw(st.text(max_size=60)))
        track = timeline.track("p", draw(st.sampled_from([(ref,), (ref, ref), "tokens"])))
        track.advanced(at := draw(moment))
        for _ in range(draw(st.integers(0, 2))):
            track.opened(at, "host.example.com")
            at += draw(moment)
            track.sent(at, number)
            if draw(st.booleans()):
                timeline.measured(number, Phases(at, *(at + draw(moment) for _ in range(3))))
            at += draw(moment)
            track.came(at, draw(st.sampled_from(["200", "503", "timed out"])))
            track.delayed(at + draw(moment))
        if draw(st.booleans()):
            track.ended(at + draw(moment))
    return timeline


@given(timelines())
def test_text_is_a_few_printable_lines(timeline: Timeline) -> None:
    lines = list(as_lines(timeline))

    assert len(lines) <= 22
    assert all(line.isascii() and line.isprintable() and len(line) < 140 for line in lines)
    assert all(len(line) < 80 for line in list(as_lines(timeline, 80))[1:])
    assert bool(lines) == any(track.ends is not None for track in timeline.tracks)


@given(timelines())
def test_an_svg_is_well_formed_and_has_a_row_for_each_track(timeline: Timeline) -> None:
    text = as_svg(timeline)
    root = xml.fromstring(text)

    ended = [track for track in timeline.tracks if track.ends is not None]
    assert text.isascii()
    assert all(f".{kind} {{" in text for kind in KINDS)
    assert "prefers-color-scheme: dark" in text
    names = [found for label in root.iter(f"{_SVG}text") if (found := label.find(f"{_SVG}title")) is not None]
    assert len(names) == len(KINDS) + len(ended)
    wide = float(root.attrib["width"])
    for bar in root.iter(f"{_SVG}rect"):
        assert float(bar.attrib.get("x", 0)) + float(bar.attrib["width"]) <= wide + 1


@given(timelines())
def test_a_trace_is_of_the_documented_shape_and_nested(timeline: Timeline) -> None:
    document = json.loads(as_trace(timeline))

    assert set(document) == {"traceEvents", "displayTimeUnit", "otherData"}
    tracks: dict[int, list[tuple[int, int]]] = {}
    for event in document["traceEvents"]:
        assert event["ph"] in "MXi"
        assert {"name", "pid", "tid"} <= set(event)
        if event["ph"] == "X":
            assert event["dur"] >= 0
            tracks.setdefault(event["tid"], []).append((event["ts"], event["ts"] + event["dur"]))
    for whole, *parts in tracks.values():
        assert all(whole[0] <= begins <= ends <= whole[1] for begins, ends in parts)


def test_names_are_escaped_in_a_picture() -> None:
    timeline = Timeline(0.0)
    track = timeline.track("p", (SecretRef("p", '</text><script>&"\x1b]'),))
    track.advanced(0.0)
    track.ended(1.0)
    text = as_svg(timeline)

    assert "<script" not in text
    assert r"\x1b" in text or "%1B" in text


# Launched


@pytest.fixture
def store() -> Iterator[Store]:
    """Answers with a value; the id `late` is throttled once."""
    throttled: list[bool] = []

    def answer(asked: Asked) -> bytes:
        if "/late/" in asked.target and not throttled:
            throttled.append(True)
            return http(503, b"{}")
        return kakao_value('"canary-value"')

    with Store(answer) as running:
        yield running


@pytest.fixture
def path(store: Store, manifest: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("KAKAOCLOUD_TOKEN", "canary-token")
    file = manifest(store.manifest('A = "kakaocloud://early"\nB = "kakaocloud://late"\nC = "file://x"\n'))
    (file.parent / "x").write_text("canary-value")
    return file


@pytest.fixture(params=TRANSPORTS)
def transport(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRETS_EXEC_TRANSPORT", request.param)


def _trace(path: str) -> Any:
    text = Path(path).read_text()
    assert "canary" not in text
    return json.loads(text)["traceEvents"]


@pytest.mark.usefixtures("transport")
def test_a_run_writes_the_trace_of_its_fetch_and_becomes_the_command(launch: Launch, path: Path) -> None:
    done = launch("-f", path, "--timings", "t.json", "-q", "--", "printenv", "B")
    assert (done.returncode, done.stdout, done.stderr) == (0, b"canary-value\n", b"")
    assert Path("t.json").stat().st_mode & 0o777 == 0o600

    events = _trace("t.json")
    names = {event["tid"]: event["args"]["name"] for event in events if event["name"] == "thread_name"}
    late = next(tid for tid, name in names.items() if name == "kakaocloud://late")
    assert [event["name"] for event in events if event["tid"] == late and event["ph"] == "i"] == [
        "opened",
        "sent",
        "503",
        "sent",
        "200",
    ]
    assert {"asks", "pauses"} <= {event["name"] for event in events if event["tid"] == late and event["ph"] == "X"}


@pytest.mark.parametrize("name", ["t.svg", "t.json"])
@pytest.mark.parametrize("words", [["check", "--fetch"], ["plan", "--fetch"], ["--dry-run"]], ids=" ".join)
def test_whatever_fetches_can_be_drawn(launch: Launch, path: Path, words: list[str], name: str) -> None:
    done = launch(*words, "-f", path, "--timings", name)
    assert done.returncode == 0
    assert "kakaocloud://late" in Path(name).read_text()
    assert "canary" not in Path(name).read_text()


def test_a_fetch_that_fails_is_drawn_too(launch: Launch, manifest: Callable[[str], Path]) -> None:
    file = manifest(
        f'[providers.kakaocloud]\nendpoint = "http://127.0.0.1:{unused_port()}"\n[secrets]\nA = "kakaocloud://a"\n'
    )
    environ = {"KAKAOCLOUD_TOKEN": "t"}
    done = launch("-f", file, "--timeout", "300ms", "--timings", "t.json", "--", "true", environ=environ)
    assert done.returncode == 75
    assert "unreachable" in {event["name"] for event in _trace("t.json")}


def test_an_older_picture_is_replaced_whole(launch: Launch, path: Path) -> None:
    Path("t.svg").write_text("x" * 100_000)
    assert launch("-f", path, "--timings", "t.svg", "--", "true").returncode == 0
    xml.fromstring(Path("t.svg").read_text())


@pytest.mark.parametrize("target", ["missing/t.svg", "folder.svg", "link.svg", "pipe.svg"])
def test_a_picture_that_cannot_be_written_is_a_warning(launch: Launch, literal_run: Path, target: str) -> None:
    Path("folder.svg").mkdir()
    Path("link.svg").symlink_to("elsewhere")
    os.mkfifo("pipe.svg")
    done = launch("-f", literal_run, "--timings", target, "--", "echo", "ran")
    assert (done.returncode, done.stdout) == (0, b"ran\n")
    assert b"warning: the timings cannot be written: " in done.stderr
    assert not Path("elsewhere").exists()


@pytest.fixture
def literal_run(manifest: Callable[[str], Path]) -> Path:
    return manifest('[env]\nX = "x"\n')


def test_a_file_of_another_kind_is_64(launch: Launch, literal_run: Path) -> None:
    done = launch("-f", literal_run, "--timings", "t.png", "--", "true")
    assert done.returncode == 64
    assert b"it takes a file that ends in .svg or .json" in done.stderr


@pytest.mark.parametrize("command", ["check", "plan"])
def test_without_a_fetch_there_is_nothing_to_draw(launch: Launch, literal_run: Path, command: str) -> None:
    done = launch(command, "-f", literal_run, "--timings", "t.svg")
    assert done.returncode == 0
    assert b"warning: --timings draws a fetch, and nothing is fetched" in done.stderr
    assert not Path("t.svg").exists()


def test_verbose_draws_a_line_for_each_secret(launch: Launch, path: Path) -> None:
    done = launch("-v", "-f", path, "--", "true")
    lines = [line for line in done.stderr.decode().splitlines() if "|" in line]
    assert [line.split()[1].partition("://")[0] for line in lines] == [
        "kakaocloud",
        "kakaocloud",
        "file",
        "kakaocloud:",
    ]
    assert lines[1].endswith("503, 200")


@pytest.mark.parametrize("words", [[], ["-q"], ["-v", "--log-format=json"]], ids=["normal", "quiet", "json"])
def test_nobody_else_sees_those_lines(launch: Launch, path: Path, words: list[str]) -> None:
    assert b"|" not in launch(*words, "-f", path, "--", "true").stderr


def test_a_path_that_is_none_is_told() -> None:
    assert save(Timeline(0.0), "a\0.svg") == "it is no path"
