//! Where the lines of an access log go: files, full disks, files that are renamed, destinations
//! that stall. With real files and threads; what is waited for is work, not time.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::fs;
use std::io::{self, Write};
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

use squall_httpserver::{AccessLog, Config, LogFormat, LogWriter};
use squall_ioloop::sleep;
use support::lines::Lines;
use support::{Crlf, World, tell_target};

fn world(writer: &LogWriter) -> World {
    let log = AccessLog::new(LogFormat::Tornado, writer.clone());
    World::with_config(Config::default().with_access_log(log), tell_target)
}

/// A request, answered; its line waits.
fn ask(world: &World, target: &str) {
    let request = format!("GET {target} HTTP/1.1\nhost: a\nconnection: close\n\n");
    world.talk(request.crlf());
    world.settle();
}

fn ask_many(world: &World, count: usize) {
    let one = "GET /many HTTP/1.1\nhost: a\n\n".crlf();
    let last = "GET /many HTTP/1.1\nhost: a\nconnection: close\n\n".crlf();
    world.talk(one.repeat(count - 1) + &last);
    world.settle();
}

/// Lets the interval pass, and what is then to be written be written.
fn let_it_write(world: &World) {
    world.run(sleep(Duration::from_millis(1001)));
    world.settle();
}

/// Only the targets, in order.
fn targets(text: &str) -> String {
    let words = text.lines().map(|line| line.split(' ').nth(5).unwrap());
    words.collect::<Vec<_>>().join(" ")
}

struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let name = format!("squall-log-{}-{name}", std::process::id());
        let path = std::env::temp_dir().join(name);
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn file(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

#[test]
fn a_line_is_written_when_the_interval_is_over_and_not_before() {
    let lines = Lines::default();
    let world = world(&LogWriter::new(lines.clone()));
    ask(&world, "/1");
    ask(&world, "/2");
    world.run(sleep(Duration::from_millis(998)));
    world.settle();
    assert_eq!(lines.text(), "");
    world.run(sleep(Duration::from_millis(5)));
    world.settle();
    assert_eq!(targets(&lines.text()), "/1 /2");
    ask(&world, "/3");
    let_it_write(&world);
    assert_eq!(targets(&lines.text()), "/1 /2 /3");
}

#[test]
fn a_full_buffer_is_written_at_once() {
    let lines = Lines::default();
    // A line has some fifty octets.
    let world = world(&LogWriter::new(lines.clone()).with_buffer_bytes(500));
    ask_many(&world, 100);
    world.run(async {
        // For the thread: no virtual time passes while it works.
        while lines.text().is_empty() {
            sleep(Duration::ZERO).await;
        }
    });
    assert!(lines.text().lines().count() >= 10);
    world.run(world.server.stop(Duration::ZERO));
    assert_eq!(lines.text().lines().count(), 100);
}

#[test]
fn no_line_is_dropped_while_nothing_stalls_however_little_may_wait() {
    let lines = Lines::default();
    let world = world(&LogWriter::new(lines.clone()).with_waiting_bytes_max(500));
    for _ in 0..3 {
        let before = lines.text().len();
        ask_many(&world, 13);
        assert_eq!(world.server.metrics().log_lines_dropped, 0);
        world.run(async {
            while lines.text().len() == before {
                sleep(Duration::ZERO).await;
            }
        });
    }
    world.run(world.server.stop(Duration::ZERO));
    assert_eq!(world.server.metrics().log_lines_dropped, 0);
    assert_eq!(lines.text().lines().count(), 39);
}

#[test]
fn a_server_that_stops_writes_what_waits() {
    let lines = Lines::default();
    let world = world(&LogWriter::new(lines.clone()));
    ask(&world, "/last");
    world.run(world.server.stop(Duration::ZERO));
    assert_eq!(targets(&lines.text()), "/last");
}

#[test]
fn a_server_that_goes_without_having_stopped_writes_what_waits() {
    let lines = Lines::default();
    let world = world(&LogWriter::new(lines.clone()));
    ask(&world, "/last");
    drop(world);
    assert_eq!(targets(&lines.text()), "/last");
}

#[test]
fn a_file_is_appended_to_and_made_anew_when_it_was_renamed() {
    let folder = Folder::new("rotation");
    let (path, rotated) = (folder.file("access.log"), folder.file("access.log.1"));
    fs::write(&path, "[I 261124 18:08:16] 200 GET /old (-) 0.00ms\n").unwrap();
    let writer = LogWriter::file(&path).unwrap();
    let world = world(&writer);
    ask(&world, "/1");
    let_it_write(&world);
    fs::rename(&path, &rotated).unwrap();
    // Until it is told, it writes to the file that it has.
    ask(&world, "/2");
    let_it_write(&world);
    writer.reopen();
    ask(&world, "/3");
    let_it_write(&world);
    assert_eq!(
        targets(&fs::read_to_string(&rotated).unwrap()),
        "/old /1 /2"
    );
    assert_eq!(targets(&fs::read_to_string(&path).unwrap()), "/3");
    assert_eq!(writer.lines_dropped(), 0);
}

#[test]
fn a_file_that_cannot_be_reopened_is_written_to_further() {
    let folder = Folder::new("gone");
    let (within, moved) = (folder.file("logs"), folder.file("moved"));
    fs::create_dir(&within).unwrap();
    let writer = LogWriter::file(within.join("access.log")).unwrap();
    let world = world(&writer);
    fs::rename(&within, &moved).unwrap();
    writer.reopen();
    ask(&world, "/kept");
    let_it_write(&world);
    let text = fs::read_to_string(moved.join("access.log")).unwrap();
    assert_eq!(targets(&text), "/kept");
}

#[test]
fn a_log_that_cannot_be_opened_is_an_error_at_once() {
    let folder = Folder::new("nowhere");
    let error = LogWriter::file(folder.file("no/access.log")).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::NotFound);
}

#[test]
#[cfg(target_os = "linux")]
fn a_full_disk_costs_lines_and_no_request() {
    let writer = LogWriter::file("/dev/full").unwrap();
    let world = world(&writer);
    for count in 1..=3 {
        ask(&world, "/lost");
        let_it_write(&world);
        assert_eq!(writer.lines_dropped(), count);
    }
    assert_eq!(world.server.metrics().log_lines_dropped, 3);
    world.assert_well();
}

/// Says when it is asked to write, and takes nothing until it is told to.
struct Stalled {
    asked: Sender<()>,
    release: Receiver<()>,
    lines: Lines,
}

impl Write for Stalled {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let _ = self.asked.send(());
        let _ = self.release.recv();
        self.lines.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_destination_that_stalls_holds_up_nobody_and_lines_wait_up_to_a_bound() {
    let (asked, is_asked) = channel();
    let (release, is_released) = channel();
    let lines = Lines::default();
    let writer = LogWriter::new(Stalled {
        asked,
        release: is_released,
        lines: lines.clone(),
    });
    let writer = writer.with_buffer_bytes(1).with_waiting_bytes_max(1000);
    let world = world(&writer);
    // It is given to a thread, which is stuck from now on.
    ask(&world, "/first");
    is_asked.recv().unwrap();
    ask_many(&world, 100);
    let dropped = writer.lines_dropped();
    assert!((50..90).contains(&dropped), "{dropped}");
    drop(release);
    world.run(world.server.stop(Duration::ZERO));
    assert_eq!(lines.text().lines().count() as u64, 101 - dropped);
    assert_eq!(writer.lines_dropped(), dropped);
}

#[test]
fn servers_share_a_destination_and_tear_no_line_of_each_other() {
    let lines = Lines::default();
    let writer = LogWriter::new(lines.clone()).with_buffer_bytes(100);
    let threads = [1, 2, 3].map(|_| {
        let writer = writer.clone();
        std::thread::spawn(move || {
            let world = world(&writer);
            ask_many(&world, 300);
            world.run(world.server.stop(Duration::ZERO));
        })
    });
    for thread in threads {
        thread.join().unwrap();
    }
    let text = lines.text();
    assert_eq!(text.lines().count(), 900);
    assert!(
        text.lines()
            .all(|line| line.ends_with("] 200 GET /many (-) 0.00ms"))
    );
}
