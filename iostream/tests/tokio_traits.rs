//! Tokio's I/O over a stream, without its runtime: readers, writers, and a codec of `tokio-util`.

#![cfg(feature = "tokio")]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod ends;

use ends::{TICK, pair, pattern, virtual_loop};
use futures_util::{SinkExt, StreamExt};
use squall_ioloop::IoLoop;
use squall_iostream::IoStream;
use squall_iostream::memory::{self, Options};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_util::codec::{Framed, LinesCodec};

#[test]
fn all_that_is_written_is_read() {
    let ioloop = virtual_loop();
    let small = Options {
        latency: TICK,
        read_bytes_max: 700,
        write_bytes_max: 900,
        capacity: 1_000,
        ..Options::default()
    };
    for options in [Options::default(), small] {
        let (ours, mut theirs) = memory::pair(&ioloop, options);
        let blob = pattern(300_000);
        let send = async {
            let mut writer = ours.handle();
            writer.write_all(&blob).await?;
            AsyncWriteExt::flush(&mut writer).await?;
            writer.shutdown().await
        };
        let mut received = Vec::new();
        let receive = theirs.read_to_end(&mut received);
        let both = futures_util::future::join(send, receive);
        let (sent, count) = ioloop.run_until(both).unwrap();
        sent.unwrap();
        assert_eq!(count.unwrap(), blob.len());
        assert!(received == blob);
    }
}

#[test]
fn both_directions_are_copied_by_tokio_s_own() {
    let ioloop = virtual_loop();
    let ((mut client, mut front), (mut back, mut server)) = (pair(&ioloop), pair(&ioloop));
    let relay = tokio::io::copy_bidirectional(&mut front, &mut back);
    let ask = async {
        client.write_all(b"hello").await?;
        client.shutdown().await?;
        let mut answer = String::new();
        client.read_to_string(&mut answer).await?;
        Ok::<_, std::io::Error>(answer)
    };
    let answer = async {
        let mut question = String::new();
        server.read_to_string(&mut question).await?;
        server.write_all(question.to_uppercase().as_bytes()).await?;
        server.shutdown().await
    };
    let (relayed, asked, answered) = ioloop
        .run_until(futures_util::future::join3(relay, ask, answer))
        .unwrap();
    assert_eq!(relayed.unwrap(), (5, 5));
    assert_eq!(asked.unwrap(), "HELLO");
    answered.unwrap();
}

#[test]
fn a_codec_of_tokio_util_runs_over_a_socket() {
    let ioloop = IoLoop::new().unwrap();
    let (ours, theirs) = IoStream::unix_pair(&ioloop).unwrap();
    let mut ours = Framed::new(ours, LinesCodec::new());
    let serve = async {
        let mut theirs = Framed::new(theirs, LinesCodec::new());
        while let Some(line) = theirs.next().await {
            theirs.send(line.unwrap().to_uppercase()).await.unwrap();
        }
    };
    let ask = async {
        for line in ["one", "two", "three"] {
            ours.send(line).await.unwrap();
            assert_eq!(ours.next().await.unwrap().unwrap(), line.to_uppercase());
        }
        SinkExt::<&str>::close(&mut ours).await.unwrap();
        assert!(ours.next().await.is_none());
        drop(ours);
    };
    ioloop
        .run_until(futures_util::future::join(serve, ask))
        .unwrap();
}
