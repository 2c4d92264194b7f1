"""Fetch secrets in parallel, put them in an environment, become the command."""

__version__ = "0.1.0"
