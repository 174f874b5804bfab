"""Says in one sentence what a machine lacks to build nndl, before anything is installed.

Written so that any Python, also version 2, can read it.
"""

import os
import sys

NEEDED = (3, 11)


def main():
    if sys.version_info < NEEDED:
        sys.exit(
            "nndl needs Python %d.%d or newer, but %s is Python %d.%d: name a newer one with "
            "make PYTHON=..."
            % (NEEDED + (sys.executable,) + tuple(sys.version_info[:2]))
        )
    check_venv()
    check_compiler()


def check_venv():
    try:
        import ensurepip  # noqa: F401
        import venv  # noqa: F401
    except ImportError:
        sys.exit(
            "nndl needs Python's venv module, which %s lacks: on Debian or Ubuntu, install the "
            "package python3-venv." % sys.executable
        )


def check_compiler():
    import shlex
    import shutil
    import subprocess
    import sysconfig
    import tempfile

    wish = shlex.split(os.environ.get("CC", ""))
    found = [[path] for path in map(shutil.which, ["cc", "gcc", "clang"]) if path]
    compiler = wish or (found and found[0])
    if not compiler or not shutil.which(compiler[0]):
        sys.exit(
            "nndl needs a C compiler, and found no %s: install one, for example the package gcc on "
            "Linux, or the command line tools on macOS (xcode-select --install)."
            % (" ".join(wish) or "cc, gcc or clang")
        )
    with tempfile.TemporaryDirectory() as folder:
        source = os.path.join(folder, "probe.c")
        with open(source, "w") as file:
            file.write("#include <stdio.h>\nint main(void) { return 0; }\n")
        if failed(subprocess, compiler + [source, "-o", os.path.join(folder, "probe")]):
            sys.exit(
                "nndl needs a C compiler, but %s cannot compile a small program: on Debian or Ubuntu, "
                "install the packages gcc and libc6-dev." % " ".join(compiler)
            )
    header = os.path.join(sysconfig.get_path("include"), "Python.h")
    if not os.path.exists(header):
        sys.exit(
            "nndl needs Python's C header files, and found no %s: on Debian or Ubuntu, install the "
            "package python3-dev." % header
        )


def failed(subprocess, command):
    return subprocess.run(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ).returncode


if __name__ == "__main__":
    main()
