//! `add_handler`: a user's descriptor, level-triggered.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod recorder;

use std::cell::{Cell, RefCell};
use std::fs::File;
use std::io::{ErrorKind, Read, Write};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::rc::Rc;
use std::time::Duration;

use recorder::{Log, OnDrop};
use squall_ioloop::{Interest, IoLoop, Ready};

fn one_turn(ioloop: &IoLoop) {
    ioloop.run_once(Some(Duration::ZERO)).unwrap();
}

type Seen = Rc<RefCell<Vec<Ready>>>;

/// A handler that reads nothing and writes nothing, only notes what it is told.
fn watch(
    ioloop: &IoLoop,
    stream: &UnixStream,
    interest: Interest,
) -> (squall_ioloop::HandlerId, Seen) {
    let seen = Seen::default();
    let inner = seen.clone();
    let id = ioloop
        .add_handler(stream, interest, move |_, ready| {
            inner.borrow_mut().push(ready)
        })
        .unwrap();
    (id, seen)
}

#[test]
fn what_is_left_unread_is_reported_in_every_turn_and_what_is_read_no_more() {
    let ioloop = IoLoop::new().unwrap();
    let (ours, mut theirs) = UnixStream::pair().unwrap();
    let (_, seen) = watch(&ioloop, &ours, Interest::Read);
    one_turn(&ioloop);
    assert!(seen.borrow().is_empty());
    theirs.write_all(b"ab").unwrap();
    for turns in 1..=3 {
        one_turn(&ioloop);
        assert_eq!(*seen.borrow(), vec![Ready::READABLE; turns]);
    }
    (&ours).read_exact(&mut [0; 2]).unwrap();
    seen.take();
    // Armed when there was something to read: the poller looks again before it reports.
    one_turn(&ioloop);
    one_turn(&ioloop);
    assert!(seen.borrow().is_empty());
    theirs.write_all(b"c").unwrap();
    one_turn(&ioloop);
    assert_eq!(*seen.borrow(), [Ready::READABLE]);
}

#[test]
fn a_writable_descriptor_is_reported_until_it_is_full() {
    let ioloop = IoLoop::new().unwrap();
    let (ours, _theirs) = UnixStream::pair().unwrap();
    ours.set_nonblocking(true).unwrap();
    let (_, seen) = watch(&ioloop, &ours, Interest::Write);
    one_turn(&ioloop);
    one_turn(&ioloop);
    assert_eq!(*seen.borrow(), [Ready::WRITABLE; 2]);
    while (&ours).write(&[0; 4096]).is_ok() {}
    seen.take();
    one_turn(&ioloop);
    one_turn(&ioloop);
    assert!(seen.borrow().is_empty());
}

#[test]
fn the_end_of_the_stream_is_reported_until_the_handler_is_removed() {
    let ioloop = IoLoop::new().unwrap();
    let (ours, theirs) = UnixStream::pair().unwrap();
    let (id, seen) = watch(&ioloop, &ours, Interest::Read);
    drop(theirs);
    one_turn(&ioloop);
    one_turn(&ioloop);
    assert_eq!(seen.borrow().len(), 2);
    assert!(seen.borrow()[0].contains(Ready::READABLE | Ready::READ_CLOSED));
    ioloop.remove_handler(id);
    one_turn(&ioloop);
    assert_eq!(seen.borrow().len(), 2);
}

#[test]
fn update_handler_changes_what_it_waits_for() {
    let ioloop = IoLoop::new().unwrap();
    let (ours, mut theirs) = UnixStream::pair().unwrap();
    let (id, seen) = watch(&ioloop, &ours, Interest::Read);
    one_turn(&ioloop);
    assert!(seen.borrow().is_empty());
    ioloop.update_handler(id, Interest::Write).unwrap();
    one_turn(&ioloop);
    assert_eq!(*seen.borrow(), [Ready::WRITABLE]);
    theirs.write_all(b"x").unwrap();
    ioloop.update_handler(id, Interest::Both).unwrap();
    seen.take();
    one_turn(&ioloop);
    assert_eq!(*seen.borrow(), [Ready::READABLE | Ready::WRITABLE]);
    ioloop.remove_handler(id);
    let gone = ioloop.update_handler(id, Interest::Read).unwrap_err();
    assert_eq!(gone.kind(), ErrorKind::NotFound);
}

#[test]
fn a_handler_can_update_itself() {
    let ioloop = IoLoop::new().unwrap();
    let (ours, _theirs) = UnixStream::pair().unwrap();
    let calls = Rc::new(Cell::new(0));
    let own_id = Rc::new(Cell::new(None));
    let (inner, inner_id) = (calls.clone(), own_id.clone());
    let id = ioloop
        .add_handler(&ours, Interest::Write, move |ioloop, _| {
            inner.set(inner.get() + 1);
            let id = inner_id.get().expect("set by the test");
            ioloop.update_handler(id, Interest::Read).unwrap();
        })
        .unwrap();
    own_id.set(Some(id));
    one_turn(&ioloop);
    one_turn(&ioloop);
    assert_eq!(calls.get(), 1);
}

/// kqueue replaces what it knows of a descriptor, and says nothing.
#[test]
#[cfg(any(target_os = "linux", target_os = "android"))]
fn the_same_descriptor_twice_is_refused() {
    let ioloop = IoLoop::new().unwrap();
    let log = Log::default();
    let (ours, mut theirs) = UnixStream::pair().unwrap();
    let (id, seen) = watch(&ioloop, &ours, Interest::Read);
    let owned = OnDrop(log.clone(), "dropped");
    let refused = ioloop.add_handler(&ours, Interest::Read, move |_, _| {
        let _owned = &owned;
    });
    assert_eq!(refused.unwrap_err().kind(), ErrorKind::AlreadyExists);
    assert_eq!(log.take(), ["dropped"]);
    // The first one is unharmed.
    theirs.write_all(b"x").unwrap();
    one_turn(&ioloop);
    assert_eq!(*seen.borrow(), [Ready::READABLE]);
    ioloop.remove_handler(id);
    watch(&ioloop, &ours, Interest::Read);
}

#[test]
#[cfg(any(target_os = "linux", target_os = "android"))]
fn a_regular_file_is_refused() {
    let ioloop = IoLoop::new().unwrap();
    let file = File::open(file!().trim_start_matches("ioloop/")).unwrap();
    let refused = ioloop.add_handler(&file, Interest::Read, |_, _| ());
    assert_eq!(refused.unwrap_err().kind(), ErrorKind::PermissionDenied);
}

/// Against the rules, and yet the loop must say so and live.
#[test]
fn a_descriptor_closed_before_its_handler_is_removed_harms_nobody() {
    let ioloop = IoLoop::new().unwrap();
    let (ours, mut theirs) = UnixStream::pair().unwrap();
    theirs.write_all(b"x").unwrap();
    let ours = Rc::new(Cell::new(Some(OwnedFd::from(ours))));
    let fd = ours.take().unwrap();
    let log = Log::default();
    let (inner, closing) = (log.clone(), ours.clone());
    let id = ioloop
        .add_handler(&fd, Interest::Read, move |_, _| {
            inner.push("told");
            drop(closing.take());
        })
        .unwrap();
    ours.set(Some(fd));
    // Closed within the call: it cannot be armed again, so it is removed.
    one_turn(&ioloop);
    one_turn(&ioloop);
    assert_eq!(log.take(), ["told"]);
    let gone = ioloop.update_handler(id, Interest::Read).unwrap_err();
    assert_eq!(gone.kind(), ErrorKind::NotFound);
    ioloop.remove_handler(id);
}

#[test]
fn the_same_descriptor_may_be_on_two_loops() {
    let loops = [IoLoop::new().unwrap(), IoLoop::new().unwrap()];
    let (ours, mut theirs) = UnixStream::pair().unwrap();
    let seen = loops
        .each_ref()
        .map(|ioloop| watch(ioloop, &ours, Interest::Read).1);
    theirs.write_all(b"x").unwrap();
    for (ioloop, seen) in loops.iter().zip(&seen) {
        one_turn(ioloop);
        assert_eq!(*seen.borrow(), [Ready::READABLE]);
    }
}

#[test]
fn a_pipe_a_duplicate_and_a_borrowed_descriptor_can_be_watched() {
    let ioloop = IoLoop::new().unwrap();
    let log = Log::default();
    let (mut writer, reader) = mio::unix::pipe::new().unwrap();
    let duplicate = reader.as_fd().try_clone_to_owned().unwrap();
    assert_ne!(reader.as_raw_fd(), duplicate.as_raw_fd());
    for fd in [reader.as_fd(), duplicate.as_fd()] {
        let inner = log.clone();
        ioloop
            .add_handler(&fd, Interest::Read, move |_, _| inner.push("told"))
            .unwrap();
    }
    writer.write_all(b"x").unwrap();
    one_turn(&ioloop);
    assert_eq!(log.take(), ["told"; 2]);
}
