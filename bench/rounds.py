"""Programs in turn, round after round, so that a busy machine is busy for all of them.

`python -m bench.rounds FILE` does so for the programs of a file, and prints the times: for a place that only another
process can be in (see bare.py).
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

from .figures import Times
from .processes import Failed, Program, check, timed

FEWEST, MOST = 5, 30
_SLOW, _VERY_SLOW = 4.0, 12.0

Results = Mapping[str, Times]
"""The times of each program, by its name."""


def measure(
    programs: Sequence[Program], seconds: float, complain: Callable[[str], None], fewest: int = FEWEST
) -> Results:
    """Check every program once, then time them in turn for about so long. What fails the check is left out, and told.

    Raises: Failed when a program that passed the check fails later.
    """
    lasted: dict[str, float] = {}
    for program in programs:
        try:
            lasted[program.name] = check(program)
        except Failed as error:
            complain(str(error))
    working = [program for program in programs if program.name in lasted]
    times: dict[str, dict[int, float]] = {program.name: {} for program in working}
    rounds = plan(lasted, seconds, fewest)
    for number in range(_end(rounds)):
        for program in working:
            if number in rounds[program.name]:
                times[program.name][number] = timed(program)
    return times


def plan(lasted: Mapping[str, float], seconds: float, fewest: int = FEWEST) -> Mapping[str, Sequence[int]]:
    """In which rounds each program runs: in all of them, but for the slow ones, which take part in a few."""
    quick = sum(took for took in lasted.values() if took < _SLOW)
    rounds = max(fewest, min(MOST, int(seconds / quick) if quick else fewest))
    return {name: _spread(rounds, _turns(took, rounds, fewest)) for name, took in lasted.items()}


def _end(rounds: Mapping[str, Sequence[int]]) -> int:
    """The number of rounds that anybody takes part in."""
    return max((numbers[-1] + 1 for numbers in rounds.values()), default=0)


def _turns(took: float, rounds: int, fewest: int) -> int:
    if took < _SLOW:
        return rounds
    return (fewest + 1) // 2 if took < _VERY_SLOW else fewest // 2


def _spread(rounds: int, turns: int) -> list[int]:
    return [turn * rounds // turns for turn in range(turns)]


def write_job(path: Path, programs: Sequence[Program], seconds: float) -> None:
    """Write what `python -m bench.rounds` is to do."""
    path.write_text(json.dumps({"programs": [asdict(program) for program in programs], "seconds": seconds}))


def read_times(text: str) -> tuple[Results, list[str]]:
    """What it printed: times, and complaints."""
    told = json.loads(text)
    times = {name: {int(number): took for number, took in found.items()} for name, found in told["times"].items()}
    return times, told["complaints"]


def main(words: Sequence[str]) -> int:
    """Do the job of a file, and print the times."""
    job, complaints = json.loads(Path(words[0]).read_text()), list[str]()
    programs = [Program(**{**given, "words": tuple(given["words"])}) for given in job["programs"]]
    print(json.dumps({"times": measure(programs, job["seconds"], complaints.append), "complaints": complaints}))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
