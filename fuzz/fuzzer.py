"""The process in which libFuzzer runs one target: `python -m fuzz.fuzzer TARGET [FLAGS] CORPUS...`."""

from __future__ import annotations

import importlib
import sys

import atheris


def main() -> None:
    """Does not come back: libFuzzer ends the process."""
    name, *flags = sys.argv[1:]
    with atheris.instrument_imports(include=["envinject"]):
        target = importlib.import_module(f"fuzz.{name}")
    atheris.Setup([name, *flags], target.try_one)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
