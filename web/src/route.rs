//! A route: a pattern, what it leads to, and what is particular about it.
//!
//! [`Route`] is how the program says it (Tornado's `URLSpec`); [`Endpoint`] is what the table of
//! `application.rs` keeps of it, where several routes may share one address with different methods.

mod knobs;

use std::rc::Rc;

use http::{HeaderValue, Method};
use squall_websocket::{
    Config as WebSocketConfig, HandlerResult, WebSocketHandler, WebSocketStream,
};

use crate::allow::allow_value;
use crate::error::Result;
use crate::exchange::Exchange;
use crate::handler::RequestHandler;
use crate::pattern::{Pattern, PatternError};
use crate::route::knobs::Knobs;
use crate::static_files::{StaticFiles, StaticTarget};
use crate::target::{AsyncTarget, CallbackTarget, HandlerTarget, Serving, Target};
use crate::websocket::{AsyncWebSocketTarget, WebSocketTarget};

/// A pattern and what it leads to (Tornado's `URLSpec`).
///
/// `Application` has a method for each simple kind; this type is for what is particular.
///
/// ```
/// use squall_web::{Application, Method, Route};
///
/// let application = Application::new()
///     .add_route(Route::async_fn("/user/{id}", async |http| {
///         http.write(http.path_argument("id")?)
///     })
///     .name("user")
///     .methods([Method::GET]));
/// assert_eq!(application.reverse_url("user", &[&42]).unwrap(), "/user/42");
/// ```
#[must_use = "a route does nothing until it is added to an application"]
pub struct Route {
    pub(crate) pattern: Result<Pattern, PatternError>,
    pub(crate) name: Option<String>,
    pub(crate) answer: Answer,
}

/// How requests of certain methods are answered.
pub(crate) struct Answer {
    /// `None` for all.
    methods: Option<Vec<Method>>,
    /// What the target can answer: more than `methods`, if the route narrows it.
    implemented: Option<Vec<Method>>,
    /// Which of [`KNOWN`] are among `methods`, a bit for each.
    known: u16,
    streams_content: bool,
    knobs: Option<Box<Knobs>>,
    target: Box<dyn Target>,
}

/// The methods of RFC 9110 §9.3, and PATCH.
const KNOWN: [Method; 9] = [
    Method::GET,
    Method::HEAD,
    Method::POST,
    Method::PUT,
    Method::PATCH,
    Method::DELETE,
    Method::OPTIONS,
    Method::CONNECT,
    Method::TRACE,
];

fn bit(method: &Method) -> Option<u16> {
    let place = match *method {
        Method::GET => 0,
        Method::HEAD => 1,
        Method::POST => 2,
        Method::PUT => 3,
        Method::PATCH => 4,
        Method::DELETE => 5,
        Method::OPTIONS => 6,
        Method::CONNECT => 7,
        Method::TRACE => 8,
        _ => return None,
    };
    Some(1 << place)
}

fn is_among(methods: &Option<Vec<Method>>, method: &Method) -> bool {
    let has = |methods: &Vec<Method>| methods.contains(method);
    methods.as_ref().is_none_or(has)
}

impl Route {
    /// A route to a handler, made by `make` for each request.
    pub fn handler<H: RequestHandler>(
        pattern: impl TryInto<Pattern, Error: Into<PatternError>>,
        make: impl Fn() -> H + 'static,
    ) -> Self {
        Self::new(pattern, HandlerTarget(make))
    }

    /// A route to an async function, which answers every method unless
    /// [`methods`](Self::methods) says otherwise.
    pub fn async_fn(
        pattern: impl TryInto<Pattern, Error: Into<PatternError>>,
        function: impl AsyncFn(&Exchange) -> Result + 'static,
    ) -> Self {
        Self::new(pattern, AsyncTarget(Rc::new(function)))
    }

    /// A route to a callback, which may keep the exchange and finish it in a later turn of the
    /// loop. It answers every method unless [`methods`](Self::methods) says otherwise.
    pub fn callback(
        pattern: impl TryInto<Pattern, Error: Into<PatternError>>,
        callback: impl Fn(Exchange) + 'static,
    ) -> Self {
        Self::new(pattern, CallbackTarget(Rc::new(callback)))
    }

    /// A route to WebSockets. `make` sees the request, its path arguments and fields, and may
    /// refuse it with an error.
    pub fn websocket<H: WebSocketHandler>(
        pattern: impl TryInto<Pattern, Error: Into<PatternError>>,
        make: impl Fn(&Exchange) -> Result<H> + 'static,
    ) -> Self {
        Self::websocket_with(pattern, WebSocketConfig::default(), make)
    }

    /// As [`websocket`](Self::websocket), with other limits and timeouts.
    pub fn websocket_with<H: WebSocketHandler>(
        pattern: impl TryInto<Pattern, Error: Into<PatternError>>,
        config: WebSocketConfig,
        make: impl Fn(&Exchange) -> Result<H> + 'static,
    ) -> Self {
        Self::new(
            pattern,
            WebSocketTarget {
                make,
                config: Rc::new(config),
            },
        )
    }

    /// A route to WebSockets, each read by an async function. `make` sees the request, its path
    /// arguments and fields, and makes the function, or refuses with an error. When the function
    /// returns, the WebSocket is closed: with 1000, or with 1011 after an error or a panic.
    ///
    /// ```
    /// use squall_web::{Application, Route, WebSocketConfig, WebSocketStream};
    ///
    /// let echo = Route::websocket_async("/ws", WebSocketConfig::default(), |_| {
    ///     Ok(async |ws: &mut WebSocketStream| {
    ///         while let Some(message) = ws.next().await {
    ///             ws.send(&message).await?;
    ///         }
    ///         Ok(())
    ///     })
    /// });
    /// let application = Application::new().add_route(echo);
    /// # let _ = application;
    /// ```
    pub fn websocket_async<F>(
        pattern: impl TryInto<Pattern, Error: Into<PatternError>>,
        config: WebSocketConfig,
        make: impl Fn(&Exchange) -> Result<F> + 'static,
    ) -> Self
    where
        F: AsyncFnOnce(&mut WebSocketStream) -> HandlerResult + 'static,
    {
        Self::new(
            pattern,
            AsyncWebSocketTarget {
                make,
                config: Rc::new(config),
            },
        )
    }

    /// A route to the files of a folder; the pattern has a path argument `path`, such as
    /// `/static/{path...}`. [`Application::static_files`](crate::Application::static_files) is the
    /// common case.
    pub fn static_files(
        pattern: impl TryInto<Pattern, Error: Into<PatternError>>,
        files: StaticFiles,
    ) -> Self {
        Self::new(pattern, StaticTarget::folder(Rc::new(files.into_served())))
    }

    /// A route to one file of a folder, whatever the pattern: `/favicon.ico`, `/robots.txt`, or the
    /// one page of an application that makes its own paths. `path` is below the folder, and is not
    /// encoded.
    pub fn static_file(
        pattern: impl TryInto<Pattern, Error: Into<PatternError>>,
        files: StaticFiles,
        path: &str,
    ) -> Self {
        Self::new(pattern, StaticTarget::file(files, path))
    }

    pub(crate) fn new(
        pattern: impl TryInto<Pattern, Error: Into<PatternError>>,
        target: impl Target + 'static,
    ) -> Self {
        let implemented = target.methods();
        Self {
            pattern: pattern.try_into().map_err(Into::into),
            name: None,
            answer: Answer {
                methods: implemented.clone(),
                implemented,
                known: 0,
                streams_content: false,
                knobs: None,
                target: Box::new(target),
            },
        }
    }

    /// Names the route, for `reverse_url`.
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// Answers only these methods. HEAD is included in GET, and OPTIONS answered by itself, unless
    /// they are named. A handler has to implement those that are named.
    pub fn methods(mut self, methods: impl IntoIterator<Item = Method>) -> Self {
        self.answer.methods = Some(methods.into_iter().collect());
        self
    }

    /// Leaves the content to the function, which pulls it with `http.chunk()`, instead of
    /// collecting it first. (A handler says so itself, by `STREAM_REQUEST_BODY`.)
    pub fn stream_request_body(mut self) -> Self {
        self.answer.streams_content = true;
        self
    }
}

/// All that one address answers.
pub(crate) struct Endpoint {
    answers: Vec<Answer>,
    /// `None` when every method is answered.
    allow: Option<HeaderValue>,
}

impl Endpoint {
    pub(crate) fn new(answer: Answer) -> Self {
        let allow = answer.methods.clone().map(allow_value);
        Self {
            answers: vec![answer.sealed()],
            allow,
        }
    }

    /// What `Allow` says; `None` when every method is answered.
    pub(crate) fn allow(&self) -> Option<&HeaderValue> {
        self.allow.as_ref()
    }

    /// Adds an answer for other methods; gives it back when a method is answered already.
    pub(crate) fn add(&mut self, answer: Answer) -> Result<(), Answer> {
        let Some(methods) = &answer.methods else {
            return Err(answer);
        };
        let is_answered = |method: &Method| self.answers.iter().any(|answer| answer.has(method));
        if methods.iter().any(is_answered) {
            return Err(answer);
        }
        self.answers.push(answer.sealed());
        let methods = self
            .answers
            .iter()
            .flat_map(|answer| answer.methods.iter().flatten());
        self.allow = Some(allow_value(methods.cloned()));
        Ok(())
    }

    /// The answer to `method`, or else the value of `Allow`.
    pub(crate) fn answer(&self, method: &Method) -> Result<&Answer, &HeaderValue> {
        // Most addresses have one answer, and most requests what it answers.
        if let [only] = &*self.answers {
            if only.has(method) {
                return Ok(only);
            }
        }
        let find = |method| self.answers.iter().find(|answer| answer.has(method));
        let get_for_head = || {
            if *method == Method::HEAD {
                find(&Method::GET)
            } else {
                None
            }
        };
        match (find(method).or_else(get_for_head), &self.allow) {
            (Some(answer), _) => Ok(answer),
            (None, Some(allow)) => Err(allow),
            (None, None) => unreachable!("an endpoint without `Allow` answers every method"),
        }
    }
}

impl Answer {
    /// A method the route promises but its handler does not implement.
    pub(crate) fn not_implemented(&self) -> Option<&Method> {
        let implemented = self.implemented.as_ref()?;
        let is_missing = |method: &&Method| {
            let is_head_of_get = **method == Method::HEAD && implemented.contains(&Method::GET);
            !implemented.contains(method) && !is_head_of_get
        };
        self.methods.as_ref()?.iter().find(is_missing)
    }

    fn has(&self, method: &Method) -> bool {
        match bit(method) {
            Some(bit) => self.known & bit != 0,
            None => is_among(&self.methods, method),
        }
    }

    /// When all is said about it, and it is to be asked on every request.
    fn sealed(mut self) -> Self {
        let known = KNOWN.iter().filter(|known| is_among(&self.methods, known));
        self.known = known.filter_map(bit).sum();
        self
    }

    pub(crate) fn serve(&self, http: Exchange) -> Serving {
        if let Some(knobs) = &self.knobs {
            knobs.apply(&http);
        }
        self.target.serve(http, self.streams_content)
    }
}
