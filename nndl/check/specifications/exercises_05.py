"""The exercises of chapter 5."""

from __future__ import annotations

ALL: tuple = ()
