"""Stands for psutil's part in C, which is built into the one file: where a module of a package cannot be."""

import sys

import _psutil_linux

sys.modules[__name__] = _psutil_linux
