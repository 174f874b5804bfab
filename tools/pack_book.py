"""Packs the built book into one zip file, to be read without a network.

python tools/pack_book.py [--html _build/html] [--out _build/forward-and-backward-html.zip]
"""

from __future__ import annotations

import argparse
import sys
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
FOLDER = "forward-and-backward"  # what unzipping makes
ABOUT = """Forward and Backward: Neural networks that run

Open index.html in a browser. Everything is here: no page asks for anything from a network.
"""
NOT_THESE = {".buildinfo", "objects.inv"}  # for tools, not for readers
LONG_AGO = (
    2000,
    1,
    1,
    0,
    0,
    0,
)  # for every file, so that the same book packs to the same bytes


def pack(html: Path, out: Path) -> int:
    """Write the zip file; return how many files are in it."""
    files = sorted(
        path
        for path in html.rglob("*")
        if path.is_file() and path.name not in NOT_THESE
    )
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for name, content in [
            ("README.txt", ABOUT.encode()),
            *((path.relative_to(html).as_posix(), path.read_bytes()) for path in files),
        ]:
            entry = zipfile.ZipInfo(f"{FOLDER}/{name}", LONG_AGO)
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.external_attr = 0o644 << 16
            archive.writestr(entry, content)
    return len(files) + 1


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--html", type=Path, default=ROOT / "_build" / "html")
    parser.add_argument(
        "--out", type=Path, default=ROOT / "_build" / f"{FOLDER}-html.zip"
    )
    options = parser.parse_args(arguments)
    if not (options.html / "index.html").is_file():
        sys.exit(f"There is no built book in {options.html}: run `make book` first.")
    count = pack(options.html, options.out)
    size = options.out.stat().st_size / 1e6
    print(f"{count} files, {size:.1f} MB: {options.out}")


if __name__ == "__main__":
    main()
