//! A head of any octets: against another parser, and cut anywhere.

use squall::http1::{Error, HeadDecoder, Limits, RequestHead};

/// The first two octets say where the rest is cut.
pub(crate) fn check(data: &[u8]) {
    let [one, two, input @ ..] = data else {
        return;
    };
    let mut whole = RequestHead::new();
    let verdict = HeadDecoder::new().decode(input, &mut whole, &Limits::default());
    if let Ok(Some(used)) = verdict {
        compare_with_httparse(&input[..used], &whole);
        assert_eq!(whole.as_bytes().len() + empty_line_len(input), used);
    }
    let cuts = [usize::from(*one), usize::from(*one) + usize::from(*two)];
    check_cut(input, cuts, &verdict, &whole);
}

/// We accept this; so must it, and see the same parts.
fn compare_with_httparse(wire: &[u8], ours: &RequestHead) {
    let mut fields = [httparse::EMPTY_HEADER; 100];
    let mut theirs = httparse::Request::new(&mut fields);
    let used = match theirs.parse(wire) {
        Ok(httparse::Status::Complete(used)) => used,
        // It knows no minor version but 0 and 1; for the others see RFC 9110 §2.5.
        Err(httparse::Error::Version) => return,
        other => panic!("another parser refuses it: {other:?}"),
    };
    assert_eq!(used, wire.len());
    assert_eq!(theirs.method, Some(ours.method().as_str()));
    assert_eq!(theirs.path, Some(ours.target()));
    let their_fields = theirs.headers.iter().map(|field| (field.name, field.value));
    assert!(ours.fields().eq(their_fields), "other fields");
}

/// Given first up to one cut, then up to the other, then whole, the head is the same.
fn check_cut(
    input: &[u8],
    cuts: [usize; 2],
    verdict: &Result<Option<usize>, Error>,
    whole: &RequestHead,
) {
    let (mut decoder, mut head) = (HeadDecoder::new(), RequestHead::new());
    for end in [cuts[0], cuts[1], input.len()] {
        let end = end.min(input.len());
        let found = decoder.decode(&input[..end], &mut head, &Limits::default());
        match (&found, verdict) {
            // Not enough yet; or a line without an end, which is looked at again when it has one.
            (Ok(None), _) => {}
            (Ok(Some(used)), Ok(Some(expected))) => {
                assert_eq!(used, expected);
                assert_eq!(head.as_bytes(), whole.as_bytes());
                assert_eq!(head.framing(), whole.framing());
                assert_eq!(head.host(), whole.host());
                return;
            }
            // Whichever fault comes first in the input; cut, a later limit may not be reached yet.
            (Err(_), Err(_)) => return,
            _ => panic!("{found:?} cut at {cuts:?}, {verdict:?} whole"),
        }
    }
    assert!(!matches!(verdict, Ok(Some(_))), "a whole head was not seen");
}

fn empty_line_len(input: &[u8]) -> usize {
    if input.starts_with(b"\r\n") { 2 } else { 0 }
}
