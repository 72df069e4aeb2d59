//! A chunked content of any octets, cut anywhere.

use squall::http1::{ContentDecoder, ContentEvent, Error, Framing, Limits};

/// What was understood of a content.
#[derive(Debug, Default)]
struct Heard {
    content: Vec<u8>,
    trailers: Vec<(String, Vec<u8>)>,
    /// Octets used.
    used: usize,
    end: Option<Result<(), Error>>,
}

/// The first two octets say where the rest is cut.
pub(crate) fn check(data: &[u8]) {
    let [one, two, input @ ..] = data else {
        return;
    };
    let first = usize::from(*one).min(input.len());
    let second = (first + usize::from(*two)).min(input.len());
    let whole = hear(&[input.len()], input);
    let cut = hear(&[first, second, input.len()], input);
    let octets: Vec<usize> = (1..=input.len()).collect();
    compare(&whole, &cut, input.len());
    compare(&whole, &hear(&octets, input), input.len());
    assert!(whole.content.len() <= input.len(), "content out of nothing");
}

fn compare(whole: &Heard, cut: &Heard, len: usize) {
    // Of the last piece before a fault one may have seen more than the other.
    let common = whole.content.len().min(cut.content.len());
    assert_eq!(whole.content[..common], cut.content[..common]);
    match (&whole.end, &cut.end) {
        (Some(Ok(())), Some(Ok(()))) => {
            assert_eq!(whole.content, cut.content);
            assert_eq!(whole.trailers, cut.trailers);
            assert_eq!(whole.used, cut.used);
        }
        (Some(Err(_)), Some(Err(_))) => {}
        // A trailer line without an end: cut, it is looked at when it has one.
        (None, None) | (Some(Err(_)), None) | (None, Some(Err(_))) => assert!(cut.used <= len),
        _ => panic!("whole: {whole:?}, cut: {cut:?}"),
    }
}

/// Gives the input up to each of `ends`, and what was not used of it again.
fn hear(ends: &[usize], input: &[u8]) -> Heard {
    let limits = Limits::default();
    let mut decoder = ContentDecoder::new(Framing::Chunked);
    let mut heard = Heard::default();
    for end in ends {
        loop {
            let rest = &input[heard.used..*end];
            match decoder.decode(rest, &limits) {
                Ok((used, event)) => {
                    assert!(used <= rest.len());
                    heard.used += used;
                    match event {
                        ContentEvent::Partial => break,
                        ContentEvent::Data(data) => {
                            assert!(!data.is_empty());
                            heard.content.extend_from_slice(data);
                        }
                        ContentEvent::End => {
                            for (name, value) in decoder.trailers().into_iter().flatten() {
                                let value = value.as_bytes().to_vec();
                                heard.trailers.push((name.to_string(), value));
                            }
                            heard.end = Some(Ok(()));
                            return heard;
                        }
                    }
                }
                Err(error) => {
                    heard.end = Some(Err(error));
                    return heard;
                }
            }
        }
    }
    heard
}
