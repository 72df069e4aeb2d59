//! The client's side of the opening handshake (RFC 6455 §4.1): what to ask, and whether the answer
//! answers it.
//!
//! The request's method (GET), target and Host, redirects and authentication belong to the caller,
//! as does the entropy of the nonce. Called by the connecting side of a WebSocket.

use std::error;
use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::header::{
    CONNECTION, HeaderMap, HeaderValue, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_EXTENSIONS,
    SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_PROTOCOL, SEC_WEBSOCKET_VERSION, UPGRADE,
};
use http::{StatusCode, Version};

#[cfg(feature = "deflate")]
use crate::deflate::Deflate;

use super::{VERSION, accept_key, has_token, single};
use crate::error::{Error, LocalFault};

/// A request to open a WebSocket, kept until its answer is checked against it.
///
/// ```
/// use http::{StatusCode, Version};
/// use squall_websocket::handshake::{ClientHandshake, answer_fields};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let handshake = ClientHandshake::new(*b"the sample nonce").with_subprotocol("chat")?;
/// let request = handshake.fields();
/// assert_eq!(request["sec-websocket-key"], "dGhlIHNhbXBsZSBub25jZQ==");
///
/// let answer = answer_fields(
///     request["sec-websocket-key"].to_str()?,
///     Some(request["sec-websocket-protocol"].clone()),
/// );
/// let chosen = handshake.check(StatusCode::SWITCHING_PROTOCOLS, Version::HTTP_11, &answer)?;
/// assert_eq!(chosen, Some("chat"));
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct ClientHandshake {
    key: String,
    /// Tokens, joined as they are sent.
    subprotocols: String,
    #[cfg(feature = "deflate")]
    deflate: Option<Deflate>,
}

impl ClientHandshake {
    /// A request with this nonce, drawn at random for it alone (§4.1 7).
    #[must_use]
    pub fn new(nonce: [u8; 16]) -> Self {
        Self {
            key: STANDARD.encode(nonce),
            subprotocols: String::new(),
            #[cfg(feature = "deflate")]
            deflate: None,
        }
    }

    /// Offers to compress messages; [`Deflate::check`] has the answer.
    #[cfg(feature = "deflate")]
    #[must_use]
    pub fn with_deflate(mut self, deflate: Deflate) -> Self {
        self.deflate = Some(deflate);
        self
    }

    /// Offers a subprotocol, less dear than those before; its name must be a token.
    pub fn with_subprotocol(mut self, name: &str) -> Result<Self, Error> {
        check_subprotocol(name)?;
        if !self.subprotocols.is_empty() {
            self.subprotocols.push_str(", ");
        }
        self.subprotocols.push_str(name);
        Ok(self)
    }

    /// The fields of the request, beside those every request has.
    #[must_use]
    pub fn fields(&self) -> HeaderMap {
        let mut fields = HeaderMap::with_capacity(5);
        fields.insert(UPGRADE, HeaderValue::from_static("websocket"));
        fields.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
        fields.insert(SEC_WEBSOCKET_VERSION, VERSION);
        let key = HeaderValue::from_str(&self.key).expect("base64 is a field value");
        fields.insert(SEC_WEBSOCKET_KEY, key);
        if !self.subprotocols.is_empty() {
            let offered = HeaderValue::from_str(&self.subprotocols).expect("tokens are too");
            fields.insert(SEC_WEBSOCKET_PROTOCOL, offered);
        }
        #[cfg(feature = "deflate")]
        if let Some(deflate) = &self.deflate {
            fields.insert(SEC_WEBSOCKET_EXTENSIONS, deflate.offer());
        }
        fields
    }

    /// Checks the head of the answer; gives the subprotocol the server chose among those offered.
    pub fn check<'f>(
        &self,
        status: StatusCode,
        version: Version,
        fields: &'f HeaderMap,
    ) -> Result<Option<&'f str>, AnswerFault> {
        // The numbers are those of the list in §4.1 on what the client must validate.
        // 1. Anything but 101 is plain HTTP: a redirect, a challenge, an error.
        if status != StatusCode::SWITCHING_PROTOCOLS {
            return Err(AnswerFault::NotSwitching(status));
        }
        // RFC 9110 §7.8: HTTP/1.0 knows no Upgrade.
        if version != Version::HTTP_11 {
            return Err(AnswerFault::NotHttp11);
        }
        // 2. The only value, not one of a list: there is one protocol to switch to.
        let upgrade = single(fields, UPGRADE).map(HeaderValue::as_bytes);
        if !upgrade.is_some_and(|value| value.eq_ignore_ascii_case(b"websocket")) {
            return Err(AnswerFault::NoUpgrade);
        }
        // 3.
        if !has_token(fields, CONNECTION, "upgrade") {
            return Err(AnswerFault::NoConnectionUpgrade);
        }
        // 4. "ignoring any leading and trailing whitespace", which the HTTP parser has cut off.
        if single(fields, SEC_WEBSOCKET_ACCEPT).is_none_or(|value| *value != accept_key(&self.key))
        {
            return Err(AnswerFault::WrongAccept);
        }
        self.check_extensions(fields)?;
        self.check_subprotocol(fields)
    }

    /// 5. What was not offered may not be chosen.
    fn check_extensions(&self, fields: &HeaderMap) -> Result<(), AnswerFault> {
        #[cfg(feature = "deflate")]
        if let Some(deflate) = &self.deflate {
            return deflate.check(fields).map(drop);
        }
        if fields.contains_key(SEC_WEBSOCKET_EXTENSIONS) {
            return Err(AnswerFault::UnaskedExtension);
        }
        Ok(())
    }

    /// 6. A subprotocol that was not offered fails the connection; so do two (§11.3.4).
    fn check_subprotocol<'f>(&self, fields: &'f HeaderMap) -> Result<Option<&'f str>, AnswerFault> {
        if !fields.contains_key(SEC_WEBSOCKET_PROTOCOL) {
            return Ok(None);
        }
        single(fields, SEC_WEBSOCKET_PROTOCOL)
            .and_then(|value| value.to_str().ok())
            .filter(|chosen| {
                self.subprotocols
                    .split(", ")
                    .any(|offered| offered == *chosen)
            })
            .filter(|chosen| !chosen.is_empty())
            .map(Some)
            .ok_or(AnswerFault::UnaskedSubprotocol)
    }
}

/// Whether it is a name that can be offered.
pub(crate) fn check_subprotocol(name: &str) -> Result<(), Error> {
    if name.is_empty() || !name.bytes().all(is_token_byte) {
        return Err(LocalFault::SubprotocolNotToken.into());
    }
    Ok(())
}

/// ```text
/// tchar = "!" / "#" / "$" / "%" / "&" / "'" / "*" / "+" / "-" / "." / "^" / "_" / "`" / "|" / "~"
///       / DIGIT / ALPHA                                                     (RFC 9110 §5.6.2)
/// ```
fn is_token_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

/// Why an answer does not open the WebSocket that was asked for.
///
/// ```
/// use http::{HeaderMap, StatusCode, Version};
/// use squall_websocket::handshake::{AnswerFault, ClientHandshake};
///
/// let handshake = ClientHandshake::new([7; 16]);
/// let fields = HeaderMap::new();
/// let checked = handshake.check(StatusCode::NOT_FOUND, Version::HTTP_11, &fields);
/// assert_eq!(checked, Err(AnswerFault::NotSwitching(StatusCode::NOT_FOUND)));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum AnswerFault {
    /// The status is not 101; what it is, is HTTP's to say.
    NotSwitching(StatusCode),
    /// A 101 in another version than HTTP/1.1.
    NotHttp11,
    /// Upgrade is not websocket.
    NoUpgrade,
    /// Connection does not name Upgrade.
    NoConnectionUpgrade,
    /// Sec-WebSocket-Accept is missing or does not fit our key: a cache, or no WebSocket server.
    WrongAccept,
    /// An extension that was not offered.
    UnaskedExtension,
    /// An extension that was offered, with parameters that do not answer the offer.
    BadExtension,
    /// A subprotocol that was not offered.
    UnaskedSubprotocol,
}

impl fmt::Display for AnswerFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotSwitching(status) => write!(f, "answer is {status}, not 101"),
            Self::NotHttp11 => f.write_str("answer is not HTTP/1.1"),
            Self::NoUpgrade => f.write_str("answer's Upgrade is not \"websocket\""),
            Self::NoConnectionUpgrade => f.write_str("answer's Connection lacks \"Upgrade\""),
            Self::WrongAccept => f.write_str("answer's Sec-WebSocket-Accept does not fit the key"),
            Self::UnaskedExtension => f.write_str("answer chooses an extension not offered"),
            Self::BadExtension => f.write_str("answer's extension is not as offered"),
            Self::UnaskedSubprotocol => f.write_str("answer chooses a subprotocol not offered"),
        }
    }
}

impl error::Error for AnswerFault {}
