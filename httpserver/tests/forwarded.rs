//! Who has asked, through proxies: believed where they are trusted, and nowhere else.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use squall_httpserver::{Config, Exchange, Forwarded, HttpServer, ListenerConfig, Scheme};
use squall_ioloop::IoLoop;
use squall_iostream::{IoStream, ProxyProtocol, TrustedPeers, memory};
use support::{Crlf, World};

/// Answers with all that is known of the client.
async fn tell_client(http: Exchange) {
    let ip = http.client_ip().map_or("-".to_owned(), |ip| ip.to_string());
    let (scheme, host) = (http.scheme(), http.host().unwrap_or("-"));
    let _ = http.write(format!("{ip} {scheme} {host}"));
    http.finish();
}

/// Peers in memory have no address; these proxies of ours have one, too.
fn proxies() -> TrustedPeers {
    let networks = ["10.0.0.0/8", "2001:db8:ffff::/48"];
    TrustedPeers::from_networks(networks).unwrap().local(true)
}

#[derive(Clone, Copy)]
enum Fields {
    XForwarded,
    XRealIp,
    Rfc7239,
}

use Fields::{Rfc7239, XForwarded, XRealIp};

fn forwarded(fields: Fields, trusted: TrustedPeers) -> Forwarded {
    match fields {
        XForwarded => Forwarded::x_forwarded(trusted),
        XRealIp => Forwarded::x_real_ip(trusted),
        Rfc7239 => Forwarded::rfc7239(trusted),
    }
}

/// What is known of the client of a request with these fields, which a proxy of ours sends.
#[track_caller]
fn check(fields: Fields, sent: &str, expected: &str) {
    let config = Config::default().with_forwarded(forwarded(fields, proxies()));
    let world = World::with_config(config, tell_client);
    let sent = if sent.is_empty() {
        String::new()
    } else {
        format!("{sent}\n")
    };
    let heard = world.talk(format!("GET / HTTP/1.0\nhost: own\n{sent}\n").crlf());
    let (_, told) = heard.text.split_once("\n\n").unwrap();
    assert_eq!(told, expected, "{sent}");
}

#[test]
fn the_client_is_the_first_from_the_right_who_is_not_one_of_ours() {
    check(XForwarded, "", "- http own");
    check(
        XForwarded,
        "x-forwarded-for: 192.0.2.7",
        "192.0.2.7 http own",
    );
    check(
        XForwarded,
        "x-forwarded-for: 203.0.113.9, 192.0.2.7, 10.0.0.5,10.0.0.6",
        "192.0.2.7 http own",
    );
    check(
        XForwarded,
        "x-forwarded-for: 2001:db8::7, 2001:db8:ffff::1",
        "2001:db8::7 http own",
    );
    // All are ours: it began with the first of them.
    check(
        XForwarded,
        "x-forwarded-for: 10.0.0.5, 10.0.0.6",
        "10.0.0.5 http own",
    );
}

#[test]
fn rfc9110_5_3_a_list_may_be_spread_over_several_lines() {
    check(
        XForwarded,
        "x-forwarded-for: 203.0.113.9\nx-forwarded-for: 192.0.2.7\nX-FORWARDED-FOR: 10.0.0.5, , ",
        "192.0.2.7 http own",
    );
    check(
        Rfc7239,
        "forwarded: for=203.0.113.9\nforwarded: for=192.0.2.7;proto=https, for=10.0.0.5",
        "192.0.2.7 https own",
    );
}

#[test]
fn ports_and_brackets_are_understood() {
    check(
        XForwarded,
        "x-forwarded-for: 192.0.2.7:50000",
        "192.0.2.7 http own",
    );
    check(
        XForwarded,
        "x-forwarded-for: [2001:db8::7]:50000",
        "2001:db8::7 http own",
    );
    check(
        XForwarded,
        "x-forwarded-for: ::ffff:192.0.2.7",
        "192.0.2.7 http own",
    );
    check(
        XForwarded,
        "x-forwarded-for: 192.0.2.7, ::ffff:10.0.0.1",
        "192.0.2.7 http own",
    );
    check(
        Rfc7239,
        "forwarded: for=\"[2001:db8::7]:50000\"",
        "2001:db8::7 http own",
    );
}

/// It is not the proxy's own address then, which may have rights that the client has not; nor
/// what stands left of it, which nobody has checked.
#[test]
fn a_client_that_is_hidden_or_no_address_is_unknown() {
    for entry in [
        "unknown",
        "_hidden",
        "localhost",
        "192.0.2",
        "127.1",
        "[::1",
        "\u{e4}",
    ] {
        check(
            XForwarded,
            &format!("x-forwarded-for: 127.0.0.1, {entry}, 10.0.0.5"),
            "- http own",
        );
    }
    for entry in [
        "for=unknown",
        "for=_hidden",
        "for=::1",
        "proto=http",
        "for=\"::1\"",
    ] {
        let line = format!("forwarded: for=127.0.0.1, {entry}, for=10.0.0.5");
        check(Rfc7239, &line, "- http own");
    }
}

/// What a client has sent cannot swallow what a proxy adds behind it.
#[test]
fn rfc7239_4_a_quote_left_open_hides_nobody() {
    check(
        Rfc7239,
        "forwarded: for=\"127.0.0.1, for=192.0.2.7;proto=https",
        "- http own",
    );
    check(
        Rfc7239,
        "forwarded: for=127.0.0.1;x=\"\nforwarded: for=192.0.2.7;proto=https",
        "192.0.2.7 https own",
    );
}

#[test]
fn a_list_without_an_end_leads_nowhere() {
    let long = |count| vec!["10.0.0.5"; count].join(",");
    check(
        XForwarded,
        &format!("x-forwarded-for: 192.0.2.7,{}", long(31)),
        "192.0.2.7 http own",
    );
    check(
        XForwarded,
        &format!("x-forwarded-for: 192.0.2.7,{}", long(32)),
        "- http own",
    );
    let long = vec!["for=10.0.0.5"; 1000].join(",");
    check(
        Rfc7239,
        &format!("forwarded: for=192.0.2.7,{long}"),
        "- http own",
    );
}

#[test]
fn scheme_and_host_are_those_of_the_hop_at_which_the_client_was() {
    check(
        XForwarded,
        "x-forwarded-for: 192.0.2.7\nx-forwarded-proto: https\nx-forwarded-host: a.example:8443",
        "192.0.2.7 https a.example:8443",
    );
    // Each has added its own, and the client something before.
    check(
        XForwarded,
        "x-forwarded-for: 203.0.113.9, 192.0.2.7, 10.0.0.5\n\
         x-forwarded-proto: http, https, http\nx-forwarded-host: evil, a.example, inner",
        "192.0.2.7 https a.example",
    );
    // The last has replaced what was there.
    check(
        XForwarded,
        "x-forwarded-for: 192.0.2.7, 10.0.0.5\nx-forwarded-proto: HTTPS",
        "192.0.2.7 https own",
    );
    check(XForwarded, "x-forwarded-proto: http, wss", "- https own");
    check(
        Rfc7239,
        "forwarded: for=192.0.2.7;proto=https;host=\"a.example:8443\", for=10.0.0.5;proto=http",
        "192.0.2.7 https a.example:8443",
    );
}

#[test]
fn what_is_no_scheme_and_no_host_is_not_believed() {
    let long = "a".repeat(300);
    let hosts = [
        "", "a b", "user@a", "a/b", "a?b", ":80", "[::1", "\u{e4}", &long,
    ];
    for host in hosts {
        check(
            XForwarded,
            &format!("x-forwarded-proto: gopher\nx-forwarded-host: {host}"),
            "- http own",
        );
    }
}

#[test]
fn a_real_ip_is_one() {
    check(XRealIp, "", "- http own");
    check(
        XRealIp,
        "x-real-ip: 192.0.2.7\nx-forwarded-proto: https\nx-forwarded-for: 203.0.113.9",
        "192.0.2.7 https own",
    );
    check(XRealIp, "x-real-ip: 192.0.2.7, 203.0.113.9", "- http own");
    check(
        XRealIp,
        "x-real-ip: 192.0.2.7\nx-real-ip: 192.0.2.7",
        "- http own",
    );
}

/// A proxy that writes one family passes on the others as it got them.
#[test]
fn only_the_fields_that_the_proxies_write_are_read() {
    let all = "x-forwarded-for: 192.0.2.1\nx-real-ip: 192.0.2.2\nforwarded: for=192.0.2.3";
    check(XForwarded, all, "192.0.2.1 http own");
    check(XRealIp, all, "192.0.2.2 http own");
    check(Rfc7239, all, "192.0.2.3 http own");
}

const SPOOFED: &str = "x-forwarded-for: 127.0.0.1\nx-real-ip: 127.0.0.1\n\
                       forwarded: for=127.0.0.1;proto=https;host=evil\n\
                       x-forwarded-proto: https\nx-forwarded-host: evil";

#[test]
fn nobody_else_is_believed() {
    let nobody = || TrustedPeers::from_networks(["10.0.0.0/8"]).unwrap();
    let configs = [
        Config::default(),
        Config::default().with_forwarded(forwarded(XForwarded, nobody())),
        Config::default().with_forwarded(forwarded(XRealIp, nobody())),
        Config::default().with_forwarded(forwarded(Rfc7239, nobody())),
    ];
    for config in configs {
        let world = World::with_config(config, tell_client);
        let heard = world.talk(format!("GET / HTTP/1.0\nhost: own\n{SPOOFED}\n\n").crlf());
        assert!(heard.text.ends_with("\n\n- http own"), "{heard:?}");
    }
}

/// Tornado's row 154: what was told for one request is not told for the next.
#[test]
fn each_request_of_a_connection_is_told_anew() {
    let config = Config::default().with_forwarded(forwarded(XForwarded, proxies()));
    let world = World::with_config(config, tell_client);
    let requests = "GET / HTTP/1.1\nhost: own\nx-forwarded-for: 192.0.2.7\nx-forwarded-proto: https\n\n\
                    GET / HTTP/1.1\nhost: own\nx-forwarded-for: 192.0.2.8\n\n\
                    GET / HTTP/1.0\nhost: own\n\n";
    let heard = world.talk(requests.crlf());
    for told in ["192.0.2.7 https own", "192.0.2.8 http own", "- http own"] {
        assert_eq!(heard.text.matches(told).count(), 1, "{heard:?}");
    }
}

/// A socket that was reset has forgotten who its peer was, and is not a local one for that.
#[test]
fn who_is_gone_is_not_believed() {
    let ioloop = IoLoop::new().unwrap();
    let told = std::rc::Rc::new(std::cell::RefCell::new(None));
    let note = told.clone();
    let config = Config::default().with_forwarded(forwarded(XForwarded, proxies()));
    let server = HttpServer::with_config(&ioloop, config, move |http: Exchange| {
        let note = note.clone();
        async move {
            http.closed().await;
            note.replace(Some((http.client_ip(), http.scheme())));
        }
    });
    let address = server.listen("127.0.0.1:0").unwrap();
    let client = std::net::TcpStream::connect(address).unwrap();
    let request = "GET / HTTP/1.0\nx-forwarded-for: 127.0.0.1\nx-forwarded-proto: https\n\n";
    std::io::Write::write_all(&mut &client, request.crlf().as_bytes()).unwrap();
    // With no time to linger, a close is a reset.
    socket2::SockRef::from(&client)
        .set_linger(Some(std::time::Duration::ZERO))
        .unwrap();
    drop(client);
    while told.borrow().is_none() {
        ioloop.run_once(None).unwrap();
    }
    assert_eq!(told.take(), Some((None, Scheme::Http)));
}

#[test]
fn each_listener_has_its_own_trust() {
    let world = World::new(tell_client);
    let behind_proxy = ListenerConfig::default()
        .with_forwarded(forwarded(XForwarded, proxies()))
        .with_scheme(Scheme::Https);
    let request = "GET / HTTP/1.0\nhost: own\nx-forwarded-for: 192.0.2.7\n\n".crlf();
    let ask = |serve: &dyn Fn(IoStream)| {
        let (mut ours, theirs) = memory::pair(&world.ioloop, memory::Options::default());
        ours.write(request.as_bytes()).unwrap();
        serve(theirs);
        world.run(world.listen(&mut ours)).text
    };
    let open = ask(&|stream| world.server.serve_stream(stream));
    assert!(open.ends_with("\n\n- http own"), "{open}");
    let proxied = ask(&|stream| world.server.serve_stream_with(stream, &behind_proxy));
    assert!(proxied.ends_with("\n\n192.0.2.7 https own"), "{proxied}");
}

// ---- the PROXY protocol

const HEADER: &str = "PROXY TCP4 192.0.2.7 198.51.100.1 51000 443\n";

fn proxied(sent: String, config: Config) -> String {
    let world = World::with_config(config, |http: Exchange| async move {
        let peer = http.remote_addr().map(|peer| peer.to_string());
        let ip = http.client_ip().map(|ip| ip.to_string());
        let _ = http.write(format!("{peer:?} {ip:?}"));
        http.finish();
    });
    let mut peer = world.connect();
    peer.write(sent.crlf().as_bytes()).unwrap();
    world.run(world.listen(&mut peer)).text
}

#[test]
fn the_proxy_protocol_tells_the_peer_of_a_connection() {
    let config = || Config::default().with_proxy_protocol(ProxyProtocol::trusting(proxies()));
    let get = "GET / HTTP/1.0\n\n";
    let text = proxied(format!("{HEADER}{get}"), config());
    let expected = "\n\nSome(\"192.0.2.7:51000\") Some(\"192.0.2.7\")";
    assert!(text.ends_with(expected), "{text}");
    // A proxy of ours that forgets it is not served as the client that it is not.
    assert_eq!(proxied(get.to_owned(), config()), "");
    // And whom it tells is believed only if it is one of ours as well.
    let both = || config().with_forwarded(forwarded(XForwarded, proxies()));
    let spoofed = "GET / HTTP/1.0\nx-forwarded-for: 127.0.0.1\n\n";
    let text = proxied(format!("{HEADER}{spoofed}"), both());
    assert!(text.ends_with(expected), "{text}");
    let inner = "PROXY TCP4 10.0.0.5 198.51.100.1 51000 443\n";
    let text = proxied(format!("{inner}{spoofed}"), both());
    assert!(text.ends_with("Some(\"127.0.0.1\")"), "{text}");
}

#[test]
fn without_it_a_header_of_the_proxy_protocol_is_a_bad_request() {
    let world = World::new(tell_client);
    let heard = world.talk(format!("{HEADER}GET / HTTP/1.0\n\n").crlf());
    assert!(heard.text.starts_with("HTTP/1.1 400"), "{heard:?}");
}
