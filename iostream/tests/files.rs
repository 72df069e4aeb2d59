//! Files that are sent: in order with other writes, by the system where it can, whole or visibly
//! not, and no faster than a turn's share.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod ends;

use std::fs::{self, File};
use std::io::{self, Read};
use std::sync::Arc;

use ends::{LineRate, Script, kind_of, pair, pattern, settle, virtual_loop};
use squall_ioloop::IoLoop;
use squall_iostream::memory::{self, Options};
use squall_iostream::{CutOff, IoStream, StreamClosed, StreamError};

/// A file without a name.
fn file_of(name: &str, bytes: &[u8]) -> Arc<File> {
    let path = std::env::temp_dir().join(format!("squall-{name}-{}", std::process::id()));
    fs::write(&path, bytes).unwrap();
    let file = File::open(&path).unwrap();
    fs::remove_file(&path).unwrap();
    Arc::new(file)
}

/// Two ends of a socket: ours on the loop, theirs blocking.
fn sockets(ioloop: &IoLoop) -> (IoStream, std::net::TcpStream) {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let theirs = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let (ours, _) = listener.accept().unwrap();
    (IoStream::from_tcp(ioloop, ours).unwrap(), theirs)
}

/// Writes, files and writes again.
fn send_mixed(stream: &IoStream, file: &Arc<File>) -> Result<(), StreamError> {
    stream.write(b"head")?;
    stream.send_file(file.clone(), 0, 300_000)?;
    stream.write(b"between")?;
    stream.send_file(file.clone(), 1_000, 7)?;
    stream.send_file(file.clone(), 299_999, 1)?;
    stream.send_file(file.clone(), 0, 0)?;
    stream.write(b"tail")?;
    assert_eq!(stream.unsent_len(), 4 + 300_000 + 7 + 7 + 1 + 4);
    assert_eq!(stream.memory_len(), 15);
    Ok(())
}

fn mixed() -> Vec<u8> {
    let all = pattern(300_000);
    let parts = [b"head", &all[..], b"between", &all[1_000..1_007]];
    [&parts.concat(), &all[299_999..], b"tail"].concat()
}

#[test]
fn files_leave_in_order_through_a_transport_that_knows_no_files() {
    for (write_bytes_max, capacity) in [(usize::MAX, 65_536), (999, 65_536), (70_000, 1_000)] {
        let ioloop = virtual_loop();
        let options = Options {
            write_bytes_max,
            capacity,
            ..Options::default()
        };
        let (ours, mut theirs) = memory::pair(&ioloop, options);
        let file = file_of("order", &pattern(300_000));
        send_mixed(&ours, &file).unwrap();
        let read = ioloop.run_until(theirs.read_bytes(mixed().len())).unwrap();
        assert!(read.unwrap() == mixed(), "{write_bytes_max} {capacity}");
        assert_eq!(ours.unsent_len(), 0);
        assert_eq!(Arc::strong_count(&file), 1, "the stream has let it go");
    }
}

#[test]
fn files_leave_in_order_through_a_socket() {
    let ioloop = IoLoop::new().unwrap();
    let (ours, mut theirs) = sockets(&ioloop);
    send_mixed(&ours, &file_of("socket", &pattern(300_000))).unwrap();
    let reading = std::thread::spawn(move || {
        let mut all = vec![0; mixed().len()];
        theirs.read_exact(&mut all).map(|()| all)
    });
    ioloop.run_until(ours.drained(0)).unwrap().unwrap();
    assert!(reading.join().unwrap().unwrap() == mixed());
}

#[test]
fn a_file_of_a_peer_that_reads_slowly_takes_no_memory() {
    let ioloop = virtual_loop();
    let (script, stream) = Script::stream(&ioloop, 100);
    let sent = pattern(300_000);
    stream
        .send_file(file_of("slow", &sent), 0, 300_000)
        .unwrap();
    settle(&ioloop);
    assert_eq!((stream.unsent_len(), stream.memory_len()), (299_900, 0));
    for room in [1, 65_536, 99_999, 1_000_000] {
        script.make_room(room);
        settle(&ioloop);
        assert_eq!(stream.memory_len(), 0);
    }
    assert!(script.output() == sent);
}

fn assert_truncated(closed: &StreamClosed, missing: u64) {
    assert_eq!(closed.cut_off(), Some(CutOff::FileTruncated { missing }));
    assert_eq!(kind_of(closed), Some(io::ErrorKind::UnexpectedEof));
    assert!(
        closed
            .to_string()
            .contains(&format!("{missing} bytes before"))
    );
}

#[test]
fn a_file_that_is_shorter_than_promised_closes_the_stream_and_the_peer_can_tell() {
    let ioloop = virtual_loop();
    let (ours, mut theirs) = pair(&ioloop);
    ours.write(b"head").unwrap();
    ours.send_file(file_of("short", b"body"), 0, 10).unwrap();
    let read = ioloop.run_until(theirs.read_until_close(100)).unwrap();
    let Err(StreamError::Closed(closed)) = read else {
        panic!("it has not got all: {read:?}")
    };
    assert_eq!(kind_of(&closed), Some(io::ErrorKind::ConnectionReset));
    assert_eq!(theirs.unread_len(), 8);
    assert_truncated(&ours.check_open().unwrap_err(), 6);
}

#[test]
fn a_file_that_is_shorter_than_promised_resets_a_socket() {
    let ioloop = IoLoop::new().unwrap();
    let (ours, mut theirs) = sockets(&ioloop);
    // The socket takes it all, so that nothing but another call tells of the end.
    ours.send_file(file_of("reset", b"body"), 0, 10).unwrap();
    let drained = ioloop.run_until(ours.drained(0)).unwrap();
    let Err(StreamError::Closed(closed)) = drained else {
        panic!("it is closed: {drained:?}")
    };
    assert_truncated(&closed, 6);
    let end = theirs.read_to_end(&mut Vec::new());
    assert_eq!(end.unwrap_err().kind(), io::ErrorKind::ConnectionReset);
}

#[test]
fn a_file_that_cannot_be_read_closes_the_stream_with_the_systems_error() {
    let ioloop = virtual_loop();
    let (script, stream) = Script::stream(&ioloop, 100);
    // A folder can be opened, and not read.
    let folder = File::open(std::env::temp_dir()).unwrap();
    stream.send_file(folder, 0, 10).unwrap();
    settle(&ioloop);
    let closed = stream.check_open().unwrap_err();
    assert_eq!(kind_of(&closed), Some(io::ErrorKind::IsADirectory));
    assert_eq!(script.output(), b"");
}

#[test]
fn a_long_file_takes_its_share_of_each_turn() {
    let ioloop = IoLoop::new().unwrap();
    let stream = IoStream::new(&ioloop, LineRate).unwrap();
    let length = 10 * 1024 * 1024;
    let file = file_of("share", &pattern(length));
    stream.send_file(file, 0, length as u64).unwrap();
    for turn in 1..=10 {
        ioloop.run_once(Some(std::time::Duration::ZERO)).unwrap();
        // However often somebody asks.
        stream.flush();
        stream.flush();
        assert_eq!(stream.unsent_len(), length - turn * 1024 * 1024);
    }
}
