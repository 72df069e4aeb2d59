//! Faults at every byte of a dialogue: whoever waits is told, with the cause, and what had arrived
//! before is whole.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod ends;

use std::io;

use ends::{kind_of, virtual_loop};
use squall_iostream::memory::{self, Options};
use squall_iostream::{IoStream, StreamError};

const QUESTION: &[u8] = b"question?\r\n";
const ANSWER: &[u8] = b"an answer, and a long one\r\n";
const ROUNDS: usize = 3;
/// What one end reads and writes in all.
const BYTES: usize = ROUNDS * (QUESTION.len() + ANSWER.len());

/// Asks and is answered; returns how many answers were whole.
async fn ask(mut stream: IoStream) -> (usize, Result<(), StreamError>) {
    for round in 0..ROUNDS {
        let result = async {
            stream.write(QUESTION)?;
            let answer = stream.read_until(b"\r\n", 100).await?;
            assert_eq!(answer, ANSWER);
            Ok(())
        };
        if let Err(error) = result.await {
            return (round, Err(error));
        }
    }
    (ROUNDS, Ok(()))
}

async fn answer(mut stream: IoStream) -> Result<(), StreamError> {
    loop {
        let question = stream.read_bytes(QUESTION.len()).await?;
        assert_eq!(question, QUESTION);
        stream.write(&ANSWER[..7])?;
        stream.drained(0).await?;
        stream.write(&ANSWER[7..])?;
    }
}

/// Runs the dialogue; the loop's patience fails it if anybody is left waiting.
fn run(options: Options) -> (usize, Result<(), StreamError>, Result<(), StreamError>) {
    let ioloop = virtual_loop();
    let (ours, theirs) = memory::pair(&ioloop, options);
    let answering = ioloop.spawn(answer(theirs));
    let (rounds, asked) = ioloop.run_until(ask(ours)).unwrap();
    (rounds, asked, ioloop.run_until(answering).unwrap().unwrap())
}

fn check(fault: impl Fn(usize) -> Options, kind: io::ErrorKind) {
    let is_the_fault = |end: &Result<(), StreamError>| match end {
        Err(StreamError::Closed(closed)) => kind_of(closed) == Some(kind),
        _ => false,
    };
    for after in 0..BYTES {
        for chunk in [1, 5, usize::MAX] {
            let options = Options {
                read_bytes_max: chunk,
                write_bytes_max: chunk,
                ..fault(after)
            };
            let (rounds, asked, answered) = run(options);
            let is_whole = rounds == ROUNDS && asked.is_ok();
            assert!(
                is_whole || is_the_fault(&asked) || is_the_fault(&answered),
                "after {after} bytes: {asked:?}, {answered:?}"
            );
            assert!(answered.is_err());
        }
    }
}

#[test]
fn a_read_that_fails_after_any_number_of_bytes_ends_the_dialogue() {
    let kind = io::ErrorKind::ConnectionReset;
    let fault = |after| Options {
        read_fault: Some((after, kind)),
        ..Options::default()
    };
    check(fault, kind);
}

#[test]
fn a_write_that_fails_after_any_number_of_bytes_ends_the_dialogue() {
    let kind = io::ErrorKind::TimedOut;
    let fault = |after| Options {
        write_fault: Some((after, kind)),
        ..Options::default()
    };
    check(fault, kind);
}

#[test]
fn without_faults_the_dialogue_is_whole() {
    let (rounds, asked, answered) = run(Options::default());
    assert_eq!(rounds, ROUNDS);
    assert!(asked.is_ok());
    assert!(matches!(answered, Err(StreamError::Closed(closed)) if closed.cause().is_none()));
}
