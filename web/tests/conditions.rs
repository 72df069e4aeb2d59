//! Conditional requests and ranges, by the clauses of RFC 9110: fields in, a decision out.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::time::{Duration, SystemTime};

use squall_http1::{HeadDecoder, Limits, RequestHead};
use squall_web::{EntityTag, RANGES_MAX, Selection, Validators, select};

use Selection::{NotModified, Part, Parts, PreconditionFailed, RangeNotSatisfiable, Whole};

/// The representation has the tag `"v"`, was modified at this time, and is 26 bytes long.
const LENGTH: u64 = 26;
const NOW: &str = "Sun, 06 Nov 1994 08:49:37 GMT";
const BEFORE: &str = "Sun, 06 Nov 1994 08:49:36 GMT";
const AFTER: &str = "Sun, 06 Nov 1994 08:49:38 GMT";

fn validators() -> Validators {
    let modified = SystemTime::UNIX_EPOCH + Duration::from_millis(784_111_777_900);
    Validators::new()
        .with_entity_tag(EntityTag::strong("v").unwrap())
        .with_last_modified(modified)
}

fn head(method: &str, fields: &[&str]) -> RequestHead {
    let lines: String = fields.iter().map(|field| format!("{field}\r\n")).collect();
    let input = format!("{method} / HTTP/1.1\r\nHost: a\r\n{lines}\r\n");
    let mut head = RequestHead::new();
    let decoded = HeadDecoder::new().decode(input.as_bytes(), &mut head, &Limits::default());
    assert_eq!(decoded.unwrap(), Some(input.len()));
    head
}

#[track_caller]
fn check_of(validators: &Validators, request: (&str, &[&str]), expected: &Selection) {
    let (method, fields) = request;
    let selection = select(&head(method, fields), validators, LENGTH);
    assert_eq!(&selection, expected, "{method} {fields:?}");
}

#[track_caller]
fn check(fields: &[&str], expected: &Selection) {
    check_of(&validators(), ("GET", fields), expected);
}

#[track_caller]
fn check_range(range: &str, expected: &Selection) {
    check(&[&format!("Range: {range}")], expected);
}

#[test]
fn rfc9110_13_1_1_if_match_compares_strongly() {
    for met in [
        "\"v\"",
        "*",
        " * ",
        "\"a\", \"v\"",
        "\"a\",\"v\"",
        ",, \"v\" ,",
    ] {
        check(&[&format!("If-Match: {met}")], &Whole);
    }
    for not_met in [
        "\"a\"",
        "W/\"v\"",
        "v",
        "",
        "\"v",
        "\"V\"",
        "\"a\" \"v\"",
        "*, \"v",
    ] {
        check(&[&format!("If-Match: {not_met}")], &PreconditionFailed);
    }
    check(&["If-Match: \"a\"", "If-Match: \"v\""], &Whole);
    for method in ["PUT", "DELETE", "HEAD"] {
        check_of(
            &validators(),
            (method, &["If-Match: \"a\""]),
            &PreconditionFailed,
        );
        check_of(&validators(), (method, &["If-Match: \"v\""]), &Whole);
    }
}

#[test]
fn rfc9110_13_1_1_what_has_no_tag_matches_any_but_none() {
    check_of(&Validators::new(), ("GET", &["If-Match: *"]), &Whole);
    check_of(
        &Validators::new(),
        ("GET", &["If-Match: \"v\""]),
        &PreconditionFailed,
    );
}

#[test]
fn rfc9110_13_1_1_a_weak_tag_is_never_matched_strongly() {
    let weak = Validators::new().with_entity_tag(EntityTag::weak("v").unwrap());
    check_of(&weak, ("GET", &["If-Match: W/\"v\""]), &PreconditionFailed);
    check_of(&weak, ("GET", &["If-None-Match: \"v\""]), &NotModified);
    check_of(
        &weak,
        ("GET", &["Range: bytes=0-1", "If-Range: W/\"v\""]),
        &Whole,
    );
}

#[test]
fn rfc9110_13_1_2_if_none_match_compares_weakly() {
    for met in ["\"v\"", "W/\"v\"", "*", "\"a\", W/\"v\"", "\"a,b\", \"v\""] {
        check(&[&format!("If-None-Match: {met}")], &NotModified);
        let field = format!("If-None-Match: {met}");
        check_of(&validators(), ("HEAD", &[&field]), &NotModified);
        check_of(&validators(), ("PUT", &[&field]), &PreconditionFailed);
    }
    for not_met in [
        "\"a\"",
        "v",
        "",
        "w/\"v\"",
        "\"v",
        "W/ \"v\"",
        "\"a\"; \"v\"",
    ] {
        check(&[&format!("If-None-Match: {not_met}")], &Whole);
    }
    check_of(
        &Validators::new(),
        ("GET", &["If-None-Match: \"v\""]),
        &Whole,
    );
    check_of(
        &Validators::new(),
        ("GET", &["If-None-Match: *"]),
        &NotModified,
    );
}

#[test]
fn rfc9110_13_1_3_if_modified_since_compares_dates() {
    check(&[&format!("If-Modified-Since: {NOW}")], &NotModified);
    check(&[&format!("If-Modified-Since: {AFTER}")], &NotModified);
    check(&[&format!("If-Modified-Since: {BEFORE}")], &Whole);
    check(
        &["If-Modified-Since: Fri, 01 Jan 1960 00:00:00 GMT"],
        &Whole,
    );
}

/// §5.6.7: a recipient accepts all three forms.
#[test]
fn rfc9110_5_6_7_obsolete_dates_are_read() {
    check(
        &["If-Modified-Since: Sunday, 06-Nov-94 08:49:37 GMT"],
        &NotModified,
    );
    check(
        &["If-Modified-Since: Sun Nov  6 08:49:37 1994"],
        &NotModified,
    );
}

#[test]
fn rfc9110_13_1_3_what_is_no_date_is_ignored() {
    for no_date in [
        "",
        "yesterday",
        "0",
        "Sun, 06 Nov 1994 08:49:37",
        "Sun, 06 Nov 1994 25:00:00 GMT",
    ] {
        check(&[&format!("If-Modified-Since: {no_date}")], &Whole);
        check(&[&format!("If-Unmodified-Since: {no_date}")], &Whole);
    }
    let field = format!("If-Modified-Since: {AFTER}");
    check(&[&field, &field], &Whole);
    check_of(&validators(), ("POST", &[&field]), &Whole);
    check_of(&Validators::new(), ("GET", &[&field]), &Whole);
}

#[test]
fn rfc9110_13_1_4_if_unmodified_since_compares_dates() {
    check(&[&format!("If-Unmodified-Since: {NOW}")], &Whole);
    check(&[&format!("If-Unmodified-Since: {AFTER}")], &Whole);
    let field = format!("If-Unmodified-Since: {BEFORE}");
    check(&[&field], &PreconditionFailed);
    check_of(&validators(), ("PUT", &[&field]), &PreconditionFailed);
    check_of(&Validators::new(), ("GET", &[&field]), &Whole);
}

#[test]
fn rfc9110_13_1_5_if_range_is_a_tag_or_a_date_and_strong() {
    let range = "Range: bytes=0-1";
    for met in ["\"v\"", NOW] {
        check(&[range, &format!("If-Range: {met}")], &Part(0..2));
    }
    for not_met in [
        "\"a\"",
        "W/\"v\"",
        "v",
        "*",
        "",
        BEFORE,
        AFTER,
        "\"v\", \"v\"",
    ] {
        check(&[range, &format!("If-Range: {not_met}")], &Whole);
    }
    check(&[range, "If-Range: \"v\"", "If-Range: \"v\""], &Whole);
    check_of(
        &Validators::new(),
        ("GET", &[range, "If-Range: \"v\""]),
        &Whole,
    );
    // Without a range there is nothing to be conditional.
    check(&["If-Range: \"a\""], &Whole);
    // With another version, the range is not even looked at.
    check(&["Range: bytes=26-", "If-Range: \"a\""], &Whole);
}

#[test]
fn rfc9110_13_2_2_conditions_are_looked_at_in_order() {
    let unmodified = format!("If-Unmodified-Since: {BEFORE}");
    let modified = format!("If-Modified-Since: {NOW}");
    // 1 before 2: a date that is not met does not count beside a tag that is.
    check(&["If-Match: \"v\"", &unmodified], &Whole);
    // 1 before 3, 2 before 3.
    check(
        &["If-Match: \"a\"", "If-None-Match: \"v\""],
        &PreconditionFailed,
    );
    check(&[&unmodified, "If-None-Match: \"v\""], &PreconditionFailed);
    check(&["If-Match: \"v\"", "If-None-Match: \"v\""], &NotModified);
    // 3 in place of 4, met or not.
    check(&["If-None-Match: \"a\"", &modified], &Whole);
    check(
        &[
            "If-None-Match: \"v\"",
            &format!("If-Modified-Since: {BEFORE}"),
        ],
        &NotModified,
    );
    // 1 to 4 before 5.
    check(&["Range: bytes=0-1", "If-None-Match: \"v\""], &NotModified);
    check(&["Range: bytes=0-1", &modified], &NotModified);
    check(
        &["Range: bytes=0-1", "If-Match: \"a\""],
        &PreconditionFailed,
    );
    check(&["Range: bytes=0-1", "If-None-Match: \"a\""], &Part(0..2));
    check(&["Range: bytes=99-", "If-None-Match: \"v\""], &NotModified);
}

#[test]
fn rfc9110_14_1_2_a_range_has_a_beginning_an_end_or_a_length() {
    check_range("bytes=0-9", &Part(0..10));
    check_range("bytes=0-0", &Part(0..1));
    check_range("bytes=22-", &Part(22..26));
    check_range("bytes=25-25", &Part(25..26));
    check_range("bytes=-4", &Part(22..26));
    check_range("bytes=-1", &Part(25..26));
    check_range("bytes=1-10000000", &Part(1..26));
    check_range("bytes=25-26", &Part(25..26));
}

/// §14.2: a range that there is gets a 206, though it be all. Tornado sends 200.
#[test]
fn rfc9110_14_2_a_range_of_all_is_a_range() {
    for all in ["0-", "0-25", "0-10000000", "-26", "-1000000"] {
        check_range(&format!("bytes={all}"), &Part(0..26));
    }
}

#[test]
fn rfc9110_14_1_1_a_range_that_is_not_there_is_not_satisfiable() {
    for none in [
        "26",
        "26-",
        "26-30",
        "-0",
        "9999999999999999999999-",
        "30-, 40-, -0",
    ] {
        let expected = if none == "26" {
            Whole
        } else {
            RangeNotSatisfiable
        };
        check_range(&format!("bytes={none}"), &expected);
    }
    check_range("bytes=99-, 3-4", &Part(3..5));
}

#[test]
fn rfc9110_14_1_1_a_range_that_ends_before_it_begins_is_refused() {
    check_range("bytes=10-3", &RangeNotSatisfiable);
    check_range("bytes=0-1, 10-3", &RangeNotSatisfiable);
    check_range("bytes=99999999999999999999999-5", &RangeNotSatisfiable);
}

#[test]
fn rfc9110_14_2_what_is_no_range_is_ignored() {
    for no_range in [
        "",
        "bytes",
        "bytes=",
        "bytes=,",
        "bytes=-",
        "bytes=a-b",
        "bytes=0-b",
        "asdf",
        "bytes 0-1",
        "bytes = 0-1",
        "items=0-1",
        "bytes=+1-+2",
        "bytes=1_0-",
        "bytes=0x1-",
        "bytes=--1",
        "bytes=1-2-3",
        "bytes=1 - 2",
        "bytes=0-1;x",
        "bytes=0-1, x",
        "bytes=\u{661}-",
    ] {
        check_range(no_range, &Whole);
    }
    check(&["Range: bytes=0-1", "Range: bytes=0-1"], &Whole);
}

#[test]
fn rfc9110_14_1_units_are_case_insensitive() {
    check_range("BYTES=0-1", &Part(0..2));
    check_range("Bytes=0-1", &Part(0..2));
}

#[test]
fn rfc9110_14_2_only_get_has_ranges() {
    for method in ["HEAD", "POST", "PUT"] {
        check_of(&validators(), (method, &["Range: bytes=0-1"]), &Whole);
        check_of(&validators(), (method, &["Range: bytes=99-"]), &Whole);
    }
}

#[test]
fn rfc9110_14_1_2_of_nothing_only_the_end_can_be_had() {
    let select = |range: &str| {
        let head = head("GET", &[&format!("Range: bytes={range}")]);
        select(&head, &validators(), 0)
    };
    assert_eq!(select("0-"), RangeNotSatisfiable);
    assert_eq!(select("0-0"), RangeNotSatisfiable);
    assert_eq!(select("-0"), RangeNotSatisfiable);
    assert_eq!(select("-5"), Whole);
}

fn check_long(range: &str, expected: &Selection) {
    let head = head("GET", &[&format!("Range: bytes={range}")]);
    assert_eq!(&select(&head, &validators(), 100_000), expected, "{range}");
}

#[test]
fn rfc9110_15_3_7_2_several_ranges_come_in_the_order_asked_for() {
    check_long("0-0, 1000-1001", &Parts(vec![0..1, 1000..1002]));
    check_long(
        "1000-1001, 0-0,-1",
        &Parts(vec![1000..1002, 0..1, 99_999..100_000]),
    );
    check_long(" 0-0 ,, 999999- , 500-", &Parts(vec![0..1, 500..100_000]));
}

#[test]
fn rfc9110_15_3_7_2_ranges_that_overlap_or_nearly_touch_are_one() {
    check_long("0-100, 50-150", &Part(0..151));
    check_long("50-150, 0-100", &Part(0..151));
    check_long("0-9, 10-19", &Part(0..20));
    check_long("0-9, 90-99", &Part(0..100));
    check_long("0-9, 91-99", &Parts(vec![0..10, 91..100]));
    check_long("1000-, 0-, 5-9", &Part(0..100_000));
    check_long("5000-5001, 9-19, 0-10", &Parts(vec![0..20, 5000..5002]));
}

/// Reliability: what costs a client ten bytes must not cost a server a hundred.
#[test]
fn rfc9110_17_15_too_many_ranges_are_none() {
    let ranges = |count: usize| {
        let ranges: Vec<_> = (0..count).map(|at| format!("{0}-{0}", at * 100)).collect();
        ranges.join(",")
    };
    let all = (0..RANGES_MAX as u64).map(|at| at * 100..at * 100 + 1);
    check_long(&ranges(RANGES_MAX), &Parts(all.collect()));
    check_long(&ranges(RANGES_MAX + 1), &Whole);
    check_long(&ranges(1300), &Whole);
    check_long(&vec!["0-"; 1300].join(","), &Whole);
    check_long(&"0-,".repeat(RANGES_MAX), &Part(0..100_000));
}

#[test]
fn rfc9110_8_8_2_times_that_http_cannot_write_are_none() {
    let before = SystemTime::UNIX_EPOCH - Duration::from_secs(1);
    let after = SystemTime::UNIX_EPOCH + Duration::from_secs(253_402_300_800);
    for time in [before, after] {
        assert_eq!(
            Validators::new().with_last_modified(time),
            Validators::new()
        );
    }
    let last = after - Duration::from_secs(1);
    assert_eq!(
        Validators::new().with_last_modified(last).last_modified(),
        Some(last)
    );
}

#[test]
fn rfc9110_8_8_3_a_tag_has_no_spaces_and_no_quotes() {
    for opaque in ["", "v", "!#~", "é"] {
        assert_eq!(
            EntityTag::strong(opaque).unwrap().to_string(),
            format!("\"{opaque}\"")
        );
    }
    for opaque in ["a b", "\"", "a\r\nb", "\u{7f}", "\t"] {
        assert!(EntityTag::weak(opaque).is_err(), "{opaque:?}");
    }
}

/// Whatever is asked for, what is given is there, is given once, and is not too much.
#[test]
fn rfc9110_14_2_parts_are_within_the_content_and_apart() {
    let mut state = 1_u32;
    let mut next = |bound: usize| {
        // Knuth's generator: the high bits are good enough to choose by.
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 16) as usize % bound
    };
    let mut counts = [0; 3];
    for _ in 0..2000 {
        let elements: Vec<_> = (0..=next(5))
            .map(|_| match (next(20), next(3000), next(300)) {
                (0, ..) => "x".to_owned(),
                (1..5, first, _) => format!("{first}-"),
                (5..9, _, count) => format!("-{count}"),
                (_, first, count) => format!("{first}-{}", first + count),
            })
            .collect();
        let set = elements.join(", ");
        let length = next(3000) as u64;
        let head = head("GET", &[&format!("Range: bytes={set}")]);
        let parts = match select(&head, &validators(), length) {
            Part(range) => vec![range],
            Parts(ranges) => {
                assert!(ranges.len() > 1, "{set}");
                ranges
            }
            _ => Vec::new(),
        };
        counts[parts.len().min(2)] += 1;
        assert!(parts.len() <= RANGES_MAX, "{set}");
        for (at, part) in parts.iter().enumerate() {
            assert!(
                part.start < part.end && part.end <= length,
                "{set} of {length}"
            );
            let others = parts[at + 1..].iter();
            let mut apart = others.map(|other| other.end <= part.start || part.end <= other.start);
            assert!(apart.all(|is_apart| is_apart), "{set} of {length}");
        }
    }
    assert!(counts.iter().all(|count| *count > 100), "{counts:?}");
}
