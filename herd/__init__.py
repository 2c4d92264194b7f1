"""What happens when very many launchers start at once: simulated with the real engine, and tried with real processes.

`python -m herd` prints both. Not a part of the installed package.
"""
