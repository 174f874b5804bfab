"""Makes `pytest` work from any folder: the path of the nbval settings is made
absolute."""

from __future__ import annotations

import pytest


def pytest_configure(config: pytest.Config) -> None:
    if config.option.nbval_sanitize_with:
        config.option.nbval_sanitize_with = (
            config.rootpath / config.option.nbval_sanitize_with
        )
