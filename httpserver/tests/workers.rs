//! Workers by thread: they serve, they are told to stop, and those that fail begin again.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use squall_httpserver::{Config, DrainDeadlines, Exchange, HttpServer, Workers, WorkersHandle};
use squall_ioloop::{Handle, IoLoop, sleep};
use squall_iostream::Listener;
use support::{Crlf, logs, statuses, tell_target};

/// How many requests of `/slow` are with a service, or have been.
static SLOW_BEGUN: AtomicUsize = AtomicUsize::new(0);

const PATIENCE: Duration = Duration::from_secs(20);

fn at_once() -> DrainDeadlines {
    DrainDeadlines::all(Duration::ZERO)
}

fn ask(address: SocketAddr, target: &str) -> String {
    let mut socket = TcpStream::connect(address).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    let request = format!("GET {target} HTTP/1.0\n\n").crlf();
    socket.write_all(request.as_bytes()).unwrap();
    let mut text = String::new();
    // A worker that ends at once resets its connections.
    let _ = socket.read_to_string(&mut text);
    text
}

/// Stops the workers when it is dropped, so that a test that fails comes to its end.
struct Stopper(WorkersHandle);

impl Drop for Stopper {
    fn drop(&mut self) {
        self.0.stop(at_once());
    }
}

fn listen(ioloop: &Handle, socket: &TcpListener, config: Config) -> io::Result<HttpServer> {
    let server = HttpServer::with_config(ioloop, config, |http: Exchange| async move {
        match http.head().path() {
            "/callback" => Handle::current().add_callback(|| panic!("a callback")),
            "/slow" => {
                SLOW_BEGUN.fetch_add(1, Ordering::Relaxed);
                sleep(Duration::from_millis(200)).await;
            }
            _ => {}
        }
        tell_target(http).await;
    });
    server.add_listener(Listener::from_std(socket.try_clone()?)?)?;
    Ok(server)
}

#[test]
fn workers_share_a_socket_and_stop_gracefully() {
    let socket = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = socket.local_addr().unwrap();
    let workers = Workers::new(3).with_signals(false);
    let handle = workers.handle();
    let started = AtomicUsize::new(0);
    let report = thread::scope(|scope| {
        scope.spawn(move || {
            let stopper = Stopper(handle.clone());
            for number in 0..30 {
                let text = ask(address, &format!("/{number}"));
                assert_eq!(statuses(&text), ["200"]);
            }
            let slow: Vec<_> = (0..10)
                .map(|_| thread::spawn(move || ask(address, "/slow")))
                .collect();
            while SLOW_BEGUN.load(Ordering::Relaxed) < slow.len() {
                thread::sleep(Duration::from_millis(1));
            }
            handle.stop(DrainDeadlines::default());
            for asked in slow {
                assert_eq!(statuses(&asked.join().unwrap()), ["200"]);
            }
            drop(stopper);
        });
        workers
            .run(|ioloop, _| {
                started.fetch_add(1, Ordering::Relaxed);
                listen(ioloop, &socket, Config::default())
            })
            .unwrap()
    });
    assert_eq!(started.into_inner(), 3);
    assert_eq!(report.cut, 0, "{report:?}");
}

#[test]
fn an_order_that_comes_before_the_workers_is_for_them_too() {
    let socket = TcpListener::bind("127.0.0.1:0").unwrap();
    let workers = Workers::new(2).with_signals(false);
    workers.handle().stop(DrainDeadlines::default());
    let listens = |ioloop: &IoLoop, _| listen(ioloop, &socket, Config::default());
    let report = workers.run(listens).unwrap();
    assert_eq!(report.cut, 0);
}

#[test]
fn a_worker_that_cannot_begin_stops_all() {
    let socket = TcpListener::bind("127.0.0.1:0").unwrap();
    let result = Workers::new(3)
        .with_signals(false)
        .run(|ioloop, number| match number {
            1 => Err(io::Error::other("no")),
            _ => listen(ioloop, &socket, Config::default()),
        });
    assert_eq!(result.unwrap_err().to_string(), "no");
}

#[test]
fn a_setup_that_panics_stops_all_and_is_heard_of() {
    let socket = TcpListener::bind("127.0.0.1:0").unwrap();
    let result = std::panic::catch_unwind(|| {
        Workers::new(3)
            .with_signals(false)
            .run(|ioloop, number| match number {
                1 => panic!("worker one"),
                _ => listen(ioloop, &socket, Config::default()),
            })
    });
    let payload = result.unwrap_err();
    assert_eq!(payload.downcast_ref(), Some(&"worker one"));
}

/// A panic ends the worker only where that is asked for; then it begins again, and is served by
/// the same address.
#[test]
fn a_worker_that_fails_begins_again_as_often_as_it_may() {
    let check = |ends_on_panic: bool, restarts_max: usize, panics: usize, starts: usize| {
        let socket = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = socket.local_addr().unwrap();
        let workers = Workers::new(1)
            .with_signals(false)
            .with_end_on_panic(ends_on_panic)
            .with_restarts_max(restarts_max);
        let handle = workers.handle();
        let started = AtomicUsize::new(0);
        let result = thread::scope(|scope| {
            let started = &started;
            scope.spawn(move || {
                let stopper = Stopper(handle);
                for round in 1..=panics {
                    ask(address, "/callback");
                    // A worker that is about to end still accepts, and drops whom it has.
                    while ends_on_panic && started.load(Ordering::Relaxed) < starts.min(round + 1) {
                        thread::sleep(Duration::from_millis(1));
                    }
                }
                if panics <= restarts_max || !ends_on_panic {
                    assert_eq!(statuses(&ask(address, "/well")), ["200"]);
                } else {
                    // They end by themselves.
                    std::mem::forget(stopper);
                }
            });
            workers.run(|ioloop, _| {
                started.fetch_add(1, Ordering::Relaxed);
                listen(ioloop, &socket, Config::default())
            })
        });
        assert_eq!(started.into_inner(), starts);
        result
    };
    logs::begin();
    assert!(check(false, 0, 2, 1).is_ok());
    assert!(check(true, 3, 2, 3).is_ok());
    let error = check(true, 1, 2, 2).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::Interrupted, "{error}");
    logs::take();
}
