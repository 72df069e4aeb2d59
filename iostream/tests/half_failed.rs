//! A write that has failed, and input that is still unread: it is read, and then the stream is
//! over.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod ends;

use std::io::{self, Read, Write};

use ends::{Script, kind_of, settle, virtual_loop};
use squall_ioloop::IoLoop;
use squall_iostream::memory::{self, Options};
use squall_iostream::{IoStream, StreamError};

fn failing_pair(ioloop: &IoLoop, kind: io::ErrorKind) -> (IoStream, IoStream) {
    let options = Options {
        write_fault: Some((6, kind)),
        ..Options::default()
    };
    memory::pair(ioloop, options)
}

fn assert_closed<T: std::fmt::Debug>(result: Result<T, StreamError>, kind: io::ErrorKind) {
    let Err(StreamError::Closed(closed)) = result else {
        panic!("not closed: {result:?}")
    };
    assert_eq!(kind_of(&closed), Some(kind));
}

#[test]
fn what_had_arrived_is_read_after_a_write_has_failed() {
    for kind in [io::ErrorKind::ConnectionReset, io::ErrorKind::BrokenPipe] {
        for is_read_before in [false, true] {
            let ioloop = virtual_loop();
            let (mut ours, theirs) = failing_pair(&ioloop, kind);
            theirs.write(b"answer").unwrap();
            theirs.flush();
            if is_read_before {
                assert_eq!(ioloop.run_until(ours.read_bytes(1)).unwrap().unwrap(), b"a");
            }
            ours.write(b"question").unwrap();
            settle(&ioloop);
            assert!(ours.is_closed() && ours.is_closing());
            assert_closed(ours.write(b"more"), kind);
            assert_closed(ioloop.run_until(ours.drained(0)).unwrap(), kind);
            assert_eq!(ours.unsent_len(), 0);
            let expected = if is_read_before { "nswer" } else { "answer" };
            let read = ioloop.run_until(ours.read_bytes(expected.len())).unwrap();
            assert_eq!(read.unwrap(), expected.as_bytes());
            drop(theirs);
            // The end, and then the cause.
            let _ = ioloop.run_until(ours.read_bytes(1)).unwrap().unwrap_err();
            assert_closed(ioloop.run_until(ours.read_bytes(1)).unwrap(), kind);
        }
    }
}

#[test]
fn a_reader_does_not_wait_for_a_peer_that_is_gone() {
    let ioloop = virtual_loop();
    let kind = io::ErrorKind::ConnectionReset;
    let (mut ours, theirs) = failing_pair(&ioloop, kind);
    theirs.write(b"half").unwrap();
    ours.write(b"question").unwrap();
    // It waits when the write fails: for more, which does not come.
    assert_closed(ioloop.run_until(ours.read_until(b"\n", 100)).unwrap(), kind);
    assert_eq!(ours.unread_len(), 4);
}

#[test]
fn long_input_is_read_to_its_end_whatever_the_reads() {
    for read_bytes_max in [1_000, usize::MAX] {
        let ioloop = virtual_loop();
        let options = Options {
            write_fault: Some((600_000, io::ErrorKind::ConnectionReset)),
            capacity: 700_000,
            read_bytes_max,
            ..Options::default()
        };
        let (mut ours, theirs) = memory::pair(&ioloop, options);
        theirs.write(&ends::pattern(600_000)).unwrap();
        theirs.flush();
        ours.write(&[b'x'; 600_001]).unwrap();
        settle(&ioloop);
        assert!(ours.is_closed());
        let read = ioloop.run_until(ours.read_bytes(600_000)).unwrap();
        assert!(read.unwrap() == ends::pattern(600_000));
    }
}

#[test]
fn closing_after_a_failed_write_closes_the_transport() {
    let ioloop = virtual_loop();
    let (script, stream) = Script::stream(&ioloop, 0);
    stream.write(b"hello").unwrap();
    script.fail(io::ErrorKind::ConnectionReset);
    stream.flush();
    assert!(stream.is_closed());
    assert_eq!(script.calls(), [ends::Call::Write]);
    stream.close();
    stream.close();
    assert_eq!(script.calls(), [ends::Call::Close]);
    // The first cause stays.
    let closed = stream.check_open().unwrap_err();
    assert_eq!(kind_of(&closed), Some(io::ErrorKind::ConnectionReset));
}

#[test]
fn a_server_that_answers_early_and_resets_is_heard() {
    let ioloop = IoLoop::new().unwrap();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let client = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let mut stream = IoStream::from_tcp(&ioloop, client).unwrap();
    let (mut server, _) = listener.accept().unwrap();
    let read = ioloop.run_until(async {
        stream.write(b"the first part of a long question")?;
        stream.drained(0).await?;
        server.read_exact(&mut [0; 1])?;
        server.write_all(b"413")?;
        // With unread input, this is a reset.
        drop(server);
        // Until it is known.
        stream.closed().await;
        while stream.write(&[b'x'; 10_000]).is_ok() {
            stream.flush();
        }
        stream.read_bytes(3).await.map_err(io::Error::from)
    });
    assert_eq!(read.unwrap().unwrap(), b"413");
    let end = ioloop.run_until(stream.read_bytes(1)).unwrap();
    assert!(matches!(end, Err(StreamError::Closed(_))));
}
