"""The exercises of chapter 2."""

from __future__ import annotations

ALL: tuple = ()
