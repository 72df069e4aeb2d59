"""`embed`: the loop as a guest of a poll(2), which ends by itself."""

import subprocess

import server


def test_host_and_guest_take_turns_and_come_to_an_end():
    done = subprocess.run(
        [server.binaries / "embed"], capture_output=True, text=True, timeout=20, check=False
    )
    assert done.returncode == 0, done.stderr
    lines = [line.split(" ms ", 1)[1].split(None, 1) for line in done.stdout.splitlines()]
    guest = [what for who, what in lines if who == "guest"]
    host = [what for who, what in lines if who == "host"]
    timers = [f"the timer of {millis} ms" for millis in [100, 450, 700]]
    naps = [f"the task wakes from nap {nap}" for nap in [1, 2, 3, 4]]
    assert [what for what in guest if what in timers] == timers
    assert [what for what in guest if what in naps] == naps
    assert "a post of another thread" in guest
    # Three times five bytes; a slow machine may hear two writes at once.
    assert sum(int(what.split()[0]) for what in host[:-1]) == 15
    assert host[-1] == "the guest has nothing left to do"
    assert done.stderr == ""
