//! The negotiation of permessage-deflate (RFC 7692 §5, §7.1; RFC 6455 §9.1), for both roles.
//!
//! A server declines an offer that it does not understand, whatever is wrong with it, and takes the
//! first that it does; with none left, there is no compression, and no harm done. A client has said
//! what it can bear, and so an answer that goes beyond it fails the connection (§5.1).
//!
//! ```text
//! Sec-WebSocket-Extensions = 1#( "permessage-deflate" *( ";" parameter ) )
//! parameter = "server_no_context_takeover" / "client_no_context_takeover"
//!           / "server_max_window_bits" "=" bits
//!           / "client_max_window_bits" [ "=" bits ]        ; without bits only in an offer
//! bits      = "8" ... "15", bare or quoted, without leading zeros
//! ```

use http::header::{HeaderMap, HeaderValue, SEC_WEBSOCKET_EXTENSIONS};

use super::agreement::{DeflateAgreement, Side};
use super::settings::{Deflate, WINDOW_BITS_MAX, WINDOW_BITS_MIN};
use crate::handshake::AnswerFault;

const NAME: &str = "permessage-deflate";

/// The parameters of one offer or answer, as they were written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Parameters {
    server_no_context_takeover: bool,
    client_no_context_takeover: bool,
    server_max_window_bits: Option<u8>,
    client_max_window_bits: Option<ClientBits>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ClientBits {
    /// Without a value: the client understands the parameter.
    Understood,
    Value(u8),
}

impl Deflate {
    /// A server's answer to the fields of a request: what both have agreed on, or `None` if nothing
    /// acceptable is offered. The agreement, as text, is the answer's `Sec-WebSocket-Extensions`.
    #[must_use]
    pub fn accept(&self, fields: &HeaderMap) -> Option<DeflateAgreement> {
        let mut offers = elements(fields).filter_map(|element| parse(element).ok().flatten());
        offers.next().map(|offer| self.accept_offer(&offer))
    }

    /// §7.1.1, §7.1.2: what was asked for holds, and what we want besides is added where the client
    /// has to bear it.
    fn accept_offer(&self, offer: &Parameters) -> DeflateAgreement {
        let ours = self.window_bits;
        let server_bits = match offer.server_max_window_bits {
            Some(bits) => Some(bits.min(ours)),
            None => (ours < WINDOW_BITS_MAX).then_some(ours),
        };
        // §7.1.2.2: not a word of it to a client that has not offered it.
        let peer = self.peer_window_bits;
        let client_bits = match offer.client_max_window_bits {
            None => None,
            Some(ClientBits::Understood) => (peer < WINDOW_BITS_MAX).then_some(peer),
            Some(ClientBits::Value(bits)) => Some(bits.min(peer)),
        };
        DeflateAgreement {
            server: Side {
                keeps_context: self.context_takeover && !offer.server_no_context_takeover,
                window_bits: server_bits,
            },
            client: Side {
                keeps_context: self.peer_context_takeover && !offer.client_no_context_takeover,
                window_bits: client_bits,
            },
        }
    }

    /// A client's offers, the dearest first, as its `Sec-WebSocket-Extensions`. If the first asks
    /// something of the server, the second does not, so that there is compression even so.
    #[must_use]
    pub fn offer(&self) -> HeaderValue {
        let offered = self.offered();
        let mut text = offered.strict.to_offer();
        if offered.strict.asks_of_server() {
            text.push_str(", ");
            text.push_str(&offered.relaxed.to_offer());
        }
        HeaderValue::try_from(text).expect("tokens and numbers are a field value")
    }

    /// A client's look at the answer to [`Self::offer`]: what was agreed on, or `None` if the
    /// server does not compress.
    ///
    /// # Errors
    /// [`AnswerFault::UnaskedExtension`], or [`AnswerFault::BadExtension`] if the answer is not one
    /// to our offer: the connection is to be failed (§5.1, §7.1).
    pub fn check(&self, fields: &HeaderMap) -> Result<Option<DeflateAgreement>, AnswerFault> {
        self.offered().check(fields)
    }

    /// What the client asks for at most, and what it takes as well.
    fn offered(&self) -> Offered {
        let bits = (self.window_bits < WINDOW_BITS_MAX).then_some(self.window_bits);
        let relaxed = Parameters {
            client_no_context_takeover: !self.context_takeover,
            client_max_window_bits: Some(match bits {
                Some(bits) => ClientBits::Value(bits),
                None => ClientBits::Understood,
            }),
            ..Parameters::default()
        };
        let peer = self.peer_window_bits;
        Offered {
            strict: Parameters {
                server_no_context_takeover: !self.peer_context_takeover,
                server_max_window_bits: (peer < WINDOW_BITS_MAX).then_some(peer),
                ..relaxed
            },
            relaxed,
        }
    }
}

/// What a client has offered.
struct Offered {
    strict: Parameters,
    relaxed: Parameters,
}

impl Offered {
    fn check(&self, fields: &HeaderMap) -> Result<Option<DeflateAgreement>, AnswerFault> {
        let mut agreement = None;
        for element in elements(fields) {
            let answer = parse(element).map_err(|Malformed| AnswerFault::BadExtension)?;
            let answer = answer.ok_or(AnswerFault::UnaskedExtension)?;
            // §5: an extension is agreed on once.
            if agreement.is_some() {
                return Err(AnswerFault::BadExtension);
            }
            agreement = Some(self.agree(&answer).ok_or(AnswerFault::BadExtension)?);
        }
        Ok(agreement)
    }

    /// The second offer asks nothing of the server, so whatever it promises is fine.
    fn agree(&self, answer: &Parameters) -> Option<DeflateAgreement> {
        let told = match self.relaxed.client_max_window_bits {
            Some(ClientBits::Value(bits)) => Some(bits),
            _ => None,
        };
        let client_bits = match answer.client_max_window_bits {
            // §7.1.2.2: in an answer it has a value, and not a larger one than in the offer.
            Some(ClientBits::Understood) => return None,
            Some(ClientBits::Value(bits)) if told.is_some_and(|told| bits > told) => return None,
            Some(ClientBits::Value(bits)) => Some(bits),
            None => told,
        };
        Some(DeflateAgreement {
            server: Side {
                keeps_context: !answer.server_no_context_takeover,
                window_bits: answer.server_max_window_bits,
            },
            client: Side {
                keeps_context: !answer.client_no_context_takeover,
                window_bits: client_bits,
            },
        })
    }
}

impl Parameters {
    fn asks_of_server(&self) -> bool {
        self.server_no_context_takeover || self.server_max_window_bits.is_some()
    }

    fn to_offer(self) -> String {
        let mut text = NAME.to_owned();
        if self.server_no_context_takeover {
            text.push_str("; server_no_context_takeover");
        }
        if self.client_no_context_takeover {
            text.push_str("; client_no_context_takeover");
        }
        if let Some(bits) = self.server_max_window_bits {
            text.push_str(&format!("; server_max_window_bits={bits}"));
        }
        match self.client_max_window_bits {
            Some(ClientBits::Understood) => text.push_str("; client_max_window_bits"),
            Some(ClientBits::Value(bits)) => {
                text.push_str(&format!("; client_max_window_bits={bits}"));
            }
            None => {}
        }
        text
    }
}

/// It is permessage-deflate, but with a parameter that is unknown, there twice or wrong.
struct Malformed;

/// Reads one element; `None` if it is another extension. Looks at each octet a bounded number of
/// times.
fn parse(element: &str) -> Result<Option<Parameters>, Malformed> {
    let mut parts = element.split(';').map(trim);
    // Names are compared as they are written: an extension's is a registered token.
    if parts.next() != Some(NAME) {
        return Ok(None);
    }
    let mut parameters = Parameters::default();
    for part in parts {
        let (name, value) = match part.split_once('=') {
            Some((name, value)) => (trim(name), Some(trim(value))),
            None => (part, None),
        };
        match (name, value) {
            ("server_no_context_takeover", None) => {
                set(&mut parameters.server_no_context_takeover)?;
            }
            ("client_no_context_takeover", None) => {
                set(&mut parameters.client_no_context_takeover)?;
            }
            ("server_max_window_bits", Some(value)) => {
                put(&mut parameters.server_max_window_bits, bits(value)?)?;
            }
            ("client_max_window_bits", value) => {
                let value = value.map_or(Ok(ClientBits::Understood), |value| {
                    bits(value).map(ClientBits::Value)
                })?;
                put(&mut parameters.client_max_window_bits, value)?;
            }
            _ => return Err(Malformed),
        }
    }
    Ok(Some(parameters))
}

fn set(flag: &mut bool) -> Result<(), Malformed> {
    if std::mem::replace(flag, true) {
        return Err(Malformed);
    }
    Ok(())
}

fn put<T>(place: &mut Option<T>, value: T) -> Result<(), Malformed> {
    if place.replace(value).is_some() {
        return Err(Malformed);
    }
    Ok(())
}

/// §7.1.2: "a decimal integer value without leading zeroes between 8 to 15". RFC 6455 §9.1: quoted
/// or not, it is the same.
fn bits(value: &str) -> Result<u8, Malformed> {
    let quoted = value
        .strip_prefix('"')
        .and_then(|value| value.strip_suffix('"'));
    let digits = quoted.unwrap_or(value);
    if digits.starts_with(['0', '+']) {
        return Err(Malformed);
    }
    digits
        .parse()
        .ok()
        .filter(|bits| (WINDOW_BITS_MIN..=WINDOW_BITS_MAX).contains(bits))
        .ok_or(Malformed)
}

/// The elements of the list, over all lines of the field. Another extension's quoted value may have
/// a comma in it; that one of ours has a semicolon there only makes it one that we do not know.
fn elements(fields: &HeaderMap) -> impl Iterator<Item = &str> {
    fields
        .get_all(SEC_WEBSOCKET_EXTENSIONS)
        .into_iter()
        .filter_map(|line| line.to_str().ok())
        .flat_map(|line| split_unquoted(line, ','))
        .map(trim)
        .filter(|element| !element.is_empty())
}

fn trim(text: &str) -> &str {
    text.trim_matches([' ', '\t'])
}

/// Splits where the separator is not in a quoted string.
fn split_unquoted(line: &str, separator: char) -> impl Iterator<Item = &str> {
    let mut is_quoted = false;
    let mut is_escaped = false;
    line.split(move |c| {
        let was_escaped = std::mem::replace(&mut is_escaped, false);
        match c {
            _ if was_escaped => {}
            '\\' if is_quoted => is_escaped = true,
            '"' => is_quoted = !is_quoted,
            _ => return c == separator && !is_quoted,
        }
        false
    })
}
