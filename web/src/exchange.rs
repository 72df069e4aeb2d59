//! One request and its response, as handlers see them.
//!
//! [`Exchange`] is httpserver's handle of the same name with the web's vocabulary added: arguments
//! and content on the way in (`exchange/request.rs`), JSON, redirects and error pages on the way
//! out (`exchange/response.rs`). Here is what both rest on: what the web layer remembers about a
//! request while it is served. `application.rs` fills that in, `handler.rs` drives it.

mod request;
mod response;

use std::fmt;
use std::ops::{Deref, Range};
use std::rc::Rc;

use bytes::Bytes;
use http::header::ACCEPT_ENCODING;
use http::{HeaderValue, StatusCode};

use crate::application::Application;
use crate::arguments::Arguments;
use crate::captures::Captures;
use crate::error::{HttpError, Result};
use crate::media_type::MediaType;
use crate::route::Endpoint;
use crate::routing::Router;

/// One request and its response (in Tornado, what a `RequestHandler` offers its methods).
///
/// It is a handle: all methods take `&self`, a clone is cheap, and a callback may keep one to
/// answer in a later turn of the loop. Everything [`squall_httpserver::Exchange`] can do, it can.
///
/// ```
/// use squall_web::{Exchange, Result};
///
/// async fn greet(http: &Exchange) -> Result {
///     http.write("Hello, ")?;
///     http.write(http.argument_or("name", "world")?)
/// }
/// # squall_web::Application::new().get("/", greet);
/// ```
pub struct Exchange {
    inner: squall_httpserver::Exchange,
    application: Rc<Application>,
}

/// Handles are counted where there is content, so that the last one can let go of it.
impl Clone for Exchange {
    fn clone(&self) -> Self {
        if self.has_content() {
            self.state(|state| state.handles += 1);
        }
        Self {
            inner: self.inner.clone(),
            application: Rc::clone(&self.application),
        }
    }
}

/// The memory behind an exchange waits in a pool for the next request, which may be long in coming.
/// Its content must not wait there with it, whatever ended the request: an answer, a panic, or a
/// callback that forgot it.
impl Drop for Exchange {
    fn drop(&mut self) {
        if self.has_content() {
            self.state(|state| {
                state.handles = state.handles.saturating_sub(1);
                if state.handles == 0 {
                    state.forget();
                }
            });
        }
    }
}

impl fmt::Debug for Exchange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.fmt(f)
    }
}

impl Deref for Exchange {
    type Target = squall_httpserver::Exchange;

    fn deref(&self) -> &Self::Target {
        &self.inner
    }
}

impl Exchange {
    pub(crate) fn new(exchange: squall_httpserver::Exchange, application: Rc<Application>) -> Self {
        Self {
            inner: exchange,
            application,
        }
    }

    /// Finds the route and remembers it; what was known about an earlier request is forgotten.
    pub(crate) fn begin<'a>(&self, router: &'a Router<Endpoint>) -> Option<&'a Endpoint> {
        let path = self.head().path_bytes();
        let position = self.state(|state| {
            state.forget();
            state.handles = 1;
            state.route = router.find_into(path, &mut state.captures);
            state.route
        });
        router.target(position?)
    }

    /// The application this request is served by.
    #[must_use]
    pub fn application(&self) -> Rc<Application> {
        self.application.clone()
    }

    /// What the route of this request answers.
    fn endpoint(&self) -> Option<&Endpoint> {
        let position = self.state(|state| state.route)?;
        self.application.router().target(position)
    }

    /// Whether nobody is there to be answered.
    fn is_client_gone(&self) -> bool {
        // Nothing is written, but refused for the same reasons as something.
        matches!(
            self.inner.write(""),
            Err(squall_httpserver::Error::Closed(_))
        )
    }

    /// What is remembered about this request. The borrow ends with `f`, which must not come back
    /// here.
    fn state<R>(&self, f: impl FnOnce(&mut State) -> R) -> R {
        self.inner.with_slot(f)
    }

    /// Looks into the arguments of the query and of the form, parsed on the first call.
    fn with_arguments<R>(
        &self,
        f: impl FnOnce(&Arguments, &Arguments) -> Result<R, HttpError>,
    ) -> Result<R> {
        let query = self.head().query().unwrap_or_default().as_bytes();
        let none = Arguments::default();
        let result = self.state(|state| {
            let form = match &state.content {
                Some(content) if is_form(&self.inner) => {
                    refuse_coded(&self.inner)?;
                    state.form.parse(content)?
                }
                // There is no form, or it is still being read.
                _ => &none,
            };
            f(state.query.parse(query)?, form)
        });
        Ok(result?)
    }
}

/// RFC 9110, section 8.4: what is in a coding that nobody takes off is neither a form nor JSON,
/// whatever its type says. Section 15.5.16: which coding would do.
fn refuse_coded(exchange: &squall_httpserver::Exchange) -> Result<(), HttpError> {
    let fields = exchange.head().field_all("content-encoding");
    let mut codings = fields
        .flat_map(|value| value.split(|byte| *byte == b','))
        .map(<[u8]>::trim_ascii);
    let is_coded =
        codings.any(|coding| !coding.is_empty() && !coding.eq_ignore_ascii_case(b"identity"));
    if !is_coded || is_decoded(exchange) {
        return Ok(());
    }
    let identity = HeaderValue::from_static("identity");
    Err(HttpError::new(StatusCode::UNSUPPORTED_MEDIA_TYPE).with_header(ACCEPT_ENCODING, identity))
}

#[cfg(feature = "compression")]
fn is_decoded(exchange: &squall_httpserver::Exchange) -> bool {
    exchange.decompresses_content()
}

#[cfg(not(feature = "compression"))]
fn is_decoded(_: &squall_httpserver::Exchange) -> bool {
    false
}

fn is_form(exchange: &squall_httpserver::Exchange) -> bool {
    let value = exchange.head().field("content-type");
    let value = value.and_then(|value| std::str::from_utf8(value).ok());
    let media_type = value.and_then(MediaType::parse);
    media_type.is_some_and(|media_type| media_type.is("application/x-www-form-urlencoded"))
}

/// What the web layer remembers about a request. It lives in the exchange and is used again for
/// the next request of the connection, with its memory.
#[derive(Default)]
struct State {
    /// How many handles there are of a request with content.
    handles: u32,
    /// The position of the route in the table.
    route: Option<usize>,
    /// What its pattern cut out of the path.
    captures: Captures,
    /// The whole content, once it has been read.
    content: Option<Bytes>,
    query: Parsed,
    form: Parsed,
}

impl State {
    /// All but the memory.
    fn forget(&mut self) {
        self.route = None;
        self.content = None;
        self.query.forget();
        self.form.forget();
    }

    /// Where in the path the argument `name` of the route stands.
    fn path_range(&self, application: &Application, name: &str) -> Option<Range<usize>> {
        let pattern = application.router().pattern(self.route?)?;
        self.captures.range(pattern.position(name)?)
    }
}

/// Arguments that are parsed when they are first asked for.
#[derive(Default)]
struct Parsed {
    arguments: Arguments,
    is_parsed: bool,
}

impl Parsed {
    fn parse(&mut self, encoded: &[u8]) -> Result<&Arguments, HttpError> {
        if !self.is_parsed {
            self.arguments.parse_again(encoded)?;
            self.is_parsed = true;
        }
        Ok(&self.arguments)
    }

    fn forget(&mut self) {
        self.is_parsed = false;
        self.arguments.clear();
    }
}
