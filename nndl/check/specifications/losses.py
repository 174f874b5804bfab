"""To be written."""

ALL = ()
