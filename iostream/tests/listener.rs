//! Listening and connecting, on real sockets of ports that the system chooses.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod ends;

use std::cell::{Cell, RefCell};
use std::io::{self, Read};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::rc::Rc;
use std::time::Duration;

use ends::settle;
use ends::turns::turn_until;
use squall_ioloop::IoLoop;
use squall_iostream::{IoStream, Listener, ListenerOptions, Listening};

const ANY_PORT: (Ipv4Addr, u16) = (Ipv4Addr::LOCALHOST, 0);

/// More than is accepted in one turn.
const MANY: usize = 300;

fn bind() -> Listener {
    Listener::bind(ANY_PORT, &ListenerOptions::default()).unwrap()
}

fn inet(listener: &Listener) -> SocketAddr {
    listener.local_addr().unwrap().inet().unwrap()
}

fn address_of(listening: &Listening) -> SocketAddr {
    listening.local_addr().inet().unwrap()
}

/// A listener that keeps what it accepts.
fn keep_all(ioloop: &IoLoop) -> (Listening, Rc<RefCell<Vec<IoStream>>>) {
    let kept: Rc<RefCell<Vec<IoStream>>> = Rc::default();
    let inner = kept.clone();
    let listening = bind().accept_with(ioloop, move |stream, peer| {
        assert_eq!(stream.peer_addr(), Some(peer));
        inner.borrow_mut().push(stream);
    });
    (listening.unwrap(), kept)
}

/// Connections that the system has established, whether or not they are accepted.
fn connect(address: SocketAddr, count: usize) -> Vec<TcpStream> {
    (0..count)
        .map(|_| TcpStream::connect(address).unwrap())
        .collect()
}

#[test]
fn all_who_wait_are_accepted_a_batch_a_turn() {
    let ioloop = IoLoop::new().unwrap();
    let (listening, kept) = keep_all(&ioloop);
    let clients = connect(address_of(&listening), MANY);
    ioloop.run_once(Some(Duration::ZERO)).unwrap();
    assert_eq!(kept.borrow().len(), 128);
    turn_until(&ioloop, || kept.borrow().len() == MANY);
    drop(clients);
    turn_until(&ioloop, || {
        kept.borrow().iter().all(|stream| stream.is_closing())
    });
}

#[test]
fn a_handler_that_panics_costs_its_own_connection_only() {
    let ioloop = IoLoop::new().unwrap();
    let panics = Rc::new(Cell::new(0));
    let inner = panics.clone();
    ioloop.set_exception_handler(move |_, exception| {
        assert_eq!(exception.message(), "handle_stream");
        inner.set(inner.get() + 1);
    });
    let accepted = Rc::new(RefCell::new(Vec::new()));
    let inner = accepted.clone();
    let listening = bind().accept_with(&ioloop, move |stream, _| {
        let count = inner.borrow().len();
        inner.borrow_mut().push(None);
        assert!(count % 3 != 1, "handle_stream");
        inner.borrow_mut()[count] = Some(stream);
    });
    let listening = listening.unwrap();
    let clients = connect(address_of(&listening), 30);
    turn_until(&ioloop, || accepted.borrow().len() == 30);
    assert_eq!(accepted.borrow().iter().flatten().count(), 20);
    assert_eq!(panics.get(), 10);
    drop(clients);
}

#[test]
fn a_handler_may_close_its_listener() {
    let ioloop = IoLoop::new().unwrap();
    let slot: Rc<RefCell<Option<Listening>>> = Rc::default();
    let kept: Rc<RefCell<Vec<IoStream>>> = Rc::default();
    let (inner, streams) = (slot.clone(), kept.clone());
    let listening = bind().accept_with(&ioloop, move |stream, _| {
        streams.borrow_mut().push(stream);
        if streams.borrow().len() == 3 {
            drop(inner.take());
        }
    });
    let address = address_of(listening.as_ref().unwrap());
    slot.replace(listening.ok());
    let mut clients = connect(address, 5);
    turn_until(&ioloop, || kept.borrow().len() == 3);
    settle(&ioloop);
    assert_eq!(kept.borrow().len(), 3);
    assert!(
        kept.borrow().iter().all(|stream| !stream.is_closing()),
        "streams stay"
    );
    // Those who were not accepted learn so.
    assert!(!matches!(clients[4].read(&mut [0]), Ok(1..)));
    assert!(TcpStream::connect(address).is_err());
}

#[test]
fn closing_twice_and_after_the_loop_is_harmless() {
    let ioloop = IoLoop::new().unwrap();
    let (listening, _) = keep_all(&ioloop);
    let (other, _) = keep_all(&ioloop);
    listening.close();
    listening.close();
    drop(listening);
    drop(ioloop);
    assert!(
        TcpStream::connect(address_of(&other)).is_err(),
        "its socket went with the loop"
    );
    drop(other);
}

#[test]
fn a_port_in_use_is_an_error_unless_it_is_shared() {
    let first = bind();
    let address = inet(&first);
    let in_use = Listener::bind(address, &ListenerOptions::default()).unwrap_err();
    assert_eq!(io::Error::from(in_use).kind(), io::ErrorKind::AddrInUse);

    let options = ListenerOptions::default().reuse_port(true);
    let first = Listener::bind(ANY_PORT, &options).unwrap();
    let address = inet(&first);
    let second = Listener::bind(address, &options).unwrap();
    assert_eq!(inet(&second), address);
    // Nobody waits for one of two: both are served.
    let ioloop = IoLoop::new().unwrap();
    let count = Rc::new(Cell::new(0));
    let listening: Vec<_> = [first, second]
        .into_iter()
        .map(|listener| {
            let count = count.clone();
            listener.accept_with(&ioloop, move |_, _| count.set(count.get() + 1))
        })
        .collect();
    let clients = connect(address, 50);
    turn_until(&ioloop, || count.get() == 50);
    drop((clients, listening));
}

#[test]
fn the_first_address_that_works_is_taken() {
    let used = bind();
    let addresses = [inet(&used), SocketAddr::from(ANY_PORT)];
    let listener = Listener::bind(&addresses[..], &ListenerOptions::default()).unwrap();
    assert_ne!(inet(&listener), addresses[0]);
    let none: &[SocketAddr] = &[];
    let error = Listener::bind(none, &ListenerOptions::default()).unwrap_err();
    assert_eq!(io::Error::from(error).kind(), io::ErrorKind::InvalidInput);
}

#[test]
fn a_refused_connection_says_so() {
    let ioloop = IoLoop::new().unwrap();
    let address = inet(&bind());
    let refused = ioloop
        .run_until(IoStream::connect(&ioloop, address))
        .unwrap()
        .unwrap_err();
    assert_eq!(refused.kind(), io::ErrorKind::ConnectionRefused);
}

#[test]
fn a_reset_is_an_error_with_its_cause() {
    let ioloop = IoLoop::new().unwrap();
    let (listening, kept) = keep_all(&ioloop);
    let client = TcpStream::connect(address_of(&listening)).unwrap();
    turn_until(&ioloop, || kept.borrow().len() == 1);
    let mut stream = kept.borrow_mut().remove(0);
    // Closing with unread input resets.
    stream.write(b"unread").unwrap();
    ioloop.run_until(stream.drained(0)).unwrap().unwrap();
    client.peek(&mut [0]).unwrap();
    drop(client);
    let end = ioloop
        .run_until(stream.read_until_close(100))
        .unwrap()
        .unwrap_err();
    assert_eq!(io::Error::from(end).kind(), io::ErrorKind::ConnectionReset);
    assert!(stream.is_closed());
}
