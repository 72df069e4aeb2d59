//! Pipes, files, terminals and the process's own input and output.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod ends;

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::process::{Command, Stdio};

use ends::{TempPath, kind_of, pattern, settle};
use rustix::fs::{Mode, OFlags};
use rustix::pipe::PipeFlags;
use rustix::pty::OpenptFlags;
use squall_ioloop::IoLoop;
use squall_iostream::{IoStream, PipeTransport, StreamError};

fn pipe() -> (OwnedFd, OwnedFd) {
    // A child that inherited the other end would keep it open.
    rustix::pipe::pipe_with(PipeFlags::CLOEXEC).unwrap()
}

fn is_blocking(fd: &impl AsFd) -> bool {
    !rustix::fs::fcntl_getfl(fd)
        .unwrap()
        .contains(OFlags::NONBLOCK)
}

#[test]
fn one_end_writes_and_the_other_reads() {
    let ioloop = IoLoop::new().unwrap();
    let (reader, writer) = pipe();
    let mut reader = IoStream::from_pipe_reader(&ioloop, reader).unwrap();
    let writer = IoStream::from_pipe_writer(&ioloop, writer).unwrap();
    let task = async {
        // More than a pipe holds, so that both have to wait for each other.
        writer.write(&pattern(500_000)).unwrap();
        let writing = async {
            writer.drained(0).await.unwrap();
            writer.shutdown_write().await.unwrap();
        };
        let reading = reader.read_until_close(500_000);
        let ((), read) = futures_util::future::join(writing, reading).await;
        assert!(read.unwrap() == pattern(500_000));
    };
    ioloop.run_until(task).unwrap();
}

#[test]
fn a_child_is_talked_to_and_hears_the_end() {
    let mut child = Command::new("sort")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let (stdin, stdout) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
    let ioloop = IoLoop::new().unwrap();
    let mut stream = IoStream::from_pipes(&ioloop, stdout, stdin).unwrap();
    let task = async {
        stream.write(b"b\na\nc\n").unwrap();
        stream.shutdown_write().await.unwrap();
        assert_eq!(stream.read_until_close(100).await.unwrap(), b"a\nb\nc\n");
    };
    ioloop.run_until(task).unwrap();
    assert!(child.wait().unwrap().success());
}

#[test]
fn a_writer_learns_that_nobody_reads() {
    let ioloop = IoLoop::new().unwrap();
    let (reader, writer) = pipe();
    let stream = IoStream::from_pipe_writer(&ioloop, writer).unwrap();
    settle(&ioloop);
    assert!(!stream.is_closing());
    drop(reader);
    ioloop.run_until(stream.closed()).unwrap();
    stream.write(b"anybody?").unwrap();
    let end = ioloop.run_until(stream.drained(0)).unwrap();
    let Err(StreamError::Closed(closed)) = end else {
        panic!("{end:?}");
    };
    assert_eq!(kind_of(&closed), Some(io::ErrorKind::BrokenPipe));
}

#[test]
fn that_nobody_reads_is_no_end_of_what_is_read() {
    let ioloop = IoLoop::new().unwrap();
    let ((reader, mut theirs), (gone, writer)) = (pipe(), pipe());
    let mut stream = IoStream::from_pipes(&ioloop, reader, writer).unwrap();
    drop(gone);
    settle(&ioloop);
    assert!(!stream.is_closing());
    let mut last_words = File::from(theirs.try_clone().unwrap());
    last_words.write_all(b"still here").unwrap();
    assert_eq!(
        ioloop.run_until(stream.read_bytes(10)).unwrap().unwrap(),
        b"still here"
    );
    theirs = pipe().1;
    drop((theirs, last_words));
    let end = ioloop.run_until(stream.read_some(1)).unwrap();
    assert!(matches!(end, Err(StreamError::Closed(closed)) if closed.cause().is_none()));
}

#[test]
fn each_end_is_for_one_thing() {
    let ioloop = IoLoop::new().unwrap();
    let (reader, writer) = pipe();
    let mut writer = IoStream::from_pipe_writer(&ioloop, writer).unwrap();
    let end = ioloop.run_until(writer.read_some(1)).unwrap();
    assert!(matches!(end, Err(StreamError::Closed(closed)) if closed.cause().is_none()));
    let reader = IoStream::from_pipe_reader(&ioloop, reader).unwrap();
    reader.write(b"?").unwrap();
    let end = ioloop.run_until(reader.drained(0)).unwrap();
    let Err(StreamError::Closed(closed)) = end else {
        panic!("{end:?}");
    };
    assert_eq!(kind_of(&closed), Some(io::ErrorKind::Unsupported));
}

#[test]
fn a_descriptor_of_the_wrong_kind_is_refused() {
    let check = |result: io::Result<PipeTransport>| {
        assert_eq!(result.unwrap_err().kind(), io::ErrorKind::InvalidInput);
    };
    let (reader, writer) = pipe();
    check(PipeTransport::reader(writer));
    check(PipeTransport::writer(reader));
    check(PipeTransport::reader(File::open("/").unwrap()));
}

#[test]
fn files_are_read_and_written() {
    let ioloop = IoLoop::new().unwrap();
    let path = TempPath::new("file");
    let task = async {
        let writer = IoStream::from_pipe_writer(&ioloop, File::create(&path).unwrap()).unwrap();
        writer.write(&pattern(1_000_000)).unwrap();
        writer.drained(0).await.unwrap();
        drop(writer);
        let mut reader = IoStream::from_pipe_reader(&ioloop, File::open(&path).unwrap()).unwrap();
        assert!(reader.read_until_close(1_000_000).await.unwrap() == pattern(1_000_000));
    };
    ioloop.run_until(task).unwrap();
}

#[test]
fn the_void_takes_everything_and_gives_nothing() {
    let ioloop = IoLoop::new().unwrap();
    let void = File::options()
        .read(true)
        .write(true)
        .open("/dev/null")
        .unwrap();
    let mut stream = IoStream::from_pipes(&ioloop, void.try_clone().unwrap(), void).unwrap();
    let task = async {
        stream.write(&pattern(200_000)).unwrap();
        stream.drained(0).await.unwrap();
        assert_eq!(stream.read_until_close(1).await.unwrap(), b"");
    };
    ioloop.run_until(task).unwrap();
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_is_an_error_and_no_wait() {
    let ioloop = IoLoop::new().unwrap();
    let full = File::options().write(true).open("/dev/full").unwrap();
    let stream = IoStream::from_pipe_writer(&ioloop, full).unwrap();
    stream.write(b"no room").unwrap();
    let end = ioloop.run_until(stream.drained(0)).unwrap();
    let Err(StreamError::Closed(closed)) = end else {
        panic!("{end:?}");
    };
    assert_eq!(kind_of(&closed), Some(io::ErrorKind::StorageFull));
}

#[test]
fn pipes_move_to_another_loop() {
    let (here, there) = (IoLoop::new().unwrap(), IoLoop::new().unwrap());
    let ((reader, theirs_out), (theirs_in, writer)) = (pipe(), pipe());
    let mut stream = IoStream::from_pipes(&here, reader, writer).unwrap();
    let mut theirs = IoStream::from_pipes(&there, theirs_in, theirs_out).unwrap();
    theirs.write(b"first second").unwrap();
    theirs.flush();
    assert_eq!(
        here.run_until(stream.read_bytes(6)).unwrap().unwrap(),
        b"first "
    );
    let (transport, unread) = stream.into_parts().unwrap();
    assert_eq!(unread, b"second");
    let stream = IoStream::new(&there, transport).unwrap();
    let task = async {
        stream.write(&pattern(300_000)).unwrap();
        let (drained, read) =
            futures_util::future::join(stream.drained(0), theirs.read_bytes(300_000)).await;
        drained.unwrap();
        assert!(read.unwrap() == pattern(300_000));
    };
    there.run_until(task).unwrap();
}

/// A terminal: our side of it, and the side of its programs.
fn terminal() -> (File, File) {
    let ours = rustix::pty::openpt(OpenptFlags::RDWR | OpenptFlags::CLOEXEC).unwrap();
    rustix::pty::grantpt(&ours).unwrap();
    rustix::pty::unlockpt(&ours).unwrap();
    let name = rustix::pty::ptsname(&ours, Vec::new()).unwrap();
    let flags = OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC;
    let theirs = rustix::fs::open(name, flags, Mode::empty()).unwrap();
    (ours.into(), theirs.into())
}

#[test]
fn a_terminal_gives_one_line_at_a_time_and_all_of_them() {
    let ioloop = IoLoop::new().unwrap();
    let (mut ours, theirs) = terminal();
    ours.write_all(b"one\ntwo\nthree\n").unwrap();
    let mut stream = IoStream::from_pipe_reader(&ioloop, theirs).unwrap();
    let read = ioloop.run_until(stream.read_bytes(14)).unwrap().unwrap();
    assert_eq!(read, b"one\ntwo\nthree\n");
}

// ---- standard input and output: a child that is this very test

const ROLE: &str = "SQUALL_TEST_STDIO";

/// In the child: answers lines in capitals until the end of the input. In the parent: nothing.
#[test]
fn the_child_answers() {
    if std::env::var_os(ROLE).is_none() {
        return;
    }
    let ioloop = IoLoop::new().unwrap();
    let mut stream = IoStream::stdio(&ioloop).unwrap();
    let task = async {
        while let Ok(line) = stream.read_until(b"\n", 1000).await {
            stream.write(b"> ").unwrap();
            stream.write(&line.to_ascii_uppercase()).unwrap();
        }
        stream.drained(0).await.unwrap();
    };
    ioloop.run_until(task).unwrap();
}

fn child(stdin: impl Into<Stdio>, stdout: impl Into<Stdio>) -> std::process::Child {
    Command::new(std::env::current_exe().unwrap())
        .args([
            "--exact",
            "the_child_answers",
            "--nocapture",
            "--test-threads=1",
        ])
        .env(ROLE, "child")
        .stdin(stdin)
        .stdout(stdout)
        .spawn()
        .unwrap()
}

/// What the child has answered, among what the test's own frame says.
fn answers(output: &str) -> Vec<&str> {
    let lines = output.lines().filter_map(|line| line.split_once("> "));
    lines.map(|(_, answer)| answer.trim_end()).collect()
}

#[test]
fn stdio_over_pipes_leaves_them_as_they_were() {
    let ((their_in, our_out), (our_in, their_out)) = (pipe(), pipe());
    let (shared_in, shared_out) = (
        their_in.try_clone().unwrap(),
        their_out.try_clone().unwrap(),
    );
    let mut child = child(their_in, their_out);
    File::from(our_out).write_all(b"one\ntwo\n").unwrap();
    assert!(child.wait().unwrap().success());
    assert!(is_blocking(&shared_in) && is_blocking(&shared_out));
    drop(shared_out);
    let mut output = String::new();
    File::from(our_in).read_to_string(&mut output).unwrap();
    assert_eq!(answers(&output), ["ONE", "TWO"]);
}

#[test]
fn stdio_over_files_goes_on_where_they_were() {
    let (input, output) = (TempPath::new("stdin"), TempPath::new("stdout"));
    std::fs::write(&input, b"one\ntwo\nwithout an end").unwrap();
    let mut stdin = File::open(&input).unwrap();
    let mut head = [0; 4];
    stdin.read_exact(&mut head).unwrap();
    let mut child = child(stdin, File::create(&output).unwrap());
    assert!(child.wait().unwrap().success());
    assert_eq!(answers(&std::fs::read_to_string(&output).unwrap()), ["TWO"]);
}

#[test]
fn stdio_over_a_socket_leaves_it_as_it_was() {
    let (mut ours, theirs) = std::os::unix::net::UnixStream::pair().unwrap();
    let shared = theirs.try_clone().unwrap();
    let mut child = child(
        OwnedFd::from(theirs.try_clone().unwrap()),
        OwnedFd::from(theirs),
    );
    ours.write_all(b"one\n").unwrap();
    ours.shutdown(std::net::Shutdown::Write).unwrap();
    assert!(child.wait().unwrap().success());
    assert!(is_blocking(&shared));
    drop(shared);
    let mut output = String::new();
    ours.read_to_string(&mut output).unwrap();
    assert_eq!(answers(&output), ["ONE"]);
}

#[test]
fn stdio_over_a_terminal_leaves_it_as_it_was() {
    let (mut ours, theirs) = terminal();
    let shared = theirs.try_clone().unwrap();
    let mut child = child(theirs.try_clone().unwrap(), theirs);
    // Two lines, and the end that a terminal's user types.
    ours.write_all(b"one\ntwo\n\x04").unwrap();
    let mut output = Vec::new();
    while !output.ends_with(b"TWO\r\n") {
        let mut byte = [0];
        ours.read_exact(&mut byte).unwrap();
        output.extend(byte);
    }
    assert!(is_blocking(&shared));
    assert!(child.wait().unwrap().success());
    assert_eq!(
        answers(std::str::from_utf8(&output).unwrap()),
        ["ONE", "TWO"]
    );
}
