"""Runs real clients against the examples.

    python tests/clients/run.py [--binaries FOLDER] [--long] [WORD...]

It needs the examples built (`cargo build --release --examples`), Tornado and websockets from PyPI,
and of Debian what `.ci/run` installs. With words, only the tests run whose name has one of them.

A test is a function `test_...` of a module `test_...` beside this file, plain or async. It passes
when it returns; after TEST_SECONDS_MAX it fails. Servers and browsers are started by the tests
(`server.py`, `chromium.py`) and are gone when they end. What takes minutes is called `long_...`, and
runs with `--long`, instead of the others.
"""

import argparse
import asyncio
import importlib
import inspect
import signal
import sys
import time
import traceback
from pathlib import Path

import server
from server import ROOT

HERE = Path(__file__).resolve().parent

# Each takes well under a second, the browser's a few; what takes this long waits for something that
# will not come.
TEST_SECONDS_MAX = 60
LONG_SECONDS_MAX = 3600


def main():
    parser = argparse.ArgumentParser(description="Real clients against the examples.")
    parser.add_argument("--binaries", type=Path, default=ROOT / "target/release/examples")
    parser.add_argument("--artefacts", type=Path, default=ROOT / "target/test-artefacts")
    parser.add_argument("--long", action="store_true")
    parser.add_argument("words", nargs="*")
    arguments = parser.parse_args()

    server.binaries = arguments.binaries.resolve()
    server.artefacts = arguments.artefacts.resolve()
    server.artefacts.mkdir(parents=True, exist_ok=True)
    signal.signal(signal.SIGALRM, time_is_up)
    # As an exception, so that servers and browsers are ended on the way out.
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))

    tests = [
        (name, test)
        for name, test in all_tests("long_" if arguments.long else "test_")
        if not arguments.words or any(word in name for word in arguments.words)
    ]
    print(f"running {len(tests)} tests", flush=True)
    seconds_max = LONG_SECONDS_MAX if arguments.long else TEST_SECONDS_MAX
    failures = [name for name, test in tests if not passes(name, test, seconds_max)]
    for name in failures:
        print(f"failed: {name}")
    print(f"{len(tests) - len(failures)} passed, {len(failures)} failed", flush=True)
    return 1 if failures or not tests else 0


def all_tests(prefix):
    """Name and function of each test, in the order they are written."""
    for path in sorted(HERE.glob("test_*.py")):
        module = importlib.import_module(path.stem)
        for name, test in vars(module).items():
            if name.startswith(prefix) and inspect.isfunction(test):
                yield f"{path.stem}::{name}", test


def passes(name, test, seconds_max):
    start = time.monotonic()
    signal.alarm(seconds_max)
    try:
        if inspect.iscoroutinefunction(test):
            asyncio.run(test())
        else:
            test()
    except Exception:
        print(f"test {name} ... FAILED", flush=True)
        traceback.print_exc(file=sys.stdout)
        return False
    finally:
        signal.alarm(0)
    print(f"test {name} ... ok ({time.monotonic() - start:.2f} s)", flush=True)
    return True


def time_is_up(_number, _frame):
    raise TimeoutError("the test has taken too long")


if __name__ == "__main__":
    sys.exit(main())
