"""The exercises of chapter 6."""

from __future__ import annotations

ALL: tuple = ()
