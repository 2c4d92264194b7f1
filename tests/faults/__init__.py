"""Hostile servers, and what the launcher does about them."""
