"""The command line: what it prints, and the status it returns."""

from __future__ import annotations

import pytest

import nndl
from nndl import cli
from nndl.data import cifar10, shapes


@pytest.fixture(autouse=True)
def own_folders(tmp_path, monkeypatch):
    monkeypatch.setenv("NNDL_CACHE", str(tmp_path))
    monkeypatch.delenv("NNDL_DATA", raising=False)


def test_version_prints_the_packages_version(monkeypatch, capsys):
    monkeypatch.setitem(vars(nndl), "__version__", "1.2.3")
    with pytest.raises(SystemExit) as stop:
        cli.main(["--version"])
    assert stop.value.code == 0
    assert capsys.readouterr().out == "nndl 1.2.3\n"


def test_list_says_what_is_absent_and_how_to_get_it(capsys):
    assert cli.main(["data", "list"]) == 0
    first, second = capsys.readouterr().out.splitlines()
    assert first.split(maxsplit=3) == [
        "shapes",
        "12,000",
        "images",
        "drawn when first used",
    ]
    assert second.split(maxsplit=3) == [
        "cifar10",
        "60,000",
        "images",
        "absent: nndl data fetch cifar10",
    ]


def test_list_says_where_the_data_are(tmp_path, capsys):
    drawn = tmp_path / f"shapes-{shapes.SHA256[:12]}.bin"
    drawn.touch()
    batches = tmp_path / "cifar-10-batches-bin"
    batches.mkdir()
    (batches / "test_batch.bin").touch()
    assert cli.main(["data", "list"]) == 0
    first, second = capsys.readouterr().out.splitlines()
    assert first.endswith(f"  {drawn}")
    assert second.endswith(f"  {batches}")


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ([], (None, cifar10.OFFICIAL_URL)),
        (["--mirror", "http://mirror/a"], (None, "http://mirror/a")),
        (["--folder", "there"], ("there", cifar10.OFFICIAL_URL)),
    ],
)
def test_fetch_hands_its_options_on(monkeypatch, arguments, expected):
    calls = []
    monkeypatch.setattr(
        cifar10, "fetch", lambda folder, url: calls.append((folder, url))
    )
    assert cli.main(["data", "fetch", "cifar10", *arguments]) == 0
    assert calls == [expected]


@pytest.mark.parametrize("error", [ValueError, OSError])
def test_an_error_is_one_line_on_stderr_and_status_1(monkeypatch, capsys, error):
    def fail(folder, url):
        raise error("the archive\nis damaged")

    monkeypatch.setattr(cifar10, "fetch", fail)
    assert cli.main(["data", "fetch", "cifar10"]) == 1
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err == "nndl: the archive is damaged\n"


def test_an_interrupted_fetch_is_one_line_and_status_1(monkeypatch, capsys):
    def interrupt(folder, url):
        raise KeyboardInterrupt

    monkeypatch.setattr(cifar10, "fetch", interrupt)
    assert cli.main(["data", "fetch", "cifar10"]) == 1
    assert capsys.readouterr().err == "nndl: interrupted\n"


@pytest.mark.parametrize(
    "arguments", [[], ["data"], ["data", "fetch", "mnist"], ["nonsense"]]
)
def test_wrong_usage_has_status_2(arguments, capsys):
    with pytest.raises(SystemExit) as stop:
        cli.main(arguments)
    assert stop.value.code == 2
    assert "usage: nndl" in capsys.readouterr().err
