//! Names into addresses: tables, overrides, caches on virtual time, and the system itself.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod ends;

use std::cell::{Cell, RefCell};
use std::net::{IpAddr, SocketAddr};
use std::rc::Rc;
use std::time::Duration;

use ends::virtual_loop;
use squall_ioloop::{IoLoop, sleep};
use squall_iostream::{
    CachingResolver, FixedResolver, InvalidName, OverrideResolver, ResolveError, Resolver,
    Resolving, SystemResolver,
};

const fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn ask(ioloop: &IoLoop, resolver: &dyn Resolver, host: &str, port: u16) -> String {
    match ioloop.run_until(resolver.resolve(host, port)).unwrap() {
        Ok(addresses) => {
            let texts: Vec<_> = addresses.iter().map(SocketAddr::to_string).collect();
            texts.join(" ")
        }
        Err(error) => error.to_string(),
    }
}

fn table() -> FixedResolver {
    FixedResolver::default()
        .host("www.example", [ip("192.0.2.1"), ip("2001:db8::1")])
        .host("Other.Example", [ip("192.0.2.2")])
        .host("nobody.example", [])
}

#[test]
fn a_table_knows_what_it_was_told_and_nothing_else() {
    let ioloop = virtual_loop();
    let table = table();
    let check = |host, expected: &str| assert_eq!(ask(&ioloop, &table, host, 80), expected);
    check("www.example", "192.0.2.1:80 [2001:db8::1]:80");
    check("WWW.EXAMPLE", "192.0.2.1:80 [2001:db8::1]:80");
    check("other.example", "192.0.2.2:80");
    check("127.0.0.1", "127.0.0.1:80");
    check("[::1]", "[::1]:80");
    check("nobody.example", "\"nobody.example\" has no usable address");
    check("localhost", "\"localhost\" is not known");
    check("mail.example", "\"mail.example\" is not known");
    check("", "\"\" is no host name: it is empty");
}

#[test]
fn the_narrowest_rule_overrides_and_only_once() {
    let ioloop = virtual_loop();
    let resolver = OverrideResolver::new(table())
        .map("app.example", "www.example")
        .map(("app.example", 443), ("other.example", 8443))
        .map(("app.example", 25), "other.example")
        .map("www.example", "nobody.example")
        .map("10.0.0.1", ("127.0.0.1", 1));
    let check = |host, port, expected: &str| {
        assert_eq!(ask(&ioloop, &resolver, host, port), expected);
    };
    check("app.example", 80, "192.0.2.1:80 [2001:db8::1]:80");
    check("APP.example", 443, "192.0.2.2:8443");
    check("app.example", 25, "192.0.2.2:25");
    check(
        "www.example",
        80,
        "\"nobody.example\" has no usable address",
    );
    check("other.example", 80, "192.0.2.2:80");
    check("10.0.0.1", 80, "127.0.0.1:1");
}

/// Counts what it is asked, and answers as it is told, after a second.
#[derive(Clone)]
struct Counting {
    asked: Rc<Cell<usize>>,
    answer: Rc<RefCell<Result<Vec<SocketAddr>, ResolveError>>>,
}

impl Counting {
    fn new() -> Self {
        Self {
            asked: Rc::default(),
            answer: Rc::new(RefCell::new(Ok(vec![([192, 0, 2, 1], 80).into()]))),
        }
    }
}

impl Resolver for Counting {
    fn resolve<'a>(&'a self, _: &'a str, _: u16) -> Resolving<'a> {
        self.asked.set(self.asked.get() + 1);
        Box::pin(async {
            sleep(secs(1)).await;
            self.answer.borrow().clone()
        })
    }
}

/// Asks, and returns how often the resolver behind was asked so far.
fn asked(
    ioloop: &IoLoop,
    cache: &CachingResolver<Counting>,
    inner: &Counting,
    host: &str,
) -> usize {
    let _ = ioloop.run_until(cache.resolve(host, 80)).unwrap();
    inner.asked.get()
}

#[test]
fn an_answer_is_kept_for_its_time_from_when_it_came() {
    let ioloop = virtual_loop();
    let inner = Counting::new();
    let cache = CachingResolver::new(&ioloop, inner.clone()).ttl(secs(30));
    let ask = |host| asked(&ioloop, &cache, &inner, host);
    assert_eq!(ask("www.example"), 1);
    let came_at = ioloop.now();
    assert_eq!(ask("WWW.example"), 1);
    ioloop
        .run_until(sleep(secs(30) - Duration::from_nanos(1)))
        .unwrap();
    assert_eq!(ask("www.example"), 1);
    ioloop.run_until(sleep(Duration::from_nanos(1))).unwrap();
    assert_eq!(ioloop.now() - came_at, secs(30));
    assert_eq!(ask("www.example"), 2);
    // Another port is another question, for there may be rules for ports.
    ioloop
        .run_until(cache.resolve("www.example", 81))
        .unwrap()
        .unwrap();
    assert_eq!(inner.asked.get(), 3);
    cache.clear();
    assert!(cache.is_empty());
    assert_eq!(ask("www.example"), 4);
}

#[test]
fn that_a_name_is_unknown_is_kept_for_a_shorter_time() {
    let ioloop = virtual_loop();
    let inner = Counting::new();
    let _ = inner.answer.replace(Err(ResolveError::Unresolvable {
        host: "www.example".into(),
        cause: None,
    }));
    let cache = CachingResolver::new(&ioloop, inner.clone()).ttl_negative(secs(3));
    let ask = |host| asked(&ioloop, &cache, &inner, host);
    assert_eq!((ask("www.example"), ask("www.example")), (1, 1));
    ioloop.run_until(sleep(secs(3))).unwrap();
    let _ = inner.answer.replace(Ok(vec![([192, 0, 2, 1], 80).into()]));
    assert_eq!((ask("www.example"), ask("www.example")), (2, 2));
    ioloop.run_until(sleep(secs(3))).unwrap();
    assert_eq!(ask("www.example"), 2);
}

#[test]
fn what_says_nothing_of_the_name_is_not_kept() {
    let ioloop = virtual_loop();
    let inner = Counting::new();
    let cache = CachingResolver::new(&ioloop, inner.clone());
    let _ = inner.answer.replace(Err(ResolveError::NotAsked {
        host: "www.example".into(),
        cause: std::sync::Arc::new(std::io::ErrorKind::WouldBlock.into()),
    }));
    let ask = |host| asked(&ioloop, &cache, &inner, host);
    assert_eq!((ask("www.example"), ask("www.example")), (1, 2));
    // And what needs no asking, or is no name, takes no place.
    for host in ["127.0.0.1", "localhost", "", "a\0b", "1"] {
        ask(host);
    }
    assert_eq!(cache.len(), 0);
}

#[test]
fn a_cache_has_a_bound_and_forgets_the_oldest() {
    let ioloop = virtual_loop();
    let inner = Counting::new();
    let cache = CachingResolver::new(&ioloop, inner.clone())
        .entries_max(3)
        .ttl(Duration::MAX);
    let ask = |host| asked(&ioloop, &cache, &inner, host);
    for host in ["a", "b", "c", "d"] {
        ask(host);
    }
    assert_eq!((cache.len(), inner.asked.get()), (3, 4));
    assert_eq!((ask("b"), ask("c"), ask("d")), (4, 4, 4));
    assert_eq!(ask("a"), 5);
    assert_eq!((cache.len(), ask("b")), (3, 6));
    let none = CachingResolver::new(&ioloop, inner.clone()).entries_max(0);
    let ask = |host| asked(&ioloop, &none, &inner, host);
    assert_eq!((ask("a"), ask("a"), none.len()), (7, 8, 0));
}

#[test]
fn an_answer_that_came_twice_has_one_place_and_one_age() {
    let ioloop = virtual_loop();
    let inner = Counting::new();
    let cache = CachingResolver::new(&ioloop, inner.clone())
        .entries_max(3)
        .ttl(secs(30));
    let ask = |host| asked(&ioloop, &cache, &inner, host);
    // Asked for by two at once, since each finds nothing.
    for resolving in [cache.resolve("a", 80), cache.resolve("a", 80)] {
        ioloop.run_until(resolving).unwrap().unwrap();
    }
    assert_eq!((inner.asked.get(), cache.len()), (2, 1));
    ioloop.run_until(sleep(secs(10))).unwrap();
    assert_eq!((ask("b"), ask("c")), (3, 4));
    ioloop.run_until(sleep(secs(20))).unwrap();
    assert_eq!(ask("a"), 5, "it has expired");
    assert_eq!(ask("d"), 6, "and the oldest is b now");
    assert_eq!((ask("a"), ask("c"), ask("d")), (6, 6, 6));
}

#[test]
fn clones_of_a_cache_share_what_they_know() {
    let ioloop = virtual_loop();
    let inner = Counting::new();
    let cache = CachingResolver::new(&ioloop, inner.clone());
    let clone = cache.clone();
    assert_eq!(asked(&ioloop, &cache, &inner, "www.example"), 1);
    assert_eq!(asked(&ioloop, &clone, &inner, "www.example"), 1);
}

#[test]
fn resolvers_can_be_exchanged() {
    let ioloop = virtual_loop();
    let shared: Rc<dyn Resolver> = Rc::new(table());
    let boxed: Box<dyn Resolver> = Box::new(OverrideResolver::new(shared.clone()));
    assert_eq!(ask(&ioloop, &shared, "other.example", 1), "192.0.2.2:1");
    assert_eq!(ask(&ioloop, &boxed, "other.example", 1), "192.0.2.2:1");
}

#[test]
fn the_system_knows_this_machine_without_being_asked() {
    let ioloop = IoLoop::new().unwrap();
    let system = SystemResolver::new(&ioloop);
    let check = |host, expected: &str| assert_eq!(ask(&ioloop, &system, host, 80), expected);
    check("localhost", "[::1]:80 127.0.0.1:80");
    check("127.0.0.1", "127.0.0.1:80");
    check("[::1]", "[::1]:80");
    let error = ioloop.run_until(system.resolve("127.1", 80)).unwrap();
    assert!(matches!(
        error,
        Err(ResolveError::InvalidName {
            reason: InvalidName::Number,
            ..
        })
    ));
    assert_eq!(ioloop.executor().metrics().threads, 0);
}

#[test]
#[cfg(target_os = "linux")]
fn the_system_knows_the_zones_of_addresses() {
    let ioloop = IoLoop::new().unwrap();
    let system = SystemResolver::new(&ioloop);
    for host in ["fe80::1%lo", "[fe80::1%lo]", "fe80::1%1"] {
        assert_eq!(ask(&ioloop, &system, host, 80), "[fe80::1%1]:80");
    }
}

/// However long the system takes to find that out.
#[test]
fn the_system_says_that_it_does_not_know_a_name() {
    let ioloop = IoLoop::new().unwrap();
    let system = SystemResolver::new(&ioloop);
    let resolving = system.resolve("nonexistent.invalid", 80);
    let error = ioloop.run_until(resolving).unwrap().unwrap_err();
    assert_eq!(error.host(), "nonexistent.invalid");
    assert!(matches!(
        error,
        ResolveError::Unresolvable { cause: Some(_), .. }
    ));
    let metrics = ioloop.executor().metrics();
    assert_eq!((metrics.finished, metrics.running), (1, 0));
}
