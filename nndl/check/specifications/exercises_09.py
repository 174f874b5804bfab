"""The exercises of chapter 9."""

from __future__ import annotations

ALL: tuple = ()
