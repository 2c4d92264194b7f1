"""The command line: words in, words out. It decides nothing."""

VERSION_FLAGS = ("-V", "--version")

PARENTAL = ("supervise", "grace", "forward", "pdeathsig", "notify", "mask", "watch")
"""The options that keep us as the command's parent."""
