//! A restart under load: one server hands its sockets to the next, and no request is lost.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use squall_httpserver::{DrainDeadlines, DrainReport, Exchange, HttpServer, ListenerConfig};
use squall_ioloop::{Handle, IoLoop, sleep};
use squall_iostream::handover;
use support::Crlf;

const PATIENCE: Duration = Duration::from_secs(20);

/// A directory of its own, removed at the end.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        let name = format!("squall-restart-{}", std::process::id());
        let folder = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&folder).unwrap();
        Self(folder)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Says who answers. `/slow` takes a moment.
fn server(ioloop: &Handle, name: &'static str) -> HttpServer {
    HttpServer::new(ioloop, move |http: Exchange| async move {
        if http.head().path() == "/slow" {
            sleep(Duration::from_millis(20)).await;
        }
        let _ = http.write(name);
        http.finish();
    })
}

/// One process's life: takes over from the one before it, or binds, and serves until there is one
/// after it.
fn live(
    name: &'static str,
    folder: &Path,
    told: impl FnOnce(SocketAddr),
    is_over: &AtomicBool,
) -> DrainReport {
    let ioloop = IoLoop::new().unwrap();
    let server = server(&ioloop, name);
    let offers = folder.join("offers");
    ioloop
        .run_until(async {
            match handover::take(&ioloop, &offers, PATIENCE).await.unwrap() {
                None => {
                    server.listen("127.0.0.1:0").unwrap();
                    let unix = ListenerConfig::default().with_name("local");
                    server.listen_unix_with(folder.join("http"), &unix).unwrap();
                }
                Some(taken) => {
                    let names: Vec<_> = taken.listeners.iter().map(|one| &*one.name).collect();
                    assert_eq!(names, ["http", "local"]);
                    for named in taken.listeners {
                        let config = ListenerConfig::default().with_name(named.name);
                        server.add_listener_with(named.listener, &config).unwrap();
                    }
                    taken.confirmation.confirm().await.unwrap();
                }
            }
            let offer = handover::Offer::bind(&ioloop, &offers).unwrap();
            server.offer_to(&offer).unwrap();
            told(server.local_addrs()[0].inet().unwrap());
            let has_ended = async {
                while !is_over.load(Ordering::Relaxed) {
                    sleep(Duration::from_millis(5)).await;
                }
            };
            let _ = squall_ioloop::with_timeout(PATIENCE, first(offer.taken(), has_ended)).await;
            server.drain(DrainDeadlines::default()).await
        })
        .unwrap()
}

/// Whichever is ready first.
async fn first(one: impl Future<Output = ()>, other: impl Future<Output = ()>) {
    let (mut one, mut other) = (std::pin::pin!(one), std::pin::pin!(other));
    std::future::poll_fn(|cx| {
        let is_ready = one.as_mut().poll(cx).is_ready() || other.as_mut().poll(cx).is_ready();
        if is_ready {
            std::task::Poll::Ready(())
        } else {
            std::task::Poll::Pending
        }
    })
    .await;
}

/// One request and its answer: who has answered. Fails only if no answer has begun.
fn ask(socket: &mut (impl Read + Write), target: &str, connection: &str) -> io::Result<String> {
    let request = format!("GET {target} HTTP/1.1\nhost: a\nconnection: {connection}\n\n").crlf();
    socket.write_all(request.as_bytes())?;
    let mut byte = [0];
    socket.read_exact(&mut byte)?;
    // An answer that has begun comes to its end.
    let mut bytes = byte.to_vec();
    while !bytes.ends_with(b"\r\n\r\n") {
        socket.read_exact(&mut byte).unwrap();
        bytes.push(byte[0]);
    }
    let text = String::from_utf8(bytes).unwrap();
    assert!(text.starts_with("HTTP/1.1 200"), "{text}");
    let length = text.split("content-length: ").nth(1).unwrap();
    let length = length.split("\r\n").next().unwrap().parse().unwrap();
    let mut name = vec![0; length];
    socket.read_exact(&mut name).unwrap();
    Ok(String::from_utf8(name).unwrap())
}

/// A new connection for each request: not one of them may fail.
fn ask_once(address: SocketAddr, unix: &Path, target: &str) -> [String; 2] {
    let mut tcp = TcpStream::connect(address).unwrap();
    tcp.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut local = UnixStream::connect(unix).unwrap();
    local.set_read_timeout(Some(PATIENCE)).unwrap();
    [
        ask(&mut tcp, target, "close").unwrap(),
        ask(&mut local, target, "close").unwrap(),
    ]
}

/// RFC 9112, section 9.3.1: a client of a kept connection that is closed before its answer has
/// begun asks again on another. One that fails on a new one is lost.
fn ask_again(kept: &mut Option<TcpStream>, address: SocketAddr) -> String {
    if let Some(mut socket) = kept.take() {
        if let Ok(name) = ask(&mut socket, "/", "keep-alive") {
            *kept = Some(socket);
            return name;
        }
    }
    let mut socket = TcpStream::connect(address).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    let name = ask(&mut socket, "/", "keep-alive").unwrap();
    *kept = Some(socket);
    name
}

#[test]
fn no_request_is_lost_when_one_server_takes_over_from_another() {
    let folder = Folder::new();
    let is_over = AtomicBool::new(false);
    let answered = [const { AtomicUsize::new(0) }; 3];
    let names = ["first", "second", "third"];
    let count = |name: &str| {
        let at = names.iter().position(|known| *known == name).unwrap();
        answered[at].fetch_add(1, Ordering::Relaxed);
    };
    let unix = folder.0.join("http");
    let (tell, told) = std::sync::mpsc::channel();
    let reports: Vec<_> = thread::scope(|scope| {
        let begin = |name| {
            let (tell, is_over, folder) = (tell.clone(), &is_over, &folder.0);
            let life = move || live(name, folder, |address| tell.send(address).unwrap(), is_over);
            let life = scope.spawn(life);
            (life, told.recv_timeout(PATIENCE).unwrap())
        };
        let (first_life, address) = begin("first");
        let is_over = &is_over;
        let (count, unix) = (&count, &unix);
        let clients: Vec<_> = (0..4)
            .map(|number| {
                scope.spawn(move || {
                    let mut kept = None;
                    while !is_over.load(Ordering::Relaxed) {
                        match number {
                            0 => ask_once(address, unix, "/slow")
                                .iter()
                                .for_each(|n| count(n)),
                            1 => ask_once(address, unix, "/").iter().for_each(|n| count(n)),
                            _ => count(&ask_again(&mut kept, address)),
                        }
                    }
                })
            })
            .collect();
        let until_served_by = |at: usize| {
            let enough = answered[at].load(Ordering::Relaxed) + 100;
            while answered[at].load(Ordering::Relaxed) < enough {
                thread::sleep(Duration::from_millis(1));
                assert!(!clients.iter().any(thread::ScopedJoinHandle::is_finished));
            }
        };
        until_served_by(0);
        let (second_life, again) = begin("second");
        assert_eq!(again, address);
        until_served_by(1);
        let (third_life, _) = begin("third");
        until_served_by(2);
        is_over.store(true, Ordering::Relaxed);
        for client in clients {
            client.join().unwrap();
        }
        [first_life, second_life, third_life]
            .map(|life| life.join().unwrap())
            .to_vec()
    });
    for report in reports {
        assert_eq!(report.cut, 0, "{report:?}");
    }
}
