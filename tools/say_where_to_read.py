"""Prints the address of the built book, and how to serve it to other devices."""

from pathlib import Path

index = (Path(__file__).resolve().parent.parent / "_build/html/index.html").as_uri()
print(f"""
The book is ready. Open it in a browser:

    {index}

or serve it, for example to a phone in the same network, at port 8000 of this machine:

    .venv/bin/python -m http.server 8000 --directory _build/html
""")
