//! The server's side of the opening handshake (RFC 6455 §4.2): whether a request is one, and what
//! answers it.
//!
//! Whether a page of another site may connect is asked in `origin.rs`; which subprotocol to speak
//! is the application's choice. Called by the WebSocket handler before it takes the connection
//! over.

use std::error;
use std::fmt;

use base64::Engine as _;
use base64::alphabet;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig};
use http::header::{
    CONNECTION, HOST, HeaderMap, HeaderValue, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY,
    SEC_WEBSOCKET_PROTOCOL, SEC_WEBSOCKET_VERSION, UPGRADE,
};
use http::{Method, StatusCode, Version};

use super::{VERSION, accept_key, has_token, list, single};

/// §4.1 asks for 16 bytes in base64 and no more: a client that picked its 22 characters at random
/// may have set the four bits that decode to nothing.
const KEY_BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_allow_trailing_bits(true),
);

/// Checks that a request opens a WebSocket; gives the client's key.
///
/// The order is Tornado's: what the request wants, then which version, then what is missing.
///
/// ```
/// use http::header::{HeaderMap, HeaderValue};
/// use http::{Method, Version};
/// use squall_websocket::handshake::{accept_key, answer_fields, check_request};
///
/// let mut fields = HeaderMap::new();
/// for (name, value) in [
///     ("host", "server.example.com"),
///     ("upgrade", "websocket"),
///     ("connection", "Upgrade"),
///     ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
///     ("sec-websocket-version", "13"),
/// ] {
///     fields.insert(name, HeaderValue::from_static(value));
/// }
/// let key = check_request(&Method::GET, Version::HTTP_11, &fields)?;
/// let answer = answer_fields(key, None); // of a 101 Switching Protocols
/// assert_eq!(answer["sec-websocket-accept"], "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
/// # Ok::<(), squall_websocket::handshake::Refusal>(())
/// ```
pub fn check_request<'f>(
    method: &Method,
    version: Version,
    fields: &'f HeaderMap,
) -> Result<&'f str, Refusal> {
    // §4.2.1 1: "An HTTP/1.1 or higher GET request". "Higher" has other handshakes (RFC 8441).
    if method != Method::GET {
        return Err(Refusal::NotGet);
    }
    if version != Version::HTTP_11 {
        return Err(Refusal::NotHttp11);
    }
    // §4.2.1 3 and 4.
    if !has_token(fields, UPGRADE, "websocket") {
        return Err(Refusal::NoUpgrade);
    }
    if !has_token(fields, CONNECTION, "upgrade") {
        return Err(Refusal::NoConnectionUpgrade);
    }
    // §4.2.1 6, §4.2.2 4, §4.4: an answer of 426 tells which version would do. The field must not
    // come twice (§11.3.5), so two are no version we know.
    if single(fields, SEC_WEBSOCKET_VERSION) != Some(&VERSION) {
        return Err(Refusal::UnknownVersion);
    }
    // §4.2.1 2.
    if single(fields, HOST).is_none_or(HeaderValue::is_empty) {
        return Err(Refusal::NoHost);
    }
    // §4.2.1 5: 16 bytes in base64; once (§11.3.1).
    single(fields, SEC_WEBSOCKET_KEY)
        .and_then(|key| key.to_str().ok())
        .filter(|key| is_key(key))
        .ok_or(Refusal::BadKey)
}

fn is_key(key: &str) -> bool {
    // 18 is what base64 wants for 24 characters before it has seen the padding.
    KEY_BASE64.decode_slice(key, &mut [0; 18]) == Ok(16)
}

/// The subprotocols the client offers, the dearest first (§4.1 10).
///
/// ```
/// use http::header::{HeaderMap, HeaderValue, SEC_WEBSOCKET_PROTOCOL};
/// use squall_websocket::handshake::subprotocols;
///
/// let mut fields = HeaderMap::new();
/// fields.append(SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static("chat, superchat"));
/// assert!(subprotocols(&fields).eq(["chat", "superchat"]));
/// ```
pub fn subprotocols(fields: &HeaderMap) -> impl Iterator<Item = &str> {
    list(fields, SEC_WEBSOCKET_PROTOCOL)
}

/// The fields of the 101 answer to a request whose key this is (§4.2.2 5).
///
/// `subprotocol` is one the client offered, or none. Extensions are declined by saying nothing
/// (§9.1).
///
/// ```
/// use http::HeaderValue;
/// use squall_websocket::handshake::answer_fields;
///
/// let fields = answer_fields("dGhlIHNhbXBsZSBub25jZQ==", Some(HeaderValue::from_static("chat")));
/// assert_eq!(fields["upgrade"], "websocket");
/// assert_eq!(fields["connection"], "Upgrade");
/// assert_eq!(fields["sec-websocket-protocol"], "chat");
/// ```
#[must_use]
pub fn answer_fields(key: &str, subprotocol: Option<HeaderValue>) -> HeaderMap {
    let mut fields = HeaderMap::with_capacity(4);
    fields.insert(UPGRADE, HeaderValue::from_static("websocket"));
    fields.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
    let accept = HeaderValue::try_from(accept_key(key)).expect("base64 is a field value");
    fields.insert(SEC_WEBSOCKET_ACCEPT, accept);
    if let Some(subprotocol) = subprotocol {
        fields.insert(SEC_WEBSOCKET_PROTOCOL, subprotocol);
    }
    fields
}

/// Why a request does not open a WebSocket; it knows its HTTP answer.
///
/// ```
/// use squall_websocket::handshake::Refusal;
///
/// assert_eq!(Refusal::UnknownVersion.status(), 426);
/// let (name, value) = Refusal::UnknownVersion.field().expect("a 426 names the version");
/// assert_eq!((name.as_str(), value), ("sec-websocket-version", "13".parse().unwrap()));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Refusal {
    /// The method is not GET: 405.
    NotGet,
    /// The request is not HTTP/1.1: 400.
    NotHttp11,
    /// Upgrade does not name websocket: 400.
    NoUpgrade,
    /// Connection does not name Upgrade: 400.
    NoConnectionUpgrade,
    /// The version is not 13: 426.
    UnknownVersion,
    /// Host is missing, empty or there twice: 400.
    NoHost,
    /// The key is missing, there twice, or not 16 bytes in base64: 400.
    BadKey,
    /// The page that asks is of another origin: 403. Found by the caller, with
    /// [`is_same_origin`](super::is_same_origin) or a rule of its own.
    CrossOrigin,
}

impl Refusal {
    /// The status that answers the request.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        match self {
            Self::NotGet => StatusCode::METHOD_NOT_ALLOWED,
            Self::UnknownVersion => StatusCode::UPGRADE_REQUIRED,
            Self::CrossOrigin => StatusCode::FORBIDDEN,
            Self::NotHttp11
            | Self::NoUpgrade
            | Self::NoConnectionUpgrade
            | Self::NoHost
            | Self::BadKey => StatusCode::BAD_REQUEST,
        }
    }

    /// The field the answer must have beside its status, if any.
    #[must_use]
    pub fn field(&self) -> Option<(http::HeaderName, HeaderValue)> {
        match self {
            // RFC 9110 §15.5.6: a 405 lists what is allowed.
            Self::NotGet => Some((http::header::ALLOW, HeaderValue::from_static("GET"))),
            Self::UnknownVersion => Some((SEC_WEBSOCKET_VERSION, VERSION)),
            _ => None,
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotGet => "a WebSocket is opened with GET",
            Self::NotHttp11 => "a WebSocket is opened with HTTP/1.1",
            Self::NoUpgrade => "can \"Upgrade\" only to \"websocket\"",
            Self::NoConnectionUpgrade => "\"Connection\" must be \"Upgrade\"",
            Self::UnknownVersion => "the WebSocket version must be 13",
            Self::NoHost => "missing or repeated Host",
            Self::BadKey => "missing or invalid Sec-WebSocket-Key",
            Self::CrossOrigin => "cross-origin WebSockets are not allowed",
        })
    }
}

impl error::Error for Refusal {}
