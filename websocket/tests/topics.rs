//! Topics: who gets what is published, how often it is framed, and who is in a topic after what.

mod peer;
mod wire;

use std::cell::RefCell;
use std::collections::{HashMap, HashSet};
use std::rc::Rc;

use peer::{FIN, masked};
use squall_ioloop::IoLoop;
use squall_websocket::{
    CloseFrame, HandlerResult, Message, Topics, WebSocket, WebSocketHandler, serve,
};
use wire::{Script, Served, config, ioloop, turns};

fn sockets(ioloop: &IoLoop, count: usize) -> Vec<(Rc<Script>, WebSocket)> {
    let socket = |_| {
        let (script, _, ws) = Script::serve(ioloop, config());
        (script, ws)
    };
    (0..count).map(socket).collect()
}

#[test]
fn all_subscribers_get_a_message_and_nobody_else() {
    let ioloop = ioloop();
    let topics = Topics::of(&ioloop);
    let sockets = sockets(&ioloop, 4);
    for (_, ws) in &sockets[..3] {
        assert!(ws.subscribe("news"));
    }
    let except = |index: usize| &sockets[index].1;
    assert_eq!(topics.publish("news", "all"), 3);
    assert_eq!(topics.publish_except("news", "others", except(0)), 2);
    assert_eq!(topics.publish_except("news", "three", except(3)), 3);
    assert_eq!(topics.publish("New", "names are exact"), 0);
    assert_eq!(topics.publish("", "names are exact"), 0);
    turns(&ioloop, 1);
    sockets[0].0.expect_written(b"\x81\x03all\x81\x05three");
    for (script, _) in &sockets[1..3] {
        script.expect_written(b"\x81\x03all\x81\x06others\x81\x05three");
    }
    sockets[3].0.expect_written(b"");
}

#[test]
fn to_enter_twice_is_to_enter_once_and_empty_topics_vanish() {
    let ioloop = ioloop();
    let topics = Topics::of(&ioloop);
    let peers = sockets(&ioloop, 2);
    assert!(!peers[0].1.unsubscribe("news"));
    assert_eq!(topics.topic_count(), 0);
    assert!(peers[0].1.subscribe("news"));
    assert!(!peers[0].1.subscribe("news"));
    assert!(peers[1].1.subscribe("news"));
    assert!(peers[0].1.subscribe("weather"));
    assert_eq!(topics.subscriber_count("news"), 2);
    assert_eq!(topics.topic_count(), 2);
    assert!(peers[0].1.unsubscribe("news"));
    assert!(!peers[0].1.unsubscribe("news"));
    assert_eq!(topics.subscriber_count("news"), 1);
    assert!(peers[0].1.unsubscribe("weather"));
    assert!(peers[1].1.unsubscribe("news"));
    assert_eq!(topics.topic_count(), 0);
}

#[test]
fn a_socket_leaves_its_topics_when_it_closes_however_that_happens() {
    let ioloop = ioloop();
    let topics = Topics::of(&ioloop);
    let ends: [fn(&Served); 6] = [
        |peer| peer.ws.go_away(),
        |peer| peer.ws.abort(),
        |peer| peer.close(1000, ""),
        |peer| peer.say("panic"),
        |peer| peer.send(b"\x81\x00"),
        |peer| peer.stream.close(),
    ];
    for end in ends {
        let peer = Served::new(&ioloop, config());
        let other = Served::new(&ioloop, config());
        for topic in ["a", "b", "c"] {
            other.ws.subscribe(topic);
            peer.ws.subscribe(topic);
        }
        end(&peer);
        turns(&ioloop, 5);
        assert!(
            ["a", "b", "c"]
                .iter()
                .all(|topic| topics.subscriber_count(topic) == 1)
        );
        assert!(!peer.ws.subscribe("a"), "who is closing enters nothing");
        drop(other);
        turns(&ioloop, 5);
        assert_eq!(topics.topic_count(), 0);
    }
}

#[test]
fn a_message_is_framed_once_and_the_frame_shared() {
    let ioloop = ioloop();
    let sockets = sockets(&ioloop, 100);
    for (_, ws) in &sockets {
        ws.subscribe("news");
    }
    for size in [1, 100_000] {
        Topics::of(&ioloop).publish("news", &vec![7; size]);
        turns(&ioloop, 1);
        // All frames were queued before the first was written: had each been made for itself, they
        // would lie at different places.
        let address = sockets[0].0.written_from.get();
        assert!(
            sockets
                .iter()
                .all(|(script, _)| script.written_from.get() == address)
        );
    }
}

#[test]
fn what_a_subscriber_gets_in_one_turn_leaves_in_one_write_and_in_order() {
    let ioloop = ioloop();
    let (script, _, ws) = Script::serve(&ioloop, config());
    ws.subscribe("a");
    ws.subscribe("b");
    ws.publish("a", "1");
    ws.write_message("2").unwrap();
    ws.publish("b", "3");
    ws.publish("a", "4");
    turns(&ioloop, 1);
    assert_eq!(
        *script.written.borrow(),
        b"\x81\x011\x81\x012\x81\x013\x81\x014"
    );
    assert_eq!(script.writes.get(), 1);
}

#[test]
fn thirty_clients_that_publish_to_all_cost_one_write_each_a_round() {
    let ioloop = ioloop();
    let sockets = sockets(&ioloop, 30);
    for (_, ws) in &sockets {
        ws.subscribe("all");
    }
    for round in 1..=10 {
        for (script, _) in &sockets {
            script.arrive(masked(FIN | 1, b"publish all"));
        }
        turns(&ioloop, 3);
        for (script, _) in &sockets {
            assert_eq!(
                script.written.borrow().len(),
                round * 30 * b"\x81\x04news".len()
            );
            // Its own share leaves when it waits for input, the rest when the turn ends.
            assert!(
                script.writes.get() <= 2 * round,
                "{} writes",
                script.writes.get()
            );
        }
    }
}

/// Changes topics in the middle of everything.
struct Restless {
    others: Rc<RefCell<Vec<WebSocket>>>,
}

impl WebSocketHandler for Restless {
    fn open(&mut self, ws: &WebSocket) -> HandlerResult {
        ws.subscribe("room");
        self.others.borrow_mut().push(ws.clone());
        ws.publish("room", "joined");
        Ok(())
    }

    fn on_message(&mut self, ws: &WebSocket, message: Message<'_>) -> HandlerResult {
        ws.publish("room", message);
        ws.unsubscribe("room");
        ws.publish("room", message);
        ws.subscribe("room");
        for other in &*self.others.borrow() {
            if other != ws {
                other.go_away();
            }
        }
        ws.publish("room", "alone");
        Ok(())
    }

    fn on_close(&mut self, ws: &WebSocket, _: Option<CloseFrame<'_>>) {
        assert!(!ws.subscribe("room"));
        ws.publish("room", "left");
    }
}

#[test]
fn handlers_may_change_topics_and_close_others_while_they_are_told_something() {
    let ioloop = ioloop();
    let others = Rc::new(RefCell::new(Vec::new()));
    let connect = |_| {
        let (script, stream) = Script::stream(&ioloop);
        let handler = Restless {
            others: others.clone(),
        };
        ioloop.spawn_detached(serve(stream, config(), handler));
        script
    };
    let scripts: Vec<_> = (0..3).map(connect).collect();
    turns(&ioloop, 2);
    scripts[0].arrive(masked(FIN | 1, b"me"));
    turns(&ioloop, 2);
    scripts[1].arrive(masked(FIN | 8, b""));
    scripts[2].arrive(Vec::new());
    turns(&ioloop, 5);

    let joined = b"\x81\x06joined".repeat(3);
    let rest = b"\x81\x02me\x81\x05alone\x81\x04left\x81\x04left";
    scripts[0].expect_written(&[&joined, &rest[..]].concat());
    let rest = b"\x81\x02me\x81\x02me\x88\x02\x03\xe9";
    scripts[1].expect_written(&[&joined[8..], rest].concat());
    scripts[2].expect_written(&[&joined[16..], rest].concat());
    assert_eq!(Topics::of(&ioloop).subscriber_count("room"), 1);
}

#[test]
fn any_order_of_entering_and_leaving_keeps_the_lists_true() {
    let ioloop = ioloop();
    let topics = Topics::of(&ioloop);
    let mut sockets: Vec<_> = sockets(&ioloop, 12).into_iter().map(Some).collect();
    let names: Vec<String> = (0..12).map(|i| format!("topic {i}")).collect();
    let mut model: HashMap<&str, HashSet<usize>> = HashMap::new();
    let mut random = 12_345_u32;
    let mut next = |below: usize| {
        random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (random >> 8) as usize % below
    };
    for step in 0..3_000 {
        let (who, name) = (next(12), names[next(12)].as_str());
        let Some((_, ws)) = &sockets[who] else {
            continue;
        };
        let members = model.entry(name).or_default();
        if next(2) == 0 {
            assert_eq!(ws.subscribe(name), members.insert(who));
        } else {
            assert_eq!(ws.unsubscribe(name), members.remove(&who));
        }
        if step % 600 == 599 {
            ws.go_away();
            sockets[who] = None;
            for members in model.values_mut() {
                members.remove(&who);
            }
        }
        for name in &names {
            let expected = model.get(name.as_str()).map_or(0, HashSet::len);
            assert_eq!(topics.subscriber_count(name), expected);
            assert_eq!(topics.publish(name, "x"), expected);
        }
        turns(&ioloop, 1);
    }
    let is_in_use = |members: &&HashSet<usize>| !members.is_empty();
    assert_eq!(
        topics.topic_count(),
        model.values().filter(is_in_use).count()
    );
}
