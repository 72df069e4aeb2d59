//! A route: a pattern, what it leads to, and what is particular about it.
//!
//! [`Route`] is how the program says it (Tornado's `URLSpec`); [`Endpoint`] is what the table of
//! `application.rs` keeps of it, where several routes may share one address with different methods.

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
    streams_content: bool,
    content_bytes_max: Option<u64>,
    target: Box<dyn Target>,
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

    fn new(
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
                streams_content: false,
                content_bytes_max: None,
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

    /// Takes at most so many bytes of content, in place of the server's limit.
    pub fn content_bytes_max(mut self, bytes: u64) -> Self {
        self.answer.content_bytes_max = Some(bytes);
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
            answers: vec![answer],
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
        let is_answered = |method| self.answers.iter().any(|answer| answer.has(method));
        if methods.iter().any(is_answered) {
            return Err(answer);
        }
        self.answers.push(answer);
        let methods = self
            .answers
            .iter()
            .flat_map(|answer| answer.methods.iter().flatten());
        self.allow = Some(allow_value(methods.cloned()));
        Ok(())
    }

    /// The answer to `method`, or else the value of `Allow`.
    pub(crate) fn answer(&self, method: &Method) -> Result<&Answer, &HeaderValue> {
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
        self.methods
            .as_ref()
            .is_none_or(|methods| methods.contains(method))
    }

    pub(crate) fn serve(&self, http: Exchange) -> Serving {
        if let Some(bytes) = self.content_bytes_max {
            http.set_content_bytes_max(bytes);
        }
        self.target.serve(http, self.streams_content)
    }
}
