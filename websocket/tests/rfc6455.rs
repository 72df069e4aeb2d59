//! RFC 6455, clause by clause: what a peer may send and what fails it.

mod peer;

use peer::{FIN, KEY, Said, client, close_payload, header, listen, masked, server, unmasked};
use squall_websocket::{
    CloseCode, Error, FrameHeader, LimitFault, Limits, Message, Opcode, PeerFault, Protocol, Role,
    encode_message,
};

/// A server, given these bytes at once, says this.
fn check(wire: &[u8], expected: &[Said]) {
    assert_eq!(listen(&mut server(), [wire]), expected);
}

/// A server, given these bytes at once, fails with this.
fn check_fault(wire: &[u8], expected: PeerFault) {
    let result = server().receive(&mut wire.to_vec()).map(|_| ());
    assert_eq!(result, Err(Error::Peer(expected)));
}

#[test]
fn rfc6455_5_1_a_server_fails_an_unmasked_frame_with_1002() {
    check(&unmasked(FIN | 1, b"hi"), &[Said::Failed(1002)]);
    check_fault(&unmasked(FIN | 1, b"hi"), PeerFault::Unmasked);
    check_fault(&unmasked(FIN | 9, b""), PeerFault::Unmasked);
}

#[test]
fn rfc6455_5_1_a_client_fails_a_masked_frame_with_1002() {
    let result = client().receive(&mut masked(FIN | 1, b"hi")).map(|_| ());
    assert_eq!(result, Err(Error::Peer(PeerFault::Masked)));
    assert_eq!(
        listen(&mut client(), [&masked(FIN | 1, b"hi")[..]]),
        [Said::Failed(1002)]
    );
}

#[test]
fn rfc6455_5_1_a_client_reads_unmasked_frames() {
    assert_eq!(
        listen(&mut client(), [&unmasked(FIN | 1, b"hi")[..]]),
        [Said::text("hi")]
    );
}

#[test]
fn rfc6455_5_2_each_reserved_bit_fails_with_1002() {
    for bit in [0x40, 0x20, 0x10] {
        for opcode in [0, 1, 2, 8, 9, 10] {
            check_fault(&masked(FIN | bit | opcode, b""), PeerFault::ReservedBits);
        }
    }
    check(&masked(FIN | 0x40 | 1, b"hi"), &[Said::Failed(1002)]);
}

#[test]
fn rfc6455_5_2_reserved_opcodes_fail_with_1002() {
    for opcode in [3, 4, 5, 6, 7, 11, 12, 13, 14, 15] {
        check_fault(&masked(FIN | opcode, b""), PeerFault::ReservedOpcode);
        check(&masked(FIN | opcode, b""), &[Said::Failed(1002)]);
    }
}

#[test]
fn rfc6455_5_2_wrong_frames_fail_as_soon_as_their_second_byte() {
    check_fault(&masked(FIN | 0x40 | 1, b"")[..2], PeerFault::ReservedBits);
    check_fault(&masked(FIN | 3, b"")[..2], PeerFault::ReservedOpcode);
    check_fault(&unmasked(FIN | 1, &[0; 200])[..2], PeerFault::Unmasked);
    check_fault(&masked(9, b"")[..2], PeerFault::FragmentedControl);
    check_fault(&masked(FIN | 9, &[0; 126])[..2], PeerFault::ControlTooLong);
}

#[test]
fn rfc6455_5_2_all_three_forms_of_length_are_read_at_their_edges() {
    for length in [0, 1, 125, 126, 127, 65_535, 65_536, 65_537] {
        let payload = vec![7; length];
        check(&masked(FIN | 2, &payload), &[Said::Binary(payload)]);
    }
}

#[test]
fn rfc6455_5_2_lengths_are_written_in_the_shortest_form() {
    for (length, bytes) in [
        (0, &[0x82, 0][..]),
        (125, &[0x82, 125]),
        (126, &[0x82, 126, 0, 126]),
        (65_535, &[0x82, 126, 0xFF, 0xFF]),
        (65_536, &[0x82, 127, 0, 0, 0, 0, 0, 1, 0, 0]),
    ] {
        let mut out = Vec::new();
        encode_message(&mut out, Message::Binary(&vec![0; length]), None);
        assert_eq!(&out[..bytes.len()], bytes);
        assert_eq!(out.len(), bytes.len() + length);
    }
}

#[test]
fn rfc6455_5_2_longer_forms_than_needed_fail_with_1002() {
    for length in [0u16, 1, 125] {
        let mut wire = vec![FIN | 2, 0x80 | 126];
        wire.extend_from_slice(&length.to_be_bytes());
        check_fault(&wire, PeerFault::LengthNotMinimal);
    }
    for length in [0u64, 125, 126, 65_535] {
        let mut wire = vec![FIN | 2, 0x80 | 127];
        wire.extend_from_slice(&length.to_be_bytes());
        check_fault(&wire, PeerFault::LengthNotMinimal);
    }
}

#[test]
fn rfc6455_5_2_a_length_with_its_top_bit_set_fails_with_1002() {
    let mut wire = vec![FIN | 2, 0x80 | 127];
    wire.extend_from_slice(&(1u64 << 63).to_be_bytes());
    check_fault(&wire, PeerFault::LengthTopBit);
    check(&wire, &[Said::Failed(1002)]);
}

#[test]
fn rfc6455_5_2_headers_survive_encoding_and_decoding() {
    for opcode in [
        Opcode::Continuation,
        Opcode::Text,
        Opcode::Binary,
        Opcode::Close,
        Opcode::Ping,
    ] {
        for length in [
            0,
            125,
            126,
            65_535,
            65_536,
            u64::from(u32::MAX),
            (1 << 63) - 1,
        ] {
            if opcode.is_control() && length > 125 {
                continue;
            }
            for (role, key) in [(Role::Server, Some(KEY)), (Role::Client, None)] {
                let header = FrameHeader {
                    fin: true,
                    compressed: false,
                    opcode,
                    key,
                    length,
                };
                let mut bytes = Vec::new();
                header.encode(&mut bytes);
                let decoded = FrameHeader::decode(&bytes, role);
                assert_eq!(decoded, Ok(Some((header, bytes.len()))));
                for end in 0..bytes.len() {
                    assert_eq!(FrameHeader::decode(&bytes[..end], role), Ok(None));
                }
            }
        }
    }
}

#[test]
fn rfc6455_5_3_each_frame_has_its_own_key() {
    let mut wire = Vec::new();
    encode_message(&mut wire, Message::Text("one"), Some([1, 2, 3, 4]));
    encode_message(&mut wire, Message::Text("two"), Some([0, 0, 0, 0]));
    encode_message(&mut wire, Message::Text("three"), Some([255, 0, 255, 0]));
    check(
        &wire,
        &[Said::text("one"), Said::text("two"), Said::text("three")],
    );
}

#[test]
fn rfc6455_5_4_fragments_make_one_message() {
    let wire = [
        masked(1, b"Hel"),
        masked(0, b""),
        masked(0, b"l"),
        masked(FIN, b"o"),
    ]
    .concat();
    check(&wire, &[Said::text("Hello")]);
    let wire = [masked(2, b""), masked(FIN, b"\xff\xfe")].concat();
    check(&wire, &[Said::Binary(vec![0xff, 0xfe])]);
}

#[test]
fn rfc6455_5_4_control_frames_may_stand_between_fragments() {
    let wire = [
        masked(1, b"Hel"),
        masked(FIN | 9, b"p"),
        masked(0, b"l"),
        masked(FIN | 10, b"q"),
        masked(FIN, b"o"),
    ]
    .concat();
    check(
        &wire,
        &[
            Said::Ping(b"p".to_vec()),
            Said::Pong(b"q".to_vec()),
            Said::text("Hello"),
        ],
    );
}

#[test]
fn rfc6455_5_4_a_continuation_of_nothing_fails_with_1002() {
    check_fault(&masked(FIN, b"x"), PeerFault::UnexpectedContinuation);
    check_fault(&masked(0, b"x"), PeerFault::UnexpectedContinuation);
    let after_whole = [masked(FIN | 1, b"a"), masked(FIN, b"x")].concat();
    check(&after_whole, &[Said::text("a"), Said::Failed(1002)]);
    let after_last = [masked(1, b"a"), masked(FIN, b"b"), masked(0, b"x")].concat();
    check(&after_last, &[Said::text("ab"), Said::Failed(1002)]);
}

#[test]
fn rfc6455_5_4_a_new_message_inside_another_fails_with_1002() {
    for opcode in [1, 2] {
        for fin in [0, FIN] {
            let wire = [masked(1, b"a"), masked(fin | opcode, b"b")].concat();
            check(&wire, &[Said::Failed(1002)]);
        }
    }
}

#[test]
fn rfc6455_5_4_a_message_of_65536_fragments_is_fine() {
    let mut wire = masked(2, b"");
    for i in 0..65_536u32 {
        wire.extend(masked(if i == 65_535 { FIN } else { 0 }, &[i as u8]));
    }
    let expected = (0..65_536u32).map(|i| i as u8).collect();
    check(&wire, &[Said::Binary(expected)]);
}

#[test]
fn rfc6455_5_4_messages_after_a_fragmented_one_start_afresh() {
    let wire = [
        masked(1, b"long text, long enough to need memory"),
        masked(FIN, b"!"),
        masked(2, b"\xff"),
        masked(FIN, b"\xfe"),
        masked(1, b"s"),
        masked(FIN, b"hort"),
        masked(FIN | 1, b"whole"),
    ]
    .concat();
    check(
        &wire,
        &[
            Said::text("long text, long enough to need memory!"),
            Said::Binary(vec![0xff, 0xfe]),
            Said::text("short"),
            Said::text("whole"),
        ],
    );
}

#[test]
fn rfc6455_5_5_control_frames_are_not_fragmented() {
    for opcode in [8, 9, 10] {
        check_fault(&masked(opcode, b""), PeerFault::FragmentedControl);
    }
}

#[test]
fn rfc6455_5_5_control_frames_have_at_most_125_bytes() {
    check(&masked(FIN | 9, &[7; 125]), &[Said::Ping(vec![7; 125])]);
    for opcode in [8, 9, 10] {
        check_fault(&masked(FIN | opcode, &[0; 126]), PeerFault::ControlTooLong);
        check_fault(
            &masked(FIN | opcode, &[0; 65_536]),
            PeerFault::ControlTooLong,
        );
    }
}

#[test]
fn rfc6455_5_5_1_a_close_may_be_empty_but_not_one_byte() {
    check(&masked(FIN | 8, b""), &[Said::Close(None)]);
    check_fault(&masked(FIN | 8, b"\x03"), PeerFault::CloseTruncated);
}

#[test]
fn rfc6455_5_5_1_a_close_tells_code_and_reason() {
    check(&masked(FIN | 8, b"\x03\xe9"), &[Said::close(1001, "")]);
    let wire = masked(FIN | 8, &close_payload(4321, "schöß".as_bytes()));
    check(&wire, &[Said::close(4321, "schöß")]);
    let reason = "x".repeat(123);
    let wire = masked(FIN | 8, &close_payload(1000, reason.as_bytes()));
    check(&wire, &[Said::close(1000, &reason)]);
}

#[test]
fn rfc6455_5_5_1_a_reason_that_is_not_utf_8_fails_with_1007() {
    let wire = masked(
        FIN | 8,
        &close_payload(1000, b"\xce\xba\xe1\xbd\xb9\xed\xa0\x80"),
    );
    check(&wire, &[Said::Failed(1007)]);
    check(
        &masked(FIN | 8, &close_payload(1000, b"cut\xc3")),
        &[Said::Failed(1007)],
    );
}

#[test]
fn rfc6455_5_5_2_every_ping_is_told_in_order() {
    let wire: Vec<u8> = (0..1000u32)
        .flat_map(|i| masked(FIN | 9, &i.to_be_bytes()))
        .collect();
    let expected: Vec<_> = (0..1000u32)
        .map(|i| Said::Ping(i.to_be_bytes().to_vec()))
        .collect();
    check(&wire, &expected);
}

#[test]
fn rfc6455_5_6_empty_messages_are_messages() {
    let wire = [
        masked(FIN | 1, b""),
        masked(FIN | 2, b""),
        masked(1, b""),
        masked(FIN, b""),
    ];
    check(
        &wire.concat(),
        &[Said::text(""), Said::Binary(Vec::new()), Said::text("")],
    );
}

#[test]
fn rfc6455_5_7_the_examples() {
    let hello = b"\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58";
    check(hello, &[Said::text("Hello")]);
    let mut whole = *b"\x81\x05Hello";
    assert_eq!(listen(&mut client(), [&whole[..]]), [Said::text("Hello")]);
    whole[0] = 0x89;
    assert_eq!(
        listen(&mut client(), [&whole[..]]),
        [Said::Ping(b"Hello".to_vec())]
    );
    let fragmented = b"\x01\x03\x48\x65\x6c\x80\x02\x6c\x6f";
    assert_eq!(
        listen(&mut client(), [&fragmented[..]]),
        [Said::text("Hello")]
    );
    check(
        b"\x8a\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58",
        &[Said::Pong(b"Hello".to_vec())],
    );
    for (start, length) in [
        (&b"\x82\x7e\x01\x00"[..], 256),
        (b"\x82\x7f\0\0\0\0\0\x01\0\0", 65_536),
    ] {
        let wire = [start, &vec![9; length]].concat();
        assert_eq!(
            listen(&mut client(), [&wire[..]]),
            [Said::Binary(vec![9; length])]
        );
    }
}

#[test]
fn rfc6455_7_1_7_after_a_failure_nothing_is_heard() {
    let mut protocol = server();
    assert!(protocol.receive(&mut unmasked(FIN | 1, b"hi")).is_err());
    let mut more = masked(FIN | 1, b"hi");
    assert_eq!(protocol.receive(&mut more), Ok((8, None)));
    assert_eq!(protocol.receive(&mut []), Ok((0, None)));
}

#[test]
fn rfc6455_7_4_only_codes_meant_for_the_wire_are_accepted() {
    for code in 0..=u16::MAX {
        let good = match code {
            0..=999 | 1004..=1006 | 1015..=2999 | 5000.. => false,
            1000..=1003 | 1007..=1014 | 3000..=4999 => true,
        };
        let said = if good {
            Said::close(code, "")
        } else {
            Said::Failed(1002)
        };
        check(&masked(FIN | 8, &code.to_be_bytes()), &[said]);
        assert_eq!(
            CloseCode::new(code).map(CloseCode::get),
            good.then_some(code)
        );
    }
}

#[test]
fn rfc6455_8_1_text_that_is_not_utf_8_fails_with_1007() {
    for bad in [
        &b"\xff"[..],
        b"caf\xe9",
        b"\xed\xa0\x80",
        b"\xc0\x80",
        b"\xf4\x90\x80\x80",
        b"\xc3",
    ] {
        check(&masked(FIN | 1, bad), &[Said::Failed(1007)]);
        let fragmented = [masked(1, &bad[..1]), masked(FIN, &bad[1..])].concat();
        check(&fragmented, &[Said::Failed(1007)]);
        check(&masked(FIN | 2, bad), &[Said::Binary(bad.to_vec())]);
    }
}

#[test]
fn rfc6455_8_1_text_may_be_cut_inside_a_character() {
    let text = "κόσμε 漢字 🦀";
    let mut wire = Vec::new();
    for (i, byte) in text.bytes().enumerate() {
        wire.extend(masked(if i == 0 { 1 } else { 0 }, &[byte]));
    }
    wire.extend(masked(FIN, b""));
    check(&wire, &[Said::text(text)]);
}

#[test]
fn rfc6455_8_1_a_bad_byte_fails_before_its_frame_has_ended() {
    let mut wire = masked(FIN | 1, b"\xce\xba\xf4\x90 and more to come, much more");
    wire.truncate(6 + 4);
    check(&wire, &[Said::Failed(1007)]);
    wire.truncate(6 + 3);
    check(&wire, &[]);
}

#[test]
fn rfc6455_8_1_messages_before_the_bad_one_are_delivered() {
    let wire = [
        masked(FIN | 1, b"good"),
        masked(FIN | 1, b"\xff"),
        masked(FIN | 1, b"late"),
    ];
    check(&wire.concat(), &[Said::text("good"), Said::Failed(1007)]);
}

#[test]
fn rfc6455_10_4_a_message_at_the_limit_passes_and_one_byte_more_fails_with_1009() {
    let limits = Limits::default().with_message_bytes_max(1024);
    let new = || Protocol::new(Role::Server, limits);
    let fits = vec![b'a'; 1024];
    let whole = masked(FIN | 1, &fits);
    assert_eq!(
        listen(&mut new(), [&whole[..]]),
        [Said::Text("a".repeat(1024))]
    );
    let whole = masked(FIN | 1, &[b'a'; 1025]);
    assert_eq!(listen(&mut new(), [&whole[..]]), [Said::Failed(1009)]);

    let fragments = [
        masked(2, &fits[..1000]),
        masked(0, &[]),
        masked(FIN, &fits[..24]),
    ]
    .concat();
    assert_eq!(
        listen(&mut new(), [&fragments[..]]),
        [Said::Binary(fits.clone())]
    );
    let fragments = [
        masked(2, &fits[..1000]),
        masked(0, &[]),
        masked(FIN, &fits[..25]),
    ]
    .concat();
    assert_eq!(listen(&mut new(), [&fragments[..]]), [Said::Failed(1009)]);
}

#[test]
fn rfc6455_10_4_a_claim_above_the_limit_fails_before_its_payload_comes() {
    for length in [10 * 1024 * 1024 + 1, 1 << 40, (1 << 63) - 1] {
        let mut wire = header(FIN | 2, 0x80, length);
        wire.extend_from_slice(&KEY);
        check(&wire, &[Said::Failed(1009)]);
    }
    let mut wire = masked(1, &[b'a'; 100]);
    wire.extend(header(FIN, 0x80, 10 * 1024 * 1024 - 99));
    wire.extend_from_slice(&KEY);
    check(&wire, &[Said::Failed(1009)]);
}

#[test]
fn rfc6455_10_4_an_open_character_counts_towards_the_limit() {
    let limits = Limits::default().with_message_bytes_max(4);
    let wire = [masked(1, b"ab\xc3"), masked(FIN, b"\xa9c")].concat();
    let mut protocol = Protocol::new(Role::Server, limits);
    assert_eq!(listen(&mut protocol, [&wire[..]]), [Said::Failed(1009)]);
}

#[test]
fn rfc6455_10_4_frames_have_a_limit_of_their_own() {
    let limits = Limits::default().with_frame_bytes_max(10);
    let mut protocol = Protocol::new(Role::Server, limits);
    let wire = [masked(2, &[1; 10]), masked(FIN, &[1; 10])].concat();
    assert_eq!(
        listen(&mut protocol, [&wire[..]]),
        [Said::Binary(vec![1; 20])]
    );
    let result = protocol.receive(&mut masked(FIN | 2, &[1; 11])).map(|_| ());
    assert_eq!(result, Err(Error::Limit(LimitFault::FrameBytes)));
}

#[test]
fn an_idle_protocol_is_small() {
    assert!(
        size_of::<Protocol>() <= 128,
        "{} bytes",
        size_of::<Protocol>()
    );
}

#[test]
fn a_whole_message_is_lent_from_the_input() {
    let mut wire = masked(FIN | 1, b"here");
    let payload = wire[6..].as_ptr();
    let mut protocol = server();
    let (used, event) = protocol.receive(&mut wire).expect("a good frame");
    let Some(squall_websocket::Event::Text(text)) = event else {
        panic!("no text")
    };
    assert_eq!((used, text, text.as_ptr()), (10, "here", payload));
}

#[test]
fn rfc6455_10_4_a_message_has_an_end_also_if_its_fragments_are_empty() {
    let limits = Limits::default().with_message_fragments_max(3);
    let new = || Protocol::new(Role::Server, limits);
    let first = masked(2, b"a");
    let empty = masked(0, b"");
    let last = masked(FIN, b"b");
    let fits = [&first[..], &empty, &last].concat();
    let said = [Said::Binary(b"ab".to_vec()), Said::Binary(b"ab".to_vec())];
    assert_eq!(listen(&mut new(), [&fits.repeat(2)[..]]), said);
    let more = [&first[..], &empty, &empty, &last].concat();
    assert_eq!(listen(&mut new(), [&more[..]]), [Said::Failed(1009)]);
    let mut protocol = new();
    assert_eq!(
        listen(&mut protocol, [&more[..first.len() + 2 * empty.len()]]),
        []
    );
    let result = protocol.receive(&mut masked(FIN, b"")).map(|_| ());
    assert_eq!(result, Err(Error::Limit(LimitFault::MessageFragments)));
}

#[test]
fn rfc6455_5_3_a_payload_in_any_number_of_pieces_is_unmasked_in_step() {
    let payload: Vec<u8> = (0..=255).collect();
    let wire = masked(FIN | 2, &payload);
    for size in 1..20 {
        let said = listen(&mut server(), wire.chunks(size));
        assert_eq!(said, [Said::Binary(payload.clone())], "pieces of {size}");
    }
}
