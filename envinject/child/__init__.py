"""The command: found, started in our place. Knows nothing of secrets: an argv and a mapping go in."""
