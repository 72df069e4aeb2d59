//! The dialogue of all carriers, over TLS over the pair in memory: slow, small, byte by byte, and
//! with a fault at every step.

#![cfg(any(feature = "tls", feature = "tls-ring"))]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod ends;

use std::io;

use ends::dialogue::{answer, ask};
use ends::tls::{client_config, server_config, shake, tls_pair};
use ends::{TICK, kind_of, pattern, virtual_loop};
use squall_ioloop::IoLoop;
use squall_iostream::memory::{self, Options};
use squall_iostream::tls::{TlsError, TlsFault, TlsVersion};
use squall_iostream::{IoStream, ListenerOptions, StreamError, TcpListener};

/// Over both versions, and both ways round.
fn check(options: &Options) {
    for version in [TlsVersion::V1_2, TlsVersion::V1_3] {
        for is_client_asking in [true, false] {
            let ioloop = virtual_loop();
            let acceptor = server_config().build().unwrap();
            let connector = client_config().max_version(version).build().unwrap();
            let (server, client) =
                shake(&ioloop, options.clone(), &acceptor, &connector, "localhost");
            let (server, client) = (server.unwrap(), client.unwrap());
            assert_eq!(server.tls().unwrap().version, version);
            let (asking, answering) = if is_client_asking {
                (client, server)
            } else {
                (server, client)
            };
            let answering = ioloop.spawn(answer(answering));
            ioloop.run_until(ask(asking)).unwrap().unwrap();
            ioloop.run_until(answering).unwrap().unwrap().unwrap();
        }
    }
}

#[test]
fn over_memory() {
    check(&Options::default());
}

#[test]
fn over_memory_with_latency() {
    check(&Options {
        latency: TICK * 20,
        ..Options::default()
    });
}

#[test]
fn over_memory_byte_by_byte() {
    check(&Options {
        read_bytes_max: 1,
        ..Options::default()
    });
    check(&Options {
        write_bytes_max: 1,
        ..Options::default()
    });
}

#[test]
fn over_memory_with_little_room_and_latency() {
    check(&Options {
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
    let acceptor = server_config().build().unwrap();
    let connector = client_config().build().unwrap();
    let listener = TcpListener::bind("127.0.0.1:0", &ListenerOptions::default()).unwrap();
    let handle = ioloop.handle().clone();
    let address = listener.local_addr().unwrap();
    let (sender, mut answered) = ends::pair(&ioloop);
    let _listening = listener.accept_with(&ioloop, move |stream, _| {
        let (acceptor, sender) = (acceptor.clone(), sender.handle());
        handle.spawn_detached(async move {
            answer(acceptor.accept(stream).await.unwrap())
                .await
                .unwrap();
            sender.write(b".").unwrap();
        });
    });
    for _ in 0..3 {
        let asking = async {
            let stream = IoStream::connect(&ioloop, address).await.unwrap();
            let stream = connector.connect(stream, "localhost").await.unwrap();
            assert_eq!(stream.peer_addr(), Some(address.into()));
            ask(stream).await.unwrap();
            answered.read_bytes(1).await.unwrap();
        };
        ioloop.run_until(asking).unwrap();
    }
}

#[test]
fn tls_is_a_transport_like_another_so_that_tls_goes_over_it() {
    let ioloop = virtual_loop();
    let outer = tls_pair(&ioloop, Options::default());
    let acceptor = server_config().build().unwrap();
    let connector = client_config().build().unwrap();
    let (server, client) = (outer.0, outer.1);
    let (server, client) = ends::tls::shake_over(
        &ioloop,
        (client, server),
        &acceptor,
        &connector,
        "localhost",
    );
    let answering = ioloop.spawn(answer(server.unwrap()));
    ioloop.run_until(ask(client.unwrap())).unwrap().unwrap();
    ioloop.run_until(answering).unwrap().unwrap().unwrap();
}

#[test]
fn a_stream_of_tls_moves_to_another_loop_with_what_is_unread() {
    let ioloop = virtual_loop();
    let (server, mut client) = tls_pair(&ioloop, Options::default());
    server.write(b"one two ").unwrap();
    let first = ioloop.run_until(client.read_bytes(4)).unwrap().unwrap();
    assert_eq!(first, b"one ");
    let (transport, unread) = client.into_parts().unwrap();
    assert_eq!(unread, b"two ");
    server.write(b"three").unwrap();
    server.flush();
    let mut client = IoStream::new(&ioloop, transport).unwrap();
    let third = ioloop.run_until(client.read_bytes(5)).unwrap().unwrap();
    assert_eq!(third, b"three");
    assert_eq!(
        client.tls().unwrap().server_name.as_deref(),
        Some("localhost")
    );
    client.write(b"four").unwrap();
    let mut server = server;
    assert_eq!(
        ioloop.run_until(server.read_bytes(4)).unwrap().unwrap(),
        b"four"
    );
}

/// A handshake and an exchange; how they end at both ends.
fn run(options: Options) -> [Result<(), io::ErrorKind>; 2] {
    let ioloop = virtual_loop();
    let acceptor = server_config().build().unwrap();
    let connector = client_config().build().unwrap();
    let (ours, theirs) = memory::pair(&ioloop, options);
    let answering = ioloop.spawn(async move {
        let mut stream = acceptor
            .accept(theirs)
            .await
            .map_err(|error| kind_of_tls(&error))?;
        let result = async {
            let question = stream.read_bytes(5_000).await?;
            stream.write(&question)?;
            stream.shutdown_write().await?;
            stream.read_until_close(10).await
        };
        result.await.map(drop).map_err(kind_of_stream)
    });
    let asked = ioloop.run_until(async {
        let stream = connector.connect(ours, "localhost").await;
        let mut stream = stream.map_err(|error| kind_of_tls(&error))?;
        let result = async {
            stream.write(&pattern(5_000))?;
            let answer = stream.read_until_close(10_000).await?;
            assert!(answer == pattern(5_000), "a part was taken for the whole");
            Ok(())
        };
        result.await.map_err(kind_of_stream)
    });
    [
        asked.unwrap(),
        ioloop.run_until(answering).unwrap().unwrap(),
    ]
}

fn kind_of_tls(error: &TlsError) -> io::ErrorKind {
    match error.fault() {
        TlsFault::Transport(error) => error.kind(),
        // The end of the other one.
        _ => io::ErrorKind::UnexpectedEof,
    }
}

fn kind_of_stream(error: StreamError) -> io::ErrorKind {
    match error {
        StreamError::Closed(closed) => kind_of(&closed).unwrap_or(io::ErrorKind::BrokenPipe),
        error => panic!("{error}"),
    }
}

#[test]
fn a_fault_after_any_number_of_bytes_is_told_and_no_part_is_taken_for_the_whole() {
    assert_eq!(run(Options::default()), [Ok(()), Ok(())]);
    let kind = io::ErrorKind::ConnectionReset;
    // The handshake has about three thousand bytes; each of them, and some of the rest.
    let steps = (0..3_500).step_by(7).chain((3_500..12_000).step_by(501));
    let mut failed = 0;
    for after in steps {
        for is_read in [true, false] {
            let fault = Some((after, kind));
            let options = Options {
                read_fault: fault.filter(|_| is_read),
                write_fault: fault.filter(|_| !is_read),
                ..Options::default()
            };
            let ends = run(options);
            let is_told = ends.contains(&Err(kind));
            assert!(
                is_told || ends == [Ok(()), Ok(())],
                "after {after}: {ends:?}"
            );
            failed += usize::from(is_told);
        }
    }
    assert!(failed > 500, "{failed}");
}
