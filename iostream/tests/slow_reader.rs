//! A peer that reads slowly, over TCP: how much the system takes for it, and that what it does not
//! take arrives.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
#![cfg(target_os = "linux")]

use std::cell::Cell;
use std::io::Read;
use std::net::TcpStream;
use std::rc::Rc;
use std::thread;

use socket2::{Domain, Socket, Type};
use squall_ioloop::IoLoop;
use squall_iostream::{Listener, ListenerOptions};

const LENGTH: usize = 16 * 1024 * 1024;

/// Writes [`LENGTH`] bytes to a peer that has room for few and reads when the system has taken what
/// it takes. Returns how much that was; all of it has then arrived.
fn taken(options: &ListenerOptions) -> usize {
    let ioloop = IoLoop::new().unwrap();
    let accepted = Rc::new(Cell::new(None));
    let place = accepted.clone();
    let listening = Listener::bind("127.0.0.1:0", options)
        .unwrap()
        .accept_with(&ioloop, move |stream, _| place.set(Some(stream)))
        .unwrap();
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    socket.set_recv_buffer_size(16 * 1024).unwrap();
    let address = listening.local_addr().inet().unwrap();
    socket.connect(&address.into()).unwrap();
    let stream = loop {
        ioloop.run_once(None).unwrap();
        if let Some(stream) = accepted.take() {
            break stream;
        }
    };
    stream.write_bytes(vec![1; LENGTH].into()).unwrap();
    stream.flush();
    let taken = LENGTH - stream.unsent_len();
    let reader = thread::spawn(move || {
        let mut peer = TcpStream::from(socket);
        let mut buffer = vec![0; 64 * 1024];
        let mut count = 0;
        loop {
            match peer.read(&mut buffer).unwrap() {
                0 => return count,
                read => count += read,
            }
        }
    });
    ioloop.run_until(stream.drained(0)).unwrap().unwrap();
    drop(stream);
    assert_eq!(reader.join().unwrap(), LENGTH);
    taken
}

#[test]
fn the_system_takes_little_more_than_the_peer() {
    let bounded = taken(&ListenerOptions::default());
    assert!(bounded <= 512 * 1024, "{bounded} B");
    let unbounded = taken(&ListenerOptions::default().notsent_lowat(None));
    assert!(unbounded > 2 * bounded, "{unbounded} B, {bounded} B");
    let own = taken(&ListenerOptions::default().notsent_lowat(Some(1024)));
    assert!(own < bounded, "{own} B, {bounded} B");
}
