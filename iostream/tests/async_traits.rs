//! Other people's code over a stream: what is written for `futures-io` runs as it is.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod ends;

use std::io::{self, IoSlice, IoSliceMut};
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};

use ends::{Call, Script, TICK, pair, pattern, poll_once, settle, virtual_loop};
use futures_util::io::{
    AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader, copy, copy_buf,
};
use squall_iostream::memory::{self, Options};
use squall_iostream::{IoStream, StreamHandle};

const BLOB: usize = 300_000;

/// All ways of a pair: whole, in pieces, and with little room.
fn ways() -> Vec<Options> {
    let small = Options {
        latency: TICK,
        read_bytes_max: 700,
        write_bytes_max: 900,
        capacity: 1_000,
        ..Options::default()
    };
    vec![Options::default(), small]
}

/// Sends a blob by `send`, which ends with closing, and expects `receive` to get it.
fn check(
    send: impl AsyncFn(StreamHandle, &[u8]) -> io::Result<()>,
    receive: impl AsyncFn(IoStream) -> io::Result<Vec<u8>>,
) {
    for options in ways() {
        let ioloop = virtual_loop();
        let (ours, theirs) = memory::pair(&ioloop, options);
        let blob = pattern(BLOB);
        let both = futures_util::future::join(send(ours.handle(), &blob), receive(theirs));
        let (sent, received) = ioloop.run_until(both).unwrap();
        sent.unwrap();
        assert!(received.unwrap() == blob);
        assert!(!ours.is_closed(), "only the writing side");
    }
}

async fn send_all(mut writer: StreamHandle, blob: &[u8]) -> io::Result<()> {
    writer.write_all(blob).await?;
    AsyncWriteExt::close(&mut writer).await
}

async fn receive_all(mut stream: IoStream) -> io::Result<Vec<u8>> {
    let mut received = Vec::new();
    stream.read_to_end(&mut received).await?;
    // The end stays the end.
    assert_eq!(stream.read(&mut [0]).await?, 0);
    Ok(received)
}

#[test]
fn all_that_is_written_is_read() {
    check(send_all, receive_all);
}

#[test]
fn copies_go_through() {
    let send = async |mut writer: StreamHandle, blob: &[u8]| {
        copy(blob, &mut writer).await?;
        AsyncWriteExt::close(&mut writer).await
    };
    check(send, async |stream| {
        let mut received = Vec::new();
        copy(stream, &mut received).await?;
        Ok(received)
    });
    check(send, async |stream| {
        let mut received = Vec::new();
        copy_buf(stream, &mut received).await?;
        Ok(received)
    });
    check(send, async |stream| {
        let mut received = Vec::new();
        copy_buf(BufReader::with_capacity(100_000, stream), &mut received).await?;
        Ok(received)
    });
}

#[test]
fn pieces_go_and_come_in_order() {
    let send = async |mut writer: StreamHandle, mut blob: &[u8]| {
        while !blob.is_empty() {
            let (first, rest) = blob.split_at(blob.len().min(10));
            let pieces = [IoSlice::new(first), IoSlice::new(&[]), IoSlice::new(rest)];
            let count = writer.write_vectored(&pieces).await?;
            blob = &blob[count..];
        }
        AsyncWriteExt::close(&mut writer).await
    };
    check(send, async |mut stream| {
        let mut received = Vec::new();
        let (mut few, mut many) = ([0; 3], [0; 500]);
        loop {
            let mut pieces = [IoSliceMut::new(&mut few), IoSliceMut::new(&mut many)];
            let count = stream.read_vectored(&mut pieces).await?;
            if count == 0 {
                return Ok(received);
            }
            received.extend(few.iter().chain(&many).take(count));
        }
    });
}

#[test]
fn a_stream_is_split_by_others_too() {
    let ioloop = virtual_loop();
    let (ours, theirs) = pair(&ioloop);
    let echo = async {
        let (reader, mut writer) = theirs.split();
        copy(reader, &mut writer).await?;
        AsyncWriteExt::close(&mut writer).await
    };
    let talk = async {
        let (mut reader, mut writer) = ours.split();
        writer.write_all(b"one\ntwo\n").await?;
        AsyncWriteExt::close(&mut writer).await?;
        let mut all = String::new();
        reader.read_to_string(&mut all).await?;
        Ok::<_, io::Error>(all)
    };
    let (echoed, talked) = ioloop
        .run_until(futures_util::future::join(echo, talk))
        .unwrap();
    echoed.unwrap();
    assert_eq!(talked.unwrap(), "one\ntwo\n");
}

#[test]
fn lines_are_read_from_the_stream_s_own_buffer_and_the_rest_stays_in_it() {
    let ioloop = virtual_loop();
    let (ours, mut theirs) = pair(&ioloop);
    ours.handle().write(b"one\ntwo").unwrap();
    let task = async {
        let mut line = String::new();
        theirs.read_line(&mut line).await.unwrap();
        assert_eq!(line, "one\n");
        // One of the futures' reads, one of ours: there is one buffer.
        assert_eq!(theirs.unread_len(), 3);
        assert_eq!(theirs.read_bytes(3).await.unwrap(), b"two");
    };
    ioloop.run_until(task).unwrap();
}

fn poll_write(handle: &mut StreamHandle, bytes: &[u8]) -> Poll<io::Result<usize>> {
    Pin::new(handle).poll_write(&mut Context::from_waker(Waker::noop()), bytes)
}

#[test]
fn a_writer_waits_when_64_kib_are_unsent_and_goes_on_when_there_is_room() {
    let ioloop = virtual_loop();
    let (script, stream) = Script::stream(&ioloop, 0);
    let mut handle = stream.handle();
    let blob = pattern(100_000);
    assert!(matches!(
        poll_write(&mut handle, &blob),
        Poll::Ready(Ok(65_536))
    ));
    assert!(poll_write(&mut handle, &blob).is_pending());
    assert_eq!(handle.unsent_len(), 65_536);
    let mut writing = pin!(async { stream.handle().write_all(&blob[65_536..]).await });
    assert!(poll_once(writing.as_mut()).is_pending());
    script.make_room(70_000);
    ioloop.run_until(writing).unwrap().unwrap();
    let mut flushing = pin!(async { AsyncWriteExt::flush(&mut stream.handle()).await });
    assert!(poll_once(flushing.as_mut()).is_pending());
    script.make_room(1_000_000);
    ioloop.run_until(flushing).unwrap().unwrap();
    assert!(script.output() == blob);
}

#[test]
fn small_writes_of_one_turn_leave_together() {
    let ioloop = virtual_loop();
    let (script, stream) = Script::stream(&ioloop, 1_000);
    let mut handle = stream.handle();
    for _ in 0..10 {
        assert!(poll_write(&mut handle, b"x").is_ready());
    }
    settle(&ioloop);
    assert_eq!(script.calls(), [Call::Write]);
    assert_eq!(script.output(), b"xxxxxxxxxx");
}

#[test]
fn failures_and_deadlines_are_errors_and_an_empty_buffer_is_no_question() {
    let ioloop = virtual_loop();
    let (script, mut stream) = Script::stream(&ioloop, 0);
    assert!(poll_write(&mut stream.handle(), b"").is_ready());
    let mut cx = Context::from_waker(Waker::noop());
    assert!(Pin::new(&mut stream).poll_read(&mut cx, &mut []).is_ready());
    stream.set_deadline(Some(TICK));
    let late = ioloop.run_until(stream.read(&mut [0])).unwrap();
    assert_eq!(late.unwrap_err().kind(), io::ErrorKind::TimedOut);
    stream.set_deadline(Some(TICK));
    stream.handle().write(b"stuck").unwrap();
    let mut handle = stream.handle();
    let late = ioloop.run_until(AsyncWriteExt::flush(&mut handle)).unwrap();
    assert_eq!(late.unwrap_err().kind(), io::ErrorKind::TimedOut);
    script.fail(io::ErrorKind::ConnectionReset);
    script.arrive(b"");
    let failed = ioloop.run_until(stream.read(&mut [0])).unwrap();
    assert_eq!(failed.unwrap_err().kind(), io::ErrorKind::ConnectionReset);
    let failed = ioloop.run_until(AsyncWriteExt::close(&mut handle)).unwrap();
    assert_eq!(failed.unwrap_err().kind(), io::ErrorKind::ConnectionReset);
}

#[test]
fn what_we_have_closed_is_no_end_for_the_reader_and_closed_for_the_writer() {
    let ioloop = virtual_loop();
    let (_script, mut stream) = Script::stream(&ioloop, 0);
    StreamHandle::close(&stream);
    let read = ioloop.run_until(stream.read(&mut [0])).unwrap();
    assert_eq!(read.unwrap_err().kind(), io::ErrorKind::BrokenPipe);
    let mut handle = stream.handle();
    let closed = ioloop.run_until(AsyncWriteExt::close(&mut handle)).unwrap();
    closed.unwrap();
}
