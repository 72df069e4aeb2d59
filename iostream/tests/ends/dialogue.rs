//! The dialogue that every transport has to carry: every kind of read, every kind of write, and
//! each end learns of the other's.

use bytes::Bytes;
use squall_iostream::{IoStream, Step, StreamError};

use super::pattern;

const BLOB: usize = 150_000;

/// Asks; every kind of read, every kind of write.
pub(crate) async fn ask(mut stream: IoStream) -> Result<(), StreamError> {
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
pub(crate) async fn answer(mut stream: IoStream) -> Result<(), StreamError> {
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
