"""Manifests that are begun for somebody: names and references are carried over, a value never is."""
