//! Handing listening sockets over: between two loops of one process, and between two processes
//! with clients that connect all the while.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod ends;

use std::cell::Cell;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::process::{Command, Stdio};
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use ends::folder::Folder;
use ends::turns::turn_until;
use squall_ioloop::IoLoop;
use squall_iostream::handover::{self, HandoverError, Offer, Taken};
use squall_iostream::{IoStream, TcpServer};

const LONG: Duration = Duration::from_secs(30);

/// A server that says who it is to each line.
fn server(ioloop: &IoLoop, name: &'static str) -> TcpServer {
    TcpServer::new(ioloop, move |mut stream: IoStream, _peer| async move {
        loop {
            stream.read_until(b"\n", 100).await?;
            stream.write(name.as_bytes())?;
            stream.drained(0).await?;
        }
        #[allow(unreachable_code, reason = "tells the type of the loop's errors")]
        Ok::<(), squall_iostream::StreamError>(())
    })
}

fn offer_all(ioloop: &IoLoop, path: &Path, server: &TcpServer) -> Offer {
    let offer = Offer::bind(ioloop, path).unwrap();
    server.offer_to(&offer, "echo").unwrap();
    offer
}

fn take(ioloop: &IoLoop, path: &Path) -> Result<Option<Taken>, HandoverError> {
    let path = path.to_owned();
    let handle = ioloop.handle().clone();
    ioloop
        .run_until(async move { handover::take(&handle, path, LONG).await })
        .unwrap()
}

/// Asks, and returns who has answered.
fn ask(mut socket: impl Read + Write) -> String {
    socket.write_all(b"who?\n").unwrap();
    let mut name = [0; 3];
    socket.read_exact(&mut name).unwrap();
    String::from_utf8(name.to_vec()).unwrap()
}

#[test]
fn two_loops_share_the_sockets_until_the_new_one_is_ready() {
    let folder = Folder::new();
    let (path, unix) = (folder.path("handover"), folder.path("socket"));
    let (tx, rx) = std::sync::mpsc::channel();
    let old_paths = (path.clone(), unix.clone());
    let old = std::thread::spawn(move || {
        let ioloop = IoLoop::new().unwrap();
        let server = server(&ioloop, "old");
        let address = server.listen(0, Some("127.0.0.1")).unwrap()[0].clone();
        server.listen_unix(&old_paths.1).unwrap();
        let offer = offer_all(&ioloop, &old_paths.0, &server);
        tx.send(address.inet().unwrap()).unwrap();
        ioloop
            .run_until(async {
                offer.taken().await;
                server.drain(LONG).await
            })
            .unwrap()
    });
    let address = rx.recv().unwrap();
    let mut early = TcpStream::connect(address).unwrap();
    assert_eq!(ask(&mut early), "old");

    // A successor that changes its mind leaves all as it was, the file included.
    let ioloop = IoLoop::new().unwrap();
    let taken = take(&ioloop, &path).unwrap().unwrap();
    assert_eq!(taken.listeners.len(), 2);
    drop(taken);
    assert!(unix.exists());
    assert_eq!(ask(TcpStream::connect(address).unwrap()), "old");

    let taken = take(&ioloop, &path).unwrap().unwrap();
    let new = server(&ioloop, "new");
    for named in taken.listeners {
        assert_eq!(named.name, "echo");
        new.add_listener(named.listener).unwrap();
    }
    ioloop
        .run_until(taken.confirmation.confirm())
        .unwrap()
        .unwrap();
    // The path is free for the next offer, and the old one serves whom it has.
    let next = offer_all(&ioloop, &path, &new);
    assert_eq!(ask(&mut early), "old");
    drop(early);
    let report = old.join().unwrap();
    assert_eq!((report.cut, report.left), (0, 0));

    assert!(unix.exists(), "the file is the new one's");
    let asked = [
        std::thread::spawn(move || ask(TcpStream::connect(address).unwrap())),
        {
            let unix = unix.clone();
            std::thread::spawn(move || ask(UnixStream::connect(unix).unwrap()))
        },
    ];
    turn_until(&ioloop, || asked.iter().all(|asked| asked.is_finished()));
    for asked in asked {
        assert_eq!(asked.join().unwrap(), "new");
    }
    drop((next, new.stop()));
    assert!(!unix.exists() && !path.exists());
}

/// A server on a socket's file, and an exchange in which it is handed over, up to the confirmation.
fn exchange(ioloop: &IoLoop, folder: &Folder) -> (TcpServer, Offer, Taken) {
    let old = server(ioloop, "old");
    old.listen_unix(folder.path("socket")).unwrap();
    let offer = offer_all(ioloop, &folder.path("handover"), &old);
    let taken = take(ioloop, &folder.path("handover")).unwrap().unwrap();
    (old, offer, taken)
}

#[test]
fn a_server_that_stops_before_it_is_confirmed_leaves_the_file_to_its_successor() {
    let (folder, ioloop) = (Folder::new(), IoLoop::new().unwrap());
    let unix = folder.path("socket");
    let (old, _offer, taken) = exchange(&ioloop, &folder);
    let new = server(&ioloop, "new");
    for named in taken.listeners {
        new.add_listener(named.listener).unwrap();
    }
    old.stop();
    drop(old);
    assert!(unix.exists(), "it may be the successor's");
    let confirmed = ioloop.run_until(taken.confirmation.confirm());
    confirmed.unwrap().unwrap();
    let path = unix.clone();
    let asked = std::thread::spawn(move || ask(UnixStream::connect(path).unwrap()));
    turn_until(&ioloop, || asked.is_finished());
    assert_eq!(asked.join().unwrap(), "new");
    new.stop();
    assert!(!unix.exists());
}

#[test]
fn a_server_that_has_stopped_and_is_not_confirmed_removes_its_file() {
    let (folder, ioloop) = (Folder::new(), IoLoop::new().unwrap());
    let unix = folder.path("socket");
    let (old, _offer, taken) = exchange(&ioloop, &folder);
    old.stop();
    assert!(unix.exists());
    drop(taken);
    turn_until(&ioloop, || !unix.exists());
}

#[test]
fn a_file_that_is_gone_when_it_is_confirmed_is_told_of() {
    let (folder, ioloop) = (Folder::new(), IoLoop::new().unwrap());
    let unix = folder.path("socket");
    let (_old, offer, taken) = exchange(&ioloop, &folder);
    std::fs::remove_file(&unix).unwrap();
    let confirmed = ioloop.run_until(taken.confirmation.confirm()).unwrap();
    assert!(matches!(confirmed, Err(HandoverError::FileGone(path)) if path == unix));
    ioloop.run_until(offer.taken()).unwrap();
}

#[test]
fn where_nobody_offers_there_is_nothing_to_take() {
    let folder = Folder::new();
    let ioloop = IoLoop::new().unwrap();
    assert!(take(&ioloop, &folder.path("nothing")).unwrap().is_none());
    // As a crash leaves it.
    let path = folder.path("stale");
    drop(UnixListener::bind(&path).unwrap());
    assert!(take(&ioloop, &path).unwrap().is_none());
}

#[test]
fn who_offers_garbage_is_refused() {
    let folder = Folder::new();
    let check = |name: &str, answer: &'static [u8], expected: &str| {
        let path = folder.path(name);
        let listener = UnixListener::bind(&path).unwrap();
        let other = std::thread::spawn(move || {
            let (mut socket, _) = listener.accept().unwrap();
            let mut request = String::new();
            BufReader::new(&socket).read_line(&mut request).unwrap();
            assert!(request.ends_with("take\n"));
            // Fails where the other side has heard enough.
            let _ = socket.write_all(answer);
        });
        let error = take(&IoLoop::new().unwrap(), &path).unwrap_err();
        assert!(error.to_string().contains(expected), "{error}");
        other.join().unwrap();
    };
    check("end", b"", "closed");
    check("word", b"many\n", "a number");
    check("many", b"65\n", "a number");
    check("huge", b"18446744073709551616\n", "a number");
    check("negative", b"-1\n", "a number");
    check("line", &[b'1'; 1000], "too long");
    check("numbers", b"1\n1 0 0\nx", "too many numbers");
    check("name", b"1\n300 0\n", "a number");
    check("utf8", b"1\n1 0\n\xff", "UTF-8");
    check("bare", b"1\n1 0\nx", "not as many descriptors");
}

#[test]
fn who_offers_and_then_is_silent_is_left_in_time() {
    let folder = Folder::new();
    let path = folder.path("silent");
    let _listener = UnixListener::bind(&path).unwrap();
    let ioloop = ends::virtual_loop();
    let error = take(&ioloop, &path).unwrap_err();
    assert!(matches!(error, HandoverError::TimedOut), "{error}");
}

#[test]
fn who_asks_for_something_else_gets_nothing() {
    let folder = Folder::new();
    let path = folder.path("handover");
    let ioloop = IoLoop::new().unwrap();
    let server = server(&ioloop, "old");
    server.listen(0, Some("127.0.0.1")).unwrap();
    let offer = offer_all(&ioloop, &path, &server);
    for request in [&b"GET / HTTP/1.1\r\n\r\n"[..], &[b'x'; 500], b"\n"] {
        let mut socket = UnixStream::connect(&path).unwrap();
        socket.write_all(request).unwrap();
        socket.set_nonblocking(true).unwrap();
        turn_until(&ioloop, || match socket.read(&mut [0; 9]) {
            Err(error) => error.kind() != std::io::ErrorKind::WouldBlock,
            Ok(count) => {
                assert_eq!(count, 0, "it was answered");
                true
            }
        });
    }
    // A withdrawn offer is gone, with its file.
    assert!(path.exists());
    drop(offer);
    assert!(!path.exists());
}

// ---- two processes, and clients all the while

const IN_CHILD: &str = "SQUALL_TEST_HANDOVER";

#[test]
fn no_connection_is_lost_when_a_process_takes_over_from_another() {
    if let Some(path) = std::env::var_os(IN_CHILD) {
        return be_the_old_process(Path::new(&path));
    }
    let folder = Folder::new();
    let path = folder.path("handover");
    let mut old = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "--nocapture", "--test-threads=1"])
        .arg("no_connection_is_lost_when_a_process_takes_over_from_another")
        .env(IN_CHILD, &path)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut said = BufReader::new(old.stdout.take().unwrap());
    let address: SocketAddr = loop {
        let mut line = String::new();
        assert!(said.read_line(&mut line).unwrap() > 0, "it has ended");
        if let Some((_, address)) = line.split_once("listening on ") {
            break address.trim().parse().unwrap();
        }
    };

    // Each connection is answered, by one of the two; a refusal or a reset ends the test.
    static IS_OVER: AtomicBool = AtomicBool::new(false);
    static OF_OLD: AtomicUsize = AtomicUsize::new(0);
    let clients: Vec<_> = (0..4)
        .map(|_| {
            std::thread::spawn(move || {
                let (mut of_old, mut of_new) = (0, 0);
                while of_new < 50 || !IS_OVER.load(Ordering::Relaxed) {
                    match &*ask(TcpStream::connect(address).unwrap()) {
                        "old" => {
                            OF_OLD.fetch_add(1, Ordering::Relaxed);
                            of_old += 1;
                        }
                        _ => of_new += 1,
                    }
                }
                (of_old, of_new)
            })
        })
        .collect();

    let ioloop = IoLoop::new().unwrap();
    // The old one is at work when it is succeeded.
    turn_until(&ioloop, || OF_OLD.load(Ordering::Relaxed) > 200);
    let taken = take(&ioloop, &path).unwrap().unwrap();
    let new = server(&ioloop, "new");
    for named in taken.listeners {
        new.add_listener(named.listener).unwrap();
    }
    ioloop
        .run_until(taken.confirmation.confirm())
        .unwrap()
        .unwrap();
    let has_ended = Rc::new(Cell::new(false));
    turn_until(&ioloop, || {
        has_ended.set(old.try_wait().unwrap().is_some());
        has_ended.get()
    });
    assert!(old.wait().unwrap().success());
    IS_OVER.store(true, Ordering::Relaxed);
    turn_until(&ioloop, || {
        clients.iter().all(|client| client.is_finished())
    });
    for client in clients {
        let (of_old, of_new) = client.join().unwrap();
        assert!(of_new >= 50, "{of_old} {of_new}");
    }
}

fn be_the_old_process(path: &Path) {
    let ioloop = IoLoop::new().unwrap();
    let server = server(&ioloop, "old");
    let address = server.listen(0, Some("127.0.0.1")).unwrap()[0].clone();
    let offer = offer_all(&ioloop, path, &server);
    println!("listening on {address}");
    let report = ioloop
        .run_until(async {
            offer.taken().await;
            server.drain(LONG).await
        })
        .unwrap();
    assert_eq!((report.cut, report.left), (0, 0));
}
