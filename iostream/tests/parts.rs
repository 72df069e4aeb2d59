//! Streams that are taken apart and put together again: for TLS, and for another loop.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod ends;

use ends::{Script, pair, virtual_loop};
use squall_ioloop::IoLoop;
use squall_iostream::IoStream;

#[test]
fn a_stream_is_taken_apart_with_what_it_has_read_and_goes_on_elsewhere() {
    let ioloop = virtual_loop();
    let (ours, mut theirs) = pair(&ioloop);
    ours.write(b"one two ").unwrap();
    let task = async {
        assert_eq!(theirs.read_until(b" ", 9).await.unwrap(), b"one ");
        let old = theirs.handle();
        let (transport, unread) = theirs.into_parts().unwrap();
        assert_eq!(unread, b"two ");
        assert!(old.is_closed());
        // Said while nobody listens.
        ours.write(b"three").unwrap();
        ours.drained(0).await.unwrap();
        ours.close();
        let mut again = IoStream::new(&ioloop, transport).unwrap();
        assert_eq!(again.read_until_close(9).await.unwrap(), b"three");
    };
    ioloop.run_until(task).unwrap();
}

#[test]
fn what_is_unsent_keeps_a_stream_together() {
    let ioloop = virtual_loop();
    let (ours, mut theirs) = pair(&ioloop);
    ours.write(b"unsent").unwrap();
    let ours = ours.into_parts().err().unwrap();
    let received = ioloop.run_until(theirs.read_bytes(6)).unwrap().unwrap();
    assert_eq!(received, b"unsent");
    assert!(ours.into_parts().is_ok());
}

#[test]
fn a_transport_that_cannot_be_moved_and_a_closed_stream_stay_what_they_are() {
    let ioloop = virtual_loop();
    let (script, stream) = Script::stream(&ioloop, 10);
    let stream = stream.into_parts().err().unwrap();
    stream.write(b"still here").unwrap();
    stream.flush();
    assert_eq!(script.output(), b"still here");
    stream.close();
    assert!(stream.into_parts().is_err());
}

#[test]
fn a_socket_moves_from_one_loop_to_another() {
    let (here, there) = (IoLoop::new().unwrap(), IoLoop::new().unwrap());
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let client = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let mut ours = IoStream::from_tcp(&here, client).unwrap();
    let theirs = IoStream::from_tcp(&here, listener.accept().unwrap().0).unwrap();
    theirs.write(b"first second").unwrap();
    let first = here.run_until(ours.read_bytes(6)).unwrap().unwrap();
    assert_eq!(first, b"first ");
    let (transport, unread) = ours.into_parts().unwrap();
    assert_eq!(unread, b"second");

    let mut ours = IoStream::new(&there, transport).unwrap();
    theirs.write(b"third").unwrap();
    theirs.flush();
    let third = there.run_until(ours.read_bytes(5)).unwrap().unwrap();
    assert_eq!(third, b"third");
}
