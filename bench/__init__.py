"""Times whole launchers in turn, against a fast TLS server that answers after a set delay, and judges the budgets.

`python -m bench` writes bench/RESULTS.md and docs/bench.svg. Not a part of the installed package.
"""
