"""The benchmark: its arithmetic, its verdicts, its plot and page, the naive launcher. Nothing here judges a time."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tomllib
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from launching import Asked, Store, http, kakao_value

from bench import bare, build, costs, launchers, page, peers, rounds
from bench.budgets import Budget, Measured, cell, judge, table
from bench.budgets import bare as bare_cell
from bench.clouds import CLOUDS, CREDENTIALS, HTTP_1, KAKAOCLOUD, NCLOUD, Server
from bench.figures import figure, pairs, quantile, ratio
from bench.launchers import GO, NAIVE, ONE_FILE, OURS, PASS, Built, Clouds, Locals, values, variables
from bench.plot import HEIGHT, WIDTH, Line, plot
from bench.processes import Failed, Program, check, timed
from bench.run import GROWTH, LOCAL_PEERS, Bench, How
from envinject.emulator import Emulator, parse_seed

ROOT = Path(__file__).parents[1]
NAIVE_SCRIPT = ROOT / "bench" / "naive.py"


# Figures


def test_a_figure_is_the_median_with_its_quartiles() -> None:
    found = figure([5.0, 1.0, 3.0, 2.0, 4.0])
    assert (found.median, found.low, found.high, found.count) == (3.0, 2.0, 4.0, 5)


def test_no_values_have_no_figure() -> None:
    with pytest.raises(ValueError, match="no values"):
        figure([])


@given(st.lists(st.floats(0.001, 1000), min_size=1))
def test_quartiles_lie_around_the_median(some: list[float]) -> None:
    found = figure(some)
    assert min(some) <= found.low <= found.median <= found.high <= max(some)


def test_a_quantile_between_two_values_is_in_proportion() -> None:
    assert quantile([10.0, 20.0], 0.25) == 12.5


def test_a_ratio_is_that_of_the_medians_and_pairs_are_of_the_same_round() -> None:
    ours, theirs = {0: 1.0, 1: 2.0, 2: 30.0}, {0: 10.0, 2: 100.0}
    assert ratio(ours, theirs) == 2.0 / 55.0
    found = pairs(ours, theirs)
    assert (found.median, found.count) == (pytest.approx(0.2), 2)


# Rounds


@pytest.mark.parametrize(
    ("seconds", "took", "turns"),
    [(10, 1.0, 10), (10, 0.001, rounds.MOST), (0.1, 1.0, rounds.FEWEST), (10, 5.0, 3), (10, 20.0, 2)],
)
def test_a_program_has_as_many_turns_as_there_is_time_for(seconds: float, took: float, turns: int) -> None:
    assert len(rounds.plan({"a": took}, seconds)["a"]) == turns


def test_slow_programs_take_turns_among_the_others() -> None:
    plan = rounds.plan({"quick": 1.0, "slow": 6.0}, 9)
    assert list(plan["quick"]) == list(range(9))
    assert list(plan["slow"]) == [0, 3, 6]


def program(name: str, script: str, **how: Any) -> Program:
    return Program(name, ("/bin/sh", "-c", script, "sh"), {"PATH": os.defpath}, **how)


LAUNCHER = 'A=1 exec "$@"'


def test_a_program_that_fails_its_check_is_left_out_and_told() -> None:
    told: list[str] = []
    forgetful = program("forgetful", 'exec "$@"', expects={"A": "1"})
    failing = program("failing", "echo no luck >&2; exit 3")
    gone = Program("gone", ("/nowhere/program",))
    times = rounds.measure([program("good", LAUNCHER, expects={"A": "1"}), forgetful, failing, gone], 0.1, told.append)
    assert list(times) == ["good"]
    assert len(times["good"]) >= rounds.FEWEST
    assert told == [
        "forgetful: 1 of 1 variables are missing, one is A",
        "failing: exit code 3: no luck",
        "gone: FileNotFoundError",
    ]


def test_a_program_that_fails_later_stops_the_cell() -> None:
    with pytest.raises(Failed, match="exit code 4: later"):
        timed(program("late", "echo later >&2; exit 4"))


def test_a_job_for_another_process_comes_back_as_times(tmp_path: Path) -> None:
    job = tmp_path / "job.json"
    rounds.write_job(job, [program("one", LAUNCHER, expects={"A": "1"}), program("none", "exit 1")], 0.1)
    done = subprocess.run([sys.executable, "-m", "bench.rounds", job], cwd=ROOT, capture_output=True, text=True)
    times, complaints = rounds.read_times(done.stdout)
    assert (list(times), complaints) == (["one"], ["none: exit code 1: it says nothing"])
    assert 0 in times["one"]


# Budgets


def judged(measured: float | None) -> tuple[bool | None, str]:
    (verdict,) = judge(Measured(), [Budget("work", 2.0, PASS, lambda _: measured)])
    return verdict.holds, verdict.word


def test_a_budget_holds_up_to_its_limit_and_not_above() -> None:
    assert judged(2.0) == (True, "holds")
    assert judged(3.0) == (False, "no: 1.50 times the budget")
    assert judged(None) == (None, "not measured")


def test_a_ratio_needs_both_programs() -> None:
    measured = Measured({"cell": {OURS: {0: 3.0}, PASS: {0: 2.0}, GO: {}}})
    assert measured.ratio("cell", OURS, PASS) == 1.5
    assert measured.ratio("cell", OURS, GO) is None
    assert measured.ratio("other", OURS, PASS) is None


def everything(*, quick: bool = False) -> Bench:
    """A run in which every program took as long as its name is."""
    bench = Bench(How(1.0, quick=quick), Path("unused"), lambda _: None)
    names = [name for name, _, _ in bench._cells()]
    assert quick or LOCAL_PEERS in names
    programs = [value for name, value in vars(launchers).items() if name.isupper() and isinstance(value, str)]
    took = {each: {number: len(each) / 1000 + number / 1e5 for number in range(5)} for each in programs}
    bench.measured.cells = dict.fromkeys((*names, *map(bare_cell, CLOUDS), GROWTH), took)
    bench.measured.values = dict.fromkeys(("instructions", "expansion, CPU", "expansion, memory", "resident"), 1.0)
    bench.measured.values["growth"] = 1.0
    return bench


@pytest.mark.parametrize("quick", [False, True])
def test_every_budget_is_about_what_a_run_measures(quick: bool) -> None:
    verdicts = judge(everything(quick=quick).measured, table(quick=quick))
    assert [each.budget for each in verdicts if each.measured is None] == []
    assert len({(each.budget.work, each.budget.unit) for each in verdicts}) == len(verdicts)


# Page and plot


def test_the_page_has_figures_verdicts_and_what_did_not_run() -> None:
    bench = everything()
    bench.measured.missing.append("vault-cli could not be installed: `pip install vault-cli`: no such thing")
    bench.extras.instructions = {PASS: 38_000_000, OURS: 76_000_000}
    bench.extras.peaks = {PASS: [9.0], OURS: [20.0, 30.0]}
    verdicts = judge(bench.measured, table())
    text = page.page(bench, {"kernel": "Linux 6"}, verdicts, "2026-11-25")
    assert "| kernel | Linux 6 |" in text
    assert page.tally(verdicts) in text
    assert "| secrets-exec | 12.0 (12.0-12.0) |" in text
    assert f"| {OURS} | 76 | 2.00 |" in text
    assert f"| {PASS} | 9.0 | - |" in text
    assert "- vault-cli could not be installed" in text
    assert str(ROOT) not in text
    rows = [line.count("|") for line in text.splitlines() if line.startswith("|")]
    assert 0 not in rows


def test_the_page_names_no_place_of_this_machine() -> None:
    said = "x: exit code 1: ENOENT /home/me/x, see https://example.com; npm install @dotenvx/dotenvx"
    assert page.without_places(said) == "x: exit code 1: ENOENT ... see ... npm install @dotenvx/dotenvx"


def test_every_row_of_a_table_has_as_many_cells_as_its_heading() -> None:
    bench = everything()
    bench.extras.peaks = {PASS: [9.0], OURS: [20.0, 30.0]}
    text = page.page(bench, {"kernel": "Linux 6"}, judge(bench.measured, table()), "2026-11-25")
    tables = [part.splitlines() for part in text.split("\n\n") if part.startswith("|")]
    assert len(tables) > 10
    for lines in tables:
        assert len({line.count("|") for line in lines}) == 1, lines[0]


def test_the_budgets_on_a_terminal_stand_in_columns() -> None:
    verdicts = judge(Measured(), [Budget("a", 2.0, PASS, lambda _: 1.0), Budget("longer", 0.5, "x", lambda _: None)])
    assert page.verdict_lines(verdicts) == [
        "work    measured  at most  of",
        "a       1         2        python -c pass  holds",
        "longer  -         0.5      x               not measured",
    ]
    assert page.tally(verdicts) == "1 of 2 budgets hold, 0 do not, 1 were not measured."


def test_the_plot_has_a_line_for_each_launcher_of_the_plotted_cells() -> None:
    bench = everything()
    at = bench.measured.cells[cell(KAKAOCLOUD, 10, 20)]
    bench.measured.cells[cell(KAKAOCLOUD, 10, 20)] = {**at, "vault-cli": {0: 0.5}}
    drawn = page.picture(bench.measured)
    assert drawn is not None
    assert all(f">{name}<" in drawn for name in (OURS, NAIVE, GO, "vault-cli"))
    assert f">{PASS}<" not in drawn
    assert page.picture(Measured()) is None


SVG = "{http://www.w3.org/2000/svg}"


def places(drawn: str) -> Iterator[tuple[float, float]]:
    for line in ElementTree.fromstring(drawn).iter(f"{SVG}polyline"):
        for point in line.attrib["points"].split():
            x, y = map(float, point.split(","))
            yield x, y


@given(st.lists(st.floats(0.01, 1e6), min_size=1, max_size=5))
def test_a_plot_is_well_formed_and_within_its_frame(heights: list[float]) -> None:
    line = Line("one", [(10.0**step, height) for step, height in enumerate(heights)])
    assert all(0 <= x <= WIDTH and 0 <= y <= HEIGHT for x, y in places(plot("t", "a", "b", [line])))


def test_the_names_of_lines_that_end_together_are_kept_apart() -> None:
    lines = [Line(f"line {number}", [(1.0, 10.0), (10.0, 50.0)]) for number in range(4)]
    root = ElementTree.fromstring(plot("t", "a", "b", lines))
    heights = [float(text.attrib["y"]) for text in root.iter(f"{SVG}text") if "style" in text.attrib]
    assert len(heights) == 4
    assert min(b - a for a, b in zip(sorted(heights), sorted(heights)[1:], strict=False)) >= 14


def test_what_a_plot_says_cannot_break_it() -> None:
    root = ElementTree.fromstring(plot('a <b> & "c"', "<", "&", [Line("<x>", [(1.0, 1.0)])]))
    assert root.attrib["aria-label"] == 'a <b> & "c"'


def test_nothing_cannot_be_drawn() -> None:
    with pytest.raises(ValueError, match="nothing to draw"):
        plot("t", "a", "b", [Line("empty", [])])


# The naive launcher


def naive(manifest: object, folder: Path, *command: str) -> subprocess.CompletedProcess[str]:
    path = folder / "plain.json"
    path.write_text(json.dumps(manifest))
    words = [sys.executable, NAIVE_SCRIPT, path, *command]
    return subprocess.run(words, env=os.environ | CREDENTIALS, capture_output=True, text=True, timeout=60)


def test_the_naive_launcher_signs_for_naver_cloud(tmp_path: Path) -> None:
    keys = {"name": "bench", "access_key": "fake-access-key", "secret_key": "fake-secret-key"}
    secrets = [{"id": "s1", "active": "fake-one"}]
    with Emulator(parse_seed({"ncloud": {"credentials": [keys], "secrets": secrets}})) as emulator:
        manifest = {"cloud": NCLOUD, "endpoint": emulator.url, "ca": "unused", "secrets": {"ONE": "s1"}}
        done = naive(manifest, tmp_path, "printenv", "ONE")
    assert (done.stdout, done.returncode) == ("fake-one\n", 0), done.stderr


def test_the_naive_launcher_exchanges_its_key_for_a_token_of_kakaocloud(tmp_path: Path) -> None:
    def answer(asked: Asked) -> bytes:
        if asked.method == "POST":
            identity = json.loads(asked.body)["auth"]["identity"]
            assert identity["application_credential"] == {"id": "fake-access-key", "secret": "fake-secret-key"}
            return http(201, b"{}", "X-Subject-Token: fake-token")
        return kakao_value('"fake"') if asked.headers["x-auth-token"] == "fake-token" else http(401)

    with Store(answer) as store:
        secrets = {"ONE": "s1", "TWO": "s2"}
        manifest = {"cloud": KAKAOCLOUD, "endpoint": store.url, "ca": "unused", "secrets": secrets}
        done = naive(manifest, tmp_path, "printenv", "ONE", "TWO")
    assert (done.stdout, done.returncode) == ("fake\nfake\n", 0), done.stderr
    assert len(store.requests) == 3


def test_the_naive_launcher_starts_nothing_without_its_secrets(tmp_path: Path) -> None:
    with Store(lambda _: http(500)) as store:
        manifest = {"cloud": NCLOUD, "endpoint": store.url, "ca": "unused", "secrets": {"ONE": "s1"}}
        done = naive(manifest, tmp_path, "echo", "started")
    assert (done.stdout, done.returncode) == ("", 1)


# Costs


def test_callgrind_tells_a_total_or_nothing() -> None:
    assert costs.counted("part: 1\nsummary: 12\ntotals: 34\n") == 34
    assert costs.counted("") == 0


@pytest.mark.skipif(not costs.can_count(), reason="valgrind is not installed")
@pytest.mark.slow
def test_instructions_are_those_before_the_exec() -> None:
    direct = costs.instructions(Program("true", ("/bin/true",), is_launcher=False))
    launched = costs.instructions(program("sh", ': "$((1 + 1))"; exec "$@"'))
    assert direct > 0
    assert launched > 0


@pytest.mark.skipif(sys.platform != "linux", reason="Linux tells it in /proc")
def test_what_a_process_had_before_its_exec_counts_as_its_memory() -> None:
    large = "import os, sys; x = b'x' * (64 << 20); os.execv(sys.argv[1], sys.argv[1:])"
    spent = costs.peak(Program("large", (sys.executable, "-I", "-S", "-c", large)), sys.executable)
    assert 64 < spent < 100
    with pytest.raises(Failed, match="exit code 1"):
        costs.peak(Program("bad", ("/bin/false",), is_launcher=False), sys.executable)


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="Linux tells it in /proc")
def test_a_process_that_waits_is_looked_at_and_ended() -> None:
    rss, pss = costs.resident(costs.waiting(sys.executable), {})
    assert 1 < pss <= rss < 50


@pytest.mark.slow
def test_expansion_is_measured_in_a_process_of_its_own() -> None:
    (told,) = costs.expansion(sys.executable, 1)
    assert told["cpu"] > 0
    assert told["memory"] >= 0


# What is built


def test_a_step_that_fails_is_told_with_its_command_and_without_addresses() -> None:
    script = "echo 'warning: x'; echo 'ERROR: nothing at https://example.com/simple/x here' >&2; exit 1"
    with pytest.raises(build.Missing) as caught:
        build.call(["sh", "-c", script], shown="pip install x")
    assert str(caught.value) == "`pip install x`: ERROR: nothing at ... here"


def test_a_program_that_is_not_there_is_told() -> None:
    with pytest.raises(build.Missing, match="`npm install x`: No such file or directory"):
        build.call(["/nowhere/npm"], shown="npm install x")


def test_what_was_built_is_built_again_when_its_sources_change(tmp_path: Path) -> None:
    source = tmp_path / "main.go"
    source.write_text("one")
    first = build.digest_of([source])
    build.mark(tmp_path, first)
    assert build.is_current(tmp_path, build.digest_of([source]))
    source.write_text("two")
    assert not build.is_current(tmp_path, build.digest_of([source]))


def test_the_launchers_environment_has_no_setting_of_the_interpreter() -> None:
    assert sorted(build.environ()) == ["HOME", "LANG", "PATH"]


def test_a_program_out_of_the_copy_has_the_same_words(tmp_path: Path) -> None:
    built = Built(Path("/tool/bin"), Path("/server"), Path("/limit"))
    moved = bare.moved(Program("x", ("/tool/bin/secrets-exec", "-f", "m.toml", "--")), built, tmp_path)
    assert moved.words == (str(tmp_path / "bin" / "secrets-exec"), "-f", "m.toml", "--")
    interpreter = Path(bare.moved(launchers.bare_python(built.python), built, tmp_path).words[0])
    assert interpreter.parent == tmp_path / "bin"
    assert interpreter.name.startswith("python3.")


def test_nothing_can_be_written_where_there_is_no_bytecode(tmp_path: Path) -> None:
    script = f"touch {tmp_path}/new 2>&-; echo $?"
    try:
        command = bare.read_only(tmp_path, ["sh", "-c", script])
    except bare.Skipped as why:
        pytest.skip(str(why))
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout == "1\n"
    (tmp_path / "new").touch()  # out here nothing has changed


def test_a_manifest_in_toml_says_what_was_meant() -> None:
    meant = {"providers": {"a": {"endpoint": "x", "ca_bundle": "y"}}, "secrets": {"S0": "a://S0"}}
    assert tomllib.loads(launchers._toml(meant)) == meant


def test_every_peer_says_what_it_is_and_has_words(tmp_path: Path) -> None:
    work = peers.Work(tmp_path, variables(3), "https://127.0.0.1:1", "ca.pem", "locals.env", "files")
    for peer in (*peers.WITH_VAULT, *peers.WITH_FILES):
        assert peer.about
        assert peer.registry in (peers.PYPI, peers.NPM)
        assert Path(peer.words(tmp_path, work)[0]).parent == tmp_path


# The whole, with the Go programs


@pytest.fixture
def built(tmp_path: Path) -> Built:
    """The Go programs, and this environment's own launcher instead of an installed one."""
    if not build.has_go():
        pytest.skip("the Go toolchain is not there; make bench installs it")
    tool = tmp_path / "tool"
    tool.mkdir()
    python = Path(sys.executable)
    build.write_script(tool / "secrets-exec", python, f"import sys\nsys.path[0] = {str(ROOT)!r}\n" + _LAUNCHER)
    build.write_script(
        tool / "naive", python, f"import runpy\nrunpy.run_path({str(NAIVE_SCRIPT)!r}, None, '__main__')\n"
    )
    (tool / "python").write_text(f'#!/bin/sh\nexec {python} "$@"\n')
    (tool / "python").chmod(0o755)
    return Built(tool, build.go("server"), build.go("limit"))


_LAUNCHER = "from envinject.__main__ import main\nmain()\n"


@pytest.mark.slow
@pytest.mark.parametrize("cloud", CLOUDS)
def test_all_launchers_do_the_same_work(built: Built, cloud: str, tmp_path: Path) -> None:
    with Server(built.server, tmp_path, 0) as server:
        at = Clouds(built, server)
        programs = [at.ours(cloud, 3), at.ours(cloud, 3, HTTP_1), at.naive(cloud, 3)]
        programs += [at.limit(cloud, 3), at.limit(cloud, 3, HTTP_1), at.limit(cloud, 3, HTTP_1, fresh=True)]
        for each in programs:
            before = server.requests()
            check(each)
            assert server.requests() - before == (4 if cloud == KAKAOCLOUD else 3), each.name
        assert at.load(cloud, 256) > 0
        assert server.cpu() > 0


@pytest.mark.slow
@pytest.mark.parametrize("cloud", CLOUDS)
def test_the_server_refuses_whoever_has_another_key(built: Built, cloud: str, tmp_path: Path) -> None:
    wrong = {name: "fake-other" for name in CREDENTIALS if "SECRET" in name}
    with Server(built.server, tmp_path, 0) as server:
        at = Clouds(built, server)
        for each in (at.limit(cloud, 1), at.ours(cloud, 1)):
            with pytest.raises(Failed, match="exit code"):
                check(Program(each.name, each.words, {**each.environ, **wrong}))


@pytest.mark.slow
def test_the_server_ends_with_whoever_started_it(built: Built, tmp_path: Path) -> None:
    with Server(built.server, tmp_path, 0) as server:
        pid = server._process.pid
    assert server._process.returncode == 0
    assert not Path(f"/proc/{pid}").exists()


@pytest.mark.slow
def test_local_work_arrives(built: Built, tmp_path: Path) -> None:
    local = Locals(built, tmp_path)
    for kind in ("literals", "env", "file", "dotenv"):
        check(local.work(kind))
    assert local.work("env").expects == values(variables(launchers.LOCALS))


@pytest.mark.slow
def test_a_small_run_is_measured_judged_and_told(built: Built, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(build, "tool", lambda: built.tool)  # the real one asks a registry
    told: list[str] = []
    bench = Bench(How(0.1, quick=True, only="ncloud 1 @"), tmp_path / "run", told.append)
    (tmp_path / "run").mkdir()
    bench.run()
    assert bench.measured.missing == []
    name = cell(NCLOUD, 1, 0)
    assert set(bench.measured.cells) == {name}
    assert set(bench.measured.cells[name]) - {ONE_FILE} == {OURS, NAIVE, GO, PASS}
    known = [each for each in judge(bench.measured, table(quick=True)) if each.measured]
    assert [each.budget.unit for each in known] == [PASS, NAIVE]
