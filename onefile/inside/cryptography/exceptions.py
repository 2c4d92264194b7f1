"""What may go wrong."""


class InvalidTag(Exception):
    """What was sealed does not open: another key, or it was changed."""
