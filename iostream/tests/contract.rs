//! One dialogue, over everything that carries bytes: the pair in memory, slow and small and with
//! faults of time, and TCP.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod ends;

use bytes::Bytes;
use ends::{TICK, pair, pattern, virtual_loop};
use squall_ioloop::IoLoop;
use squall_iostream::memory::{self, Options};
use squall_iostream::{IoStream, Listener, ListenerOptions, Step, StreamError};

const BLOB: usize = 150_000;

/// Asks; every kind of read, every kind of write.
async fn ask(mut stream: IoStream) -> Result<(), StreamError> {
    stream.write(b"hello\r\n")?;
    assert_eq!(stream.read_until(b"\r\n", 100).await?, b"HELLO\r\n");
    // Pipelined.
    stream.write(b"one\r\ntwo\r\n")?;
    stream.write_bytes(Bytes::from_static(b"three\r\n"))?;
    stream.write_with(|out| out.extend_from_slice(b"BLOB\r\n"))?;
    for expected in [&b"ONE\r\n"[..], b"TWO\r\n", b"THREE\r\n"] {
        assert_eq!(stream.read_bytes(expected.len()).await?, expected);
    }
    stream.write_bytes(Bytes::from(pattern(BLOB)))?;
    let back = stream.read_bytes(BLOB).await?;
    assert!(back == pattern(BLOB), "the blob came back changed");
    // Half a message, and no more of it.
    assert!(matches!(
        {
            stream.write(b"QUIT\r\n")?;
            stream.read_until(b"\r\n", 5).await
        },
        Err(StreamError::LimitExceeded { bytes_max: 5 })
    ));
    stream.shutdown_write().await?;
    assert_eq!(stream.read_until_close(100).await?, b"good bye\r\n");
    stream.closed().await;
    assert!(stream.is_closing() && !stream.is_closed());
    Ok(())
}

/// Answers in capitals, and sends blobs back.
async fn answer(mut stream: IoStream) -> Result<(), StreamError> {
    loop {
        let line = stream.read_until(b"\r\n", 100).await?;
        match &*line {
            b"BLOB\r\n" => {
                let mut left = BLOB;
                while left > 0 {
                    let part = stream.read_some(left).await?;
                    left -= part.len();
                    stream.write_bytes(Bytes::from(part))?;
                    stream.drained(10_000).await?;
                }
            }
            b"QUIT\r\n" => {
                stream.write(b"good bye\r\n")?;
                break;
            }
            line => stream.write(&line.to_ascii_uppercase())?,
        }
    }
    // Nothing follows.
    let end: Result<(), StreamError> = stream.decode(|unread| Ok(Step::More(unread.len()))).await;
    assert!(matches!(end, Err(StreamError::Closed(closed)) if closed.cause().is_none()));
    assert_eq!(stream.unread_len(), 0);
    stream.drained(0).await
}

fn check_memory(options: Options) {
    let ioloop = virtual_loop();
    let (ours, theirs) = memory::pair(&ioloop, options);
    let answering = ioloop.spawn(answer(theirs));
    ioloop.run_until(ask(ours)).unwrap().unwrap();
    ioloop.run_until(answering).unwrap().unwrap().unwrap();
}

#[test]
fn in_memory() {
    check_memory(Options::default());
}

#[test]
fn in_memory_with_latency() {
    check_memory(Options {
        latency: TICK * 20,
        ..Options::default()
    });
}

#[test]
fn in_memory_byte_by_byte() {
    check_memory(Options {
        read_bytes_max: 1,
        ..Options::default()
    });
    check_memory(Options {
        write_bytes_max: 1,
        ..Options::default()
    });
}

#[test]
fn in_memory_with_little_room_and_latency() {
    check_memory(Options {
        latency: TICK,
        read_bytes_max: 70,
        write_bytes_max: 90,
        capacity: 100,
        ..Options::default()
    });
}

#[test]
fn over_tcp() {
    let ioloop = IoLoop::new().unwrap();
    let listener = Listener::bind("127.0.0.1:0", &ListenerOptions::default()).unwrap();
    let address = listener.local_addr().unwrap().inet().unwrap();
    let handle = ioloop.handle().clone();
    let (sender, mut answered) = pair(&ioloop);
    let listening = listener.accept_with(&ioloop, move |stream, _| {
        let sender = sender.handle();
        handle.spawn_detached(async move {
            answer(stream).await.unwrap();
            sender.write(b".").unwrap();
        });
    });
    for _ in 0..3 {
        let asking = async {
            let stream = IoStream::connect(&ioloop, address).await.unwrap();
            assert_eq!(stream.peer_addr(), Some(address.into()));
            ask(stream).await.unwrap();
            answered.read_bytes(1).await.unwrap();
        };
        ioloop.run_until(asking).unwrap();
    }
    drop(listening);
}
