"""The exercises of chapter 1."""

from __future__ import annotations

ALL: tuple = ()
