"""The one base exception of the room."""


class DisclosureError(Exception):
    """An input that cannot be protected, or a release that would not be safe.

    Messages name the dimension and the code and how to mend it; they never contain a count.
    """


class OtherLayoutError(DisclosureError):
    """Noisy answers of other cells than those they are read as: other leaves, areas or rows that can exist."""
