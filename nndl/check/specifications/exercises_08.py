"""The exercises of chapter 8."""

from __future__ import annotations

ALL: tuple = ()
