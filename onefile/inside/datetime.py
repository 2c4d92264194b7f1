"""Stands in for the module that has all of `_datetime` once more in Python, which takes a millisecond to load."""

from _datetime import *  # noqa: F403  # all of it is what the module is for
