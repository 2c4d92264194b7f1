"""Inputs made by chance, for everything that reads what others wrote. See README.md here.

A target is a module with `try_one(data)`, which raises whatever is a finding. Not a part of the installed package.
"""
