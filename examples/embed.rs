//! The loop as a guest: a program that has a loop of its own, here a bare `poll(2)`.
//!
//! ```text
//! cargo run --example embed
//! ```
//!
//! Look at `main`: the guest's descriptor is one more line in the host's table, and its next
//! deadline is one more bound on the host's timeout. That is all that a host has to know. It ends
//! by itself after a second.

use std::cell::Cell;
use std::error::Error;
use std::io::{Read, Write};
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::net::UnixStream;
use std::rc::Rc;
use std::thread;
use std::time::{Duration, Instant};

use squall::ioloop::{IoLoop, sleep};

/// How many turns the guest may make before the host looks after its own again.
const TURNS_MAX: usize = 10;

fn main() -> Result<(), Box<dyn Error>> {
    let start = Instant::now();
    let say = move |who: &str, what: &str| {
        println!("{:5} ms  {who:6} {what}", start.elapsed().as_millis());
    };

    // What is the host's own: a socket, to which somebody writes from time to time.
    let (mut hosts_own, somebody) = UnixStream::pair()?;
    let writer = thread::spawn(move || write_now_and_then(somebody));

    // What is the guest's.
    let guest = IoLoop::new()?;
    let is_over = start_guest_work(&guest, say);
    let remote = guest.remote();
    let poster = thread::spawn(move || {
        thread::sleep(Duration::from_millis(370));
        // The host sleeps in its poll(2); the post makes the guest's descriptor readable.
        remote.add_callback(move |_| say("guest", "a post of another thread"))
    });

    while !is_over.get() {
        // Asked last: from here on, posts make the descriptor readable.
        let wait = guest
            .next_deadline()
            .map(|deadline| deadline.saturating_duration_since(Instant::now()));
        let [hosts_own_is_readable, guest_is_readable] = poll_readable([&hosts_own, &guest], wait)?;
        if hosts_own_is_readable {
            let mut bytes = [0; 16];
            let count = hosts_own.read(&mut bytes)?;
            say("host", &format!("{count} bytes on its own socket"));
        }
        if guest_is_readable || guest.next_deadline().is_some_and(|at| at <= Instant::now()) {
            guest.run_ready(TURNS_MAX)?;
        }
    }
    say("host", "the guest has nothing left to do");
    drop(hosts_own);
    writer.join().expect("the writer does not panic");
    poster.join().expect("the poster does not panic")?;
    Ok(())
}

/// Timers and a task, as on any loop. The flag that is returned says when they are over.
fn start_guest_work(guest: &IoLoop, say: impl Fn(&str, &str) + Copy + 'static) -> Rc<Cell<bool>> {
    let is_over = Rc::new(Cell::new(false));
    for millis in [100, 450, 700] {
        guest.call_later(Duration::from_millis(millis), move || {
            say("guest", &format!("the timer of {millis} ms"));
        });
    }
    let flag = is_over.clone();
    guest.spawn_detached(async move {
        for round in 1..=4 {
            sleep(Duration::from_millis(250)).await;
            say("guest", &format!("the task wakes from nap {round}"));
        }
        flag.set(true);
    });
    is_over
}

fn write_now_and_then(mut socket: UnixStream) {
    for _ in 0..3 {
        thread::sleep(Duration::from_millis(230));
        // The host may be gone already.
        let _ = socket.write_all(b"hello");
    }
    // Open until the host closes its end: a socket whose peer is gone is always readable.
    let _ = socket.read(&mut [0]);
}

/// Waits until one of the descriptors is readable, or for `timeout`; says which are.
#[allow(unsafe_code, reason = "poll(2) is a system call")]
fn poll_readable<const N: usize>(
    descriptors: [&dyn AsFd; N],
    timeout: Option<Duration>,
) -> std::io::Result<[bool; N]> {
    let mut fds = descriptors.map(|descriptor| libc::pollfd {
        fd: descriptor.as_fd().as_raw_fd(),
        events: libc::POLLIN,
        revents: 0,
    });
    // Rounded up: a host that wakes a fraction too early would turn the guest for nothing.
    let millis = timeout.map_or(-1, |timeout| {
        i32::try_from(timeout.as_nanos().div_ceil(1_000_000)).unwrap_or(i32::MAX)
    });
    // SAFETY: `fds` is an array of `N` valid pollfd structures, and outlives the call.
    let count = unsafe { libc::poll(fds.as_mut_ptr(), N as libc::nfds_t, millis) };
    if count < 0 {
        return Err(std::io::Error::last_os_error());
    }
    Ok(fds.map(|fd| fd.revents & (libc::POLLIN | libc::POLLHUP) != 0))
}
