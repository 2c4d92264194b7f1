"""The same tests over tini, dumb-init, catatonit and ours, side by side, with real processes and terminals.

`python -m inits` prints the table. Not a part of the installed package.
"""
