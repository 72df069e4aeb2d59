//! The closing handshake (RFC 6455 §5.5.1, §7): who has closed, and what may still be said.

mod peer;

use peer::{FIN, Said, client, close_payload, listen, masked, server, unmasked};
use squall_websocket::{
    CloseCode, CloseFrame, Closing, Error, Event, LocalFault, Protocol, encode_message,
    encode_ping, encode_pong,
};

/// What each end may do: something the peer sends, or a Close of ours.
enum Step {
    Peer(Vec<u8>),
    Close,
}

/// A server takes these steps and ends in this state.
fn check(steps: &[Step], expected: Closing) {
    let mut protocol = server();
    for step in steps {
        match step {
            Step::Peer(wire) => drop(listen(&mut protocol, [&wire[..]])),
            Step::Close => drop(protocol.close(&mut Vec::new(), None, None)),
        }
    }
    assert_eq!(protocol.closing(), expected);
    assert_eq!(
        protocol.may_send(),
        matches!(expected, Closing::Open | Closing::Received)
    );
}

#[test]
fn every_order_of_closing_ends_where_it_should() {
    let says = || Step::Peer(masked(FIN | 1, b"hi"));
    let closes = || Step::Peer(masked(FIN | 8, b""));
    let fails = || Step::Peer(unmasked(FIN | 1, b"hi"));
    check(&[], Closing::Open);
    check(&[says()], Closing::Open);
    check(&[closes()], Closing::Received);
    check(&[fails()], Closing::Received);
    check(&[fails(), closes()], Closing::Received);
    check(&[closes(), fails()], Closing::Received);
    check(&[Step::Close], Closing::Sent);
    check(&[Step::Close, says()], Closing::Sent);
    check(&[Step::Close, Step::Close], Closing::Sent);
    check(&[closes(), Step::Close], Closing::Complete);
    check(&[fails(), Step::Close], Closing::Complete);
    check(&[Step::Close, closes()], Closing::Complete);
    check(&[Step::Close, fails()], Closing::Complete);
    check(
        &[Step::Close, closes(), says(), Step::Close],
        Closing::Complete,
    );
}

#[test]
fn a_close_is_sent_once() {
    let mut protocol = server();
    let mut out = Vec::new();
    assert!(protocol.close(&mut out, None, None));
    assert!(!protocol.close(&mut out, Some(CloseCode::NORMAL.into()), None));
    assert_eq!(out, b"\x88\x00");
}

#[test]
fn a_close_looks_as_tornado_s_does() {
    for (frame, wire) in [
        (None, &b"\x88\x00"[..]),
        (
            CloseFrame::new(CloseCode::GOING_AWAY, "goodbye").ok(),
            b"\x88\x09\x03\xe9goodbye",
        ),
        (
            CloseFrame::new(CloseCode::NORMAL, "because").ok(),
            b"\x88\x09\x03\xe8because",
        ),
    ] {
        let mut out = Vec::new();
        server().close(&mut out, frame, None);
        assert_eq!(out, wire);
        assert_eq!(listen(&mut client(), [&out[..]]).len(), 1);
    }
}

#[test]
fn a_client_s_close_is_masked() {
    let mut out = Vec::new();
    client().close(&mut out, Some(CloseCode::NORMAL.into()), Some(peer::KEY));
    assert_eq!(out, masked(FIN | 8, &close_payload(1000, b"")));
}

#[test]
fn the_peer_s_code_can_be_repeated() {
    let mut protocol = server();
    let mut wire = masked(FIN | 8, &close_payload(4000, b"enough"));
    let Ok((_, Some(Event::Close(Some(frame))))) = protocol.receive(&mut wire) else {
        panic!("no Close")
    };
    let code = frame.code();
    let mut out = Vec::new();
    protocol.close(&mut out, Some(code.into()), None);
    assert_eq!(out, b"\x88\x02\x0f\xa0");
}

#[test]
fn an_error_is_told_once_and_answered_with_its_code() {
    let mut protocol = server();
    let error = protocol
        .receive(&mut masked(FIN | 1, b"\xff"))
        .expect_err("not UTF-8");
    let mut out = Vec::new();
    assert!(protocol.close(&mut out, Some(error.close_code().into()), None));
    assert_eq!(out, b"\x88\x02\x03\xef");
    assert_eq!(
        protocol.receive(&mut masked(FIN | 1, b"\xff")),
        Ok((7, None))
    );
    assert_eq!(protocol.closing(), Closing::Complete);
}

#[test]
fn messages_are_heard_after_our_close_until_the_peer_s() {
    let mut protocol = server();
    protocol.close(&mut Vec::new(), None, None);
    let wire = [
        masked(1, b"I was "),
        masked(FIN, b"saying"),
        masked(FIN | 8, b""),
        masked(FIN | 1, b"more"),
    ];
    let said = listen(&mut protocol, [&wire.concat()[..]]);
    assert_eq!(said, [Said::text("I was saying"), Said::Close(None)]);
}

#[test]
fn input_after_the_end_is_used_up() {
    let mut protocol = server();
    assert_eq!(
        protocol.receive(&mut masked(FIN | 8, b"")),
        Ok((6, Some(Event::Close(None))))
    );
    assert_eq!(protocol.receive(&mut [0xFF; 1000]), Ok((1000, None)));
    assert_eq!(protocol.receive(&mut []), Ok((0, None)));
}

#[test]
fn a_reason_has_at_most_123_bytes() {
    let too_long = "x".to_owned() + &"é".repeat(62);
    let longest = &too_long[..123];
    assert!(CloseFrame::new(CloseCode::NORMAL, longest).is_ok());
    let error = CloseFrame::new(CloseCode::NORMAL, &too_long);
    assert_eq!(error, Err(Error::Local(LocalFault::ReasonTooLong)));
}

#[test]
fn pings_and_pongs_have_at_most_125_bytes() {
    let mut out = Vec::new();
    assert_eq!(encode_ping(&mut out, &[1; 125], None), Ok(()));
    assert_eq!(encode_pong(&mut out, &[1; 125], None), Ok(()));
    let said = listen(&mut client(), [&out[..]]);
    assert_eq!(said, [Said::Ping(vec![1; 125]), Said::Pong(vec![1; 125])]);
    let too_long = Err(Error::Local(LocalFault::ControlTooLong));
    assert_eq!(encode_ping(&mut out, &[1; 126], None), too_long);
    assert_eq!(encode_pong(&mut out, &[1; 126], None), too_long);
    assert_eq!(out.len(), 2 * 127);
}

#[test]
fn two_ends_close_each_other() {
    fn pass(from: &mut Vec<u8>, to: &mut Protocol) -> Vec<Said> {
        listen(to, [&std::mem::take(from)[..]])
    }
    let (mut ours, mut theirs) = (server(), client());
    let mut wire = Vec::new();
    encode_message(&mut wire, "bye".into(), None);
    ours.close(&mut wire, Some(CloseCode::GOING_AWAY.into()), None);
    assert_eq!(
        pass(&mut wire, &mut theirs),
        [Said::text("bye"), Said::close(1001, "")]
    );
    theirs.close(
        &mut wire,
        Some(CloseCode::GOING_AWAY.into()),
        Some(peer::KEY),
    );
    assert_eq!(pass(&mut wire, &mut ours), [Said::close(1001, "")]);
    assert_eq!(
        (ours.closing(), theirs.closing()),
        (Closing::Complete, Closing::Complete)
    );
}
