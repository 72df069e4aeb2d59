"""The Autobahn test suite, in both roles, against the examples.

    python tests/clients/autobahn.py [--role server|client|both] [--cases short|core|all]
                                     [--takeover] [--python2 PROGRAM] [--binaries FOLDER]

It needs the examples `ws_echo` and `ws_conformance_client`
(`cargo build --release --features deflate --examples`) and a Python 2.7, for which the suite was
written: one that `--python2` or the environment's PYTHON2 names, one of pyenv's, or Debian 11's
packages unpacked somewhere. The suite itself comes from PyPI, into `target/autobahn`.

`short` takes some seconds and is for every run of CI: framing, pings, fragments, UTF-8, closing and
the smallest of each kind of compression. `core` is all but the large messages and the compression;
`all` are the suite's 517 cases and takes some minutes.

What counts is what the suite has written about each case, never its exit status: every case has to
be OK, and its closing too; but for those that only inform. A case without a report fails the run.
"""

import argparse
import contextlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import server

ROOT = Path(__file__).resolve().parent.parent.parent
SUITE = "autobahntestsuite==25.10.1"
AGENT = "squall"

# They tell what an implementation does where the protocol leaves it open.
INFORMATIONAL = {"7.1.6", "7.13.1", "7.13.2"}

CASES = {
    # One process each: they run side by side.
    "short": [["1.*", "2.*", "3.*", "4.*", "5.*"], ["6.*", "7.*", "10.*"],
              ["9.7.*", "9.8.*", "12.1.1", "12.1.2", "12.2.1", "12.3.1", "12.4.1", "12.5.1"],
              [f"13.{group}.1" for group in range(1, 8)]],
    "core": [["1.*", "2.*", "3.*", "4.*", "5.*"], ["6.*", "7.*", "10.*"]],
    "all": [["1.*", "2.*", "3.*", "4.*", "5.*", "6.*", "7.*", "10.*"], ["9.*"],
            ["12.*"], ["13.*"]],
}
COUNTS = {"all": 517, "core": 247}
SECONDS_MAX = {"short": 300, "core": 300, "all": 3600}


def main():
    parser = argparse.ArgumentParser(description="The Autobahn test suite against the examples.")
    parser.add_argument("--role", choices=["server", "client", "both"], default="both")
    parser.add_argument("--cases", choices=CASES, default="short")
    parser.add_argument("--takeover", action="store_true", help="compress with a history")
    parser.add_argument("--python2", default=os.environ.get("PYTHON2"))
    parser.add_argument("--binaries", type=Path, default=ROOT / "target/release/examples")
    arguments = parser.parse_args()
    server.binaries = arguments.binaries.resolve()

    wstest = install(arguments.python2)
    options = ["takeover"] if arguments.takeover else []
    passes = True
    if arguments.role != "client":
        passes &= judge("server", arguments.cases, test_server(wstest, arguments.cases, options))
    if arguments.role != "server":
        passes &= judge("client", arguments.cases, test_client(wstest, arguments.cases, options))
    return 0 if passes else 1


def install(python2):
    """The suite's program, installed the first time."""
    home = ROOT / "target/autobahn"
    wstest = home / "v2/bin/wstest"
    if not (home / "complete").exists():
        shutil.rmtree(home, ignore_errors=True)
        python2 = python2 or find_python2()
        run([sys.executable, "-m", "venv", home / "v3"])
        # The last that makes environments for Python 2.
        run([home / "v3/bin/pip", "install", "--quiet", "virtualenv<20.22"])
        run([home / "v3/bin/virtualenv", "--quiet", "--python", python2, home / "v2"])
        run([home / "v2/bin/pip", "install", "--quiet", SUITE])
        (home / "complete").touch()
    return wstest


def find_python2():
    found = shutil.which("python2.7")
    if found and works(found):
        return found
    versions = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    for python in sorted(versions.glob("2.7.*/bin/python2.7")):
        return python
    sys.exit("error: no Python 2.7 found; name one with --python2")


def works(python):
    """A shim of pyenv is there also where its version is not."""
    return subprocess.run([python, "-c", ""], capture_output=True).returncode == 0


def run(command):
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)


def test_server(wstest, cases, options):
    """Has the suite's client talk to `ws_echo`; gives what it wrote of each case."""
    with contextlib.ExitStack() as stack:
        echo = stack.enter_context(server.example("ws_echo", *options))
        jobs = []
        for group in CASES[cases]:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
            target = {"agent": AGENT, "url": echo.ws("/")}
            write_spec(folder, group, servers=[target])
            jobs.append((folder, start(stack, folder, [wstest, "-m", "fuzzingclient",
                                                       "-s", "spec.json"])))
        deadline = time.monotonic() + SECONDS_MAX[cases]
        for folder, process in jobs:
            wait(process, folder, deadline)
        return merged(folder for folder, _ in jobs)


def test_client(wstest, cases, options):
    """Has `ws_conformance_client` talk to the suite's server."""
    with contextlib.ExitStack() as stack:
        jobs = []
        for group in CASES[cases]:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
            port = server.free_port()
            url = f"ws://127.0.0.1:{port}"
            write_spec(folder, group, url=url)
            suite = start(stack, folder, [wstest, "-m", "fuzzingserver", "-s", "spec.json",
                                          "-u", "0"])
            wait_for_port(port, suite, folder)
            client = server.binaries / "ws_conformance_client"
            jobs.append((folder, start(stack, folder, [client, url, AGENT, *options])))
        deadline = time.monotonic() + SECONDS_MAX[cases]
        for folder, process in jobs:
            wait(process, folder, deadline)
        return merged(folder for folder, _ in jobs)


def write_spec(folder, group, **rest):
    spec = {
        "outdir": "reports",
        "cases": group,
        "exclude-cases": [],
        "exclude-agent-cases": {},
        **rest,
    }
    (folder / "spec.json").write_text(json.dumps(spec))


def start(stack, folder, command):
    log = stack.enter_context(open(folder / f"{Path(command[0]).name}.log", "w+b"))
    process = subprocess.Popen(
        [str(part) for part in command],
        cwd=folder,
        stdin=subprocess.DEVNULL,
        stdout=log,
        stderr=subprocess.STDOUT,
        start_new_session=True,
        preexec_fn=server.die_with_parent,
    )
    stack.callback(server.end, process)
    return process


def wait(process, folder, deadline):
    try:
        status = process.wait(max(1, deadline - time.monotonic()))
    except subprocess.TimeoutExpired:
        status = None
    if status != 0:
        for log in sorted(folder.glob("*.log")):
            print(f"--- {log.name}:\n{log.read_text(errors='replace')[-4000:]}---")
        sys.exit(f"error: {process.args[0]} ended with {status}")


def wait_for_port(port, process, folder):
    suite = server.Server("fuzzingserver", port, None)
    deadline = time.monotonic() + 30
    while True:
        try:
            suite.connect().close()
            return
        except ConnectionRefusedError:
            if process.poll() is not None or time.monotonic() > deadline:
                wait(process, folder, 0)
            time.sleep(0.05)


def merged(folders):
    """Case to what the suite wrote of it, over all folders."""
    reports = {}
    for folder in folders:
        index = folder / "reports/index.json"
        if not index.exists():
            sys.exit("error: the suite wrote no report")
        reports.update(json.loads(index.read_text())[AGENT])
    return reports


def judge(role, cases, reports):
    """Prints what there is to say; whether it is what it should be."""
    behaviour = Counter(report["behavior"] for report in reports.values())
    closing = Counter(report["behaviorClose"] for report in reports.values())
    wrong = [
        f"  {case}: {report['behavior']}, closing {report['behaviorClose']}, "
        f"code {report['remoteCloseCode']}"
        for case, report in sorted(reports.items(), key=lambda item: numbers(item[0]))
        if report["behavior"] != ("INFORMATIONAL" if case in INFORMATIONAL else "OK")
        or report["behaviorClose"] not in ("OK", "INFORMATIONAL")
    ]
    expected = COUNTS.get(cases)
    if expected is not None and len(reports) != expected:
        wrong.append(f"  {len(reports)} cases were reported, and not {expected}")
    print("\n".join(wrong + [""] if wrong else []), end="")
    print(f"autobahn, {role}: {len(reports)} cases, {counted(behaviour)}; closing {counted(closing)}",
          flush=True)
    return not wrong and bool(reports)


def counted(counter):
    return ", ".join(f"{count} {name}" for name, count in counter.most_common())


def numbers(case):
    return [int(part) for part in case.split(".")]


if __name__ == "__main__":
    sys.exit(main())
