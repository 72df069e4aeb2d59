//! A process that is out of descriptors, which is a process of its own: the limit is for all of
//! its threads.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod ends;

use std::cell::RefCell;
use std::fs::File;
use std::io::{self, Read};
use std::net::TcpStream;
use std::process::Command;
use std::rc::Rc;
use std::time::Duration;

use ends::turns::turn_until;
use ends::{settle, virtual_loop};
use squall_ioloop::{IoLoop, sleep};
use squall_iostream::{Admission, AdmissionLimits, IoStream, Listener, ListenerOptions, Listening};

const IN_CHILD: &str = "SQUALL_TEST_FEW_DESCRIPTORS";

/// Runs `body` in a process that may have 64 descriptors.
fn with_few_descriptors(test: &str, body: fn()) {
    if std::env::var_os(IN_CHILD).is_some() {
        return body();
    }
    let output = Command::new("sh")
        .args(["-c", "ulimit -n 64 && exec \"$0\" \"$@\""])
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", test, "--nocapture", "--test-threads=1"])
        .env(IN_CHILD, "1")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    let complaints = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("1 passed"), "{said}{complaints}");
}

struct Server {
    ioloop: IoLoop,
    listening: Listening,
    kept: Rc<RefCell<Vec<IoStream>>>,
}

impl Server {
    /// A listener that keeps what it accepts. Its rests cost no time: the sockets are real, and the
    /// clock is not.
    fn new(limits: AdmissionLimits) -> Self {
        let ioloop = virtual_loop();
        let admission = Admission::new(&ioloop, limits);
        let kept: Rc<RefCell<Vec<IoStream>>> = Rc::default();
        let inner = kept.clone();
        let listener = Listener::bind("127.0.0.1:0", &ListenerOptions::default()).unwrap();
        let listening = listener
            .accept_admitted(&ioloop, &admission, move |stream, _| {
                inner.borrow_mut().push(stream);
            })
            .unwrap();
        Self {
            ioloop,
            listening,
            kept,
        }
    }

    fn connect(&self, count: usize) -> Vec<TcpStream> {
        let address = self.listening.local_addr().inet().unwrap();
        (0..count)
            .map(|_| TcpStream::connect(address).unwrap())
            .collect()
    }
}

/// All descriptors that are left.
fn hoard() -> Vec<File> {
    std::iter::from_fn(|| File::open("/dev/null").ok()).collect()
}

#[test]
fn a_short_shortage_is_waited_out_at_leisure() {
    with_few_descriptors("a_short_shortage_is_waited_out_at_leisure", || {
        let patient = AdmissionLimits::default().patience(Duration::from_secs(3600));
        let server = Server::new(patient);
        let mut clients = server.connect(5);
        let mut hoard = hoard();
        // Nothing can be accepted; everything else goes on, and at leisure.
        let turns = server.ioloop.turn_count();
        let pause = sleep(Duration::from_millis(250));
        server.ioloop.run_until(pause).unwrap();
        assert_eq!(server.kept.borrow().len(), 0);
        assert!(server.ioloop.turn_count() - turns < 20, "it does not rest");
        // Who comes while it rests does not make it rest more often.
        for _ in 0..10 {
            hoard.pop();
            clients.extend(server.connect(1));
            server.ioloop.run_once(Some(Duration::ZERO)).unwrap();
        }
        assert_eq!(server.kept.borrow().len(), 0);
        let turns = server.ioloop.turn_count();
        let pause = sleep(Duration::from_millis(350));
        server.ioloop.run_until(pause).unwrap();
        assert!(
            server.ioloop.turn_count() - turns < 20,
            "it rests more than once at a time"
        );
        drop(hoard);
        turn_until(&server.ioloop, || {
            server.kept.borrow().len() == clients.len()
        });
        // The next is accepted at once again.
        clients.extend(server.connect(1));
        settle(&server.ioloop);
        assert_eq!(server.kept.borrow().len(), clients.len());
        assert_eq!(server.listening.counters().refused_out_of_descriptors, 0);
    });
}

#[test]
fn in_a_long_shortage_clients_see_an_end() {
    with_few_descriptors("in_a_long_shortage_clients_see_an_end", || {
        let server = Server::new(AdmissionLimits::default().patience(Duration::ZERO));
        let mut early = server.connect(2);
        turn_until(&server.ioloop, || server.kept.borrow().len() == 2);
        let mut waiting = server.connect(5);
        let mut hoard = hoard();
        let counters = || server.listening.counters();
        turn_until(&server.ioloop, || {
            counters().refused_out_of_descriptors == 5
        });
        for client in &mut waiting {
            match client.read(&mut [0]) {
                Ok(0) => {}
                Err(error) if error.kind() == io::ErrorKind::ConnectionReset => {}
                other => panic!("{other:?}"),
            }
        }
        // It does not spin, and those who come later are told as well.
        let turns = server.ioloop.turn_count();
        let pause = sleep(Duration::from_millis(150));
        server.ioloop.run_until(pause).unwrap();
        assert!(server.ioloop.turn_count() - turns < 10, "it does not rest");
        hoard.pop();
        let _late = server.connect(1);
        turn_until(&server.ioloop, || {
            counters().refused_out_of_descriptors == 6
        });
        // The old ones are served, and new ones as soon as there are descriptors.
        server.kept.borrow()[0].write(b"!").unwrap();
        settle(&server.ioloop);
        assert_eq!(early[0].read(&mut [0]).unwrap(), 1);
        drop(hoard);
        let _served = server.connect(3);
        turn_until(&server.ioloop, || server.kept.borrow().len() == 5);
        assert_eq!(counters().open, 5);
    });
}

#[test]
fn patience_ends() {
    with_few_descriptors("patience_ends", || {
        let limits = AdmissionLimits::default().patience(Duration::from_millis(300));
        let server = Server::new(limits);
        let _waiting = server.connect(3);
        let _hoard = hoard();
        let begun_at = server.ioloop.now();
        let counters = || server.listening.counters();
        turn_until(&server.ioloop, || {
            counters().refused_out_of_descriptors == 3
        });
        assert!(server.ioloop.now() - begun_at >= Duration::from_millis(300));
        assert_eq!(counters().accepted, 0);
    });
}
