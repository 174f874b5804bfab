"""The exercises of chapter 4."""

from __future__ import annotations

ALL: tuple = ()
