//! The application: which paths there are, and what happens on all others.
//!
//! It is built once, in `main`, and then serves. [`ApplicationService::serve`] is the way of a
//! request from httpserver to the handler: find the route, choose the answer by method, go.

mod methods;

use std::fmt::Display;
use std::io;
use std::net::ToSocketAddrs;
use std::rc::Rc;

use http::{Method, StatusCode};
use squall_httpserver::{HttpServer, Service};
use squall_ioloop::Handle;
use squall_websocket::WebSocketHandler;

use crate::error::{Error, HttpError, Result};
use crate::error_page::error_page;
use crate::exchange::Exchange;
use crate::handler::RequestHandler;
use crate::pattern::{Pattern, PatternError, ReverseError};
use crate::route::{Endpoint, Route};
use crate::routing::{RouteError, Router};
use crate::static_files::{Served, StaticFiles, StaticTarget};
use crate::target::{HandlerTarget, Serving, Target};

/// Routes and what they share (Tornado's `Application`).
///
/// The first route whose pattern matches answers. Mistakes in the table — a malformed pattern, a
/// route that can never be reached, a name given twice — panic when the route is added, with the
/// line that adds it: the table is part of the program, and a program with such a table should not
/// start. For tables that come from elsewhere there is [`try_add_route`](Self::try_add_route).
///
/// ```
/// use squall_web::{Application, Exchange, RequestHandler, Result};
///
/// struct Home;
///
/// impl RequestHandler for Home {
///     async fn get(&mut self, http: &Exchange) -> Result {
///         http.write("Welcome")
///     }
/// }
///
/// let application = Application::new()
///     .route("/", || Home)
///     .get("/hello/{name}", async |http| {
///         http.write("Hello, ")?;
///         http.write(http.path_argument("name")?)
///     });
/// # let _ = application;
/// ```
pub struct Application {
    router: Router<Endpoint>,
    not_found: Option<Box<dyn Target>>,
    write_error: Option<Box<WriteError>>,
    /// The first static files, and where they are.
    static_files: Option<(String, Rc<Served>)>,
}

type WriteError = dyn Fn(&Exchange, &Error);

impl Application {
    /// An application without routes: it answers 404 to everything.
    #[must_use]
    pub fn new() -> Self {
        Self {
            router: Router::new(),
            not_found: None,
            write_error: None,
            static_files: None,
        }
    }

    /// Leads `pattern` to a handler, made by `make` for each request. What Tornado passes to
    /// `initialize`, the closure captures.
    ///
    /// A pattern is a template in quotes, a [`Pattern`], or what [`Pattern::regex`] returns.
    ///
    /// ```
    /// # use squall_web::{Application, Exchange, Pattern, RequestHandler, Result};
    /// # struct Story;
    /// # impl RequestHandler for Story {}
    /// let application = Application::new()
    ///     .route("/story/{id}", || Story)
    ///     .route(Pattern::regex("/old/([0-9]+)(?:[.]html)?"), || Story);
    /// # let _ = application;
    /// ```
    ///
    /// # Panics
    ///
    /// As [`add_route`](Self::add_route).
    #[track_caller]
    #[must_use]
    pub fn route<H: RequestHandler>(
        self,
        pattern: impl TryInto<Pattern, Error: Into<PatternError>>,
        make: impl Fn() -> H + 'static,
    ) -> Self {
        self.add_route(Route::handler(pattern, make))
    }

    /// Leads `pattern` to an async function, whatever the method.
    ///
    /// # Panics
    ///
    /// As [`add_route`](Self::add_route).
    #[track_caller]
    #[must_use]
    pub fn route_async(
        self,
        pattern: impl TryInto<Pattern, Error: Into<PatternError>>,
        function: impl AsyncFn(&Exchange) -> Result + 'static,
    ) -> Self {
        self.add_route(Route::async_fn(pattern, function))
    }

    /// Leads `pattern` to a callback, whatever the method. The callback may keep the exchange and
    /// finish it in a later turn of the loop.
    ///
    /// ```
    /// use std::cell::RefCell;
    /// use std::rc::Rc;
    /// use squall_web::Application;
    ///
    /// let waiting = Rc::new(RefCell::new(Vec::new()));
    /// let application = Application::new()
    ///     .route_callback("/later", move |http| waiting.borrow_mut().push(http));
    /// # let _ = application;
    /// ```
    ///
    /// # Panics
    ///
    /// As [`add_route`](Self::add_route).
    #[track_caller]
    #[must_use]
    pub fn route_callback(
        self,
        pattern: impl TryInto<Pattern, Error: Into<PatternError>>,
        callback: impl Fn(Exchange) + 'static,
    ) -> Self {
        self.add_route(Route::callback(pattern, callback))
    }

    /// Leads `pattern` to WebSockets, one handler made by `make` for each (Tornado's
    /// `WebSocketHandler` in the table). A request that does not ask for one is refused with the
    /// status that says why; so is one from a page of another origin, with 403.
    ///
    /// ```
    /// use squall_web::{Application, HandlerResult, Message, WebSocket, WebSocketHandler};
    ///
    /// struct Echo;
    ///
    /// impl WebSocketHandler for Echo {
    ///     fn on_message(&mut self, ws: &WebSocket, message: Message<'_>) -> HandlerResult {
    ///         Ok(ws.write_message(message)?)
    ///     }
    /// }
    ///
    /// let application = Application::new().websocket("/ws", || Echo);
    /// # let _ = application;
    /// ```
    ///
    /// # Panics
    ///
    /// As [`add_route`](Self::add_route).
    #[track_caller]
    #[must_use]
    pub fn websocket<H: WebSocketHandler>(
        self,
        pattern: impl TryInto<Pattern, Error: Into<PatternError>>,
        make: impl Fn() -> H + 'static,
    ) -> Self {
        self.add_route(Route::websocket(pattern, move |_| Ok(make())))
    }

    /// Leads all paths that begin with `prefix`, which begins and ends with `/`, to the files of a
    /// folder (Tornado's `static_path` and `static_url_prefix`). URLs of the first such files are
    /// made by [`Exchange::static_url`].
    ///
    /// ```
    /// use squall_web::{Application, Route, StaticFiles};
    ///
    /// let files = StaticFiles::new("static").precompressed();
    /// let application = Application::new()
    ///     .static_files("/static/", files.clone())
    ///     .add_route(Route::static_file("/favicon.ico", files, "favicon.ico"));
    /// # let _ = application;
    /// ```
    ///
    /// # Panics
    ///
    /// As [`add_route`](Self::add_route).
    #[track_caller]
    #[must_use]
    pub fn static_files(mut self, prefix: &str, files: StaticFiles) -> Self {
        let files = Rc::new(files.into_served());
        if self.static_files.is_none() {
            self.static_files = Some((prefix.to_owned(), Rc::clone(&files)));
        }
        let pattern = format!("{prefix}{{path...}}");
        self.add_route(Route::new(&*pattern, StaticTarget::folder(files)))
    }

    /// Adds a route behind all others. A route with the pattern of an earlier one adds its methods
    /// to that one's.
    ///
    /// # Panics
    ///
    /// When the route cannot be added: see [`RouteError`].
    #[track_caller]
    #[must_use]
    pub fn add_route(mut self, route: Route) -> Self {
        // Not `expect`: the message is for people, without quotes and field names.
        if let Err(error) = self.try_add_route(route) {
            panic!("{error}");
        }
        self
    }

    /// Adds a route, for tables that are not written in the program.
    ///
    /// # Errors
    ///
    /// When the route cannot be added; then nothing is changed.
    pub fn try_add_route(&mut self, route: Route) -> Result<(), RouteError> {
        let pattern = route.pattern?;
        if let Some(method) = route.answer.not_implemented() {
            let (pattern, method) = (pattern.to_string(), method.clone());
            return Err(RouteError::NotImplemented { pattern, method });
        }
        let answer = match self.router.target_of_same(&pattern) {
            None => route.answer,
            Some(endpoint) if route.name.is_none() => match endpoint.add(route.answer) {
                Ok(()) => return Ok(()),
                Err(answer) => answer,
            },
            Some(_) => route.answer,
        };
        self.router
            .add(pattern, Endpoint::new(answer), route.name.as_deref())?;
        Ok(())
    }

    /// Answers paths no route answers, in place of the 404 page (Tornado's
    /// `default_handler_class`). The status is 404 to begin with, and the answer to methods that
    /// the handler does not implement.
    #[must_use]
    pub fn not_found<H: RequestHandler>(mut self, make: impl Fn() -> H + 'static) -> Self {
        self.not_found = Some(Box::new(HandlerTarget(make)));
        self
    }

    /// Writes the page for all errors whose handler does not write its own. Status and header
    /// fields are set already.
    ///
    /// ```
    /// use squall_web::Application;
    ///
    /// let application = Application::new().write_error(|http, error| {
    ///     let _ = http.write_json(&[error.public_message()]);
    /// });
    /// # let _ = application;
    /// ```
    #[must_use]
    pub fn write_error(mut self, write: impl Fn(&Exchange, &Error) + 'static) -> Self {
        self.write_error = Some(Box::new(write));
        self
    }

    /// The path of the route called `name`.
    ///
    /// # Errors
    ///
    /// When no route has the name, or the arguments do not fit its pattern.
    pub fn reverse_url(
        &self,
        name: &str,
        arguments: &[&dyn Display],
    ) -> Result<String, ReverseError> {
        self.router.reverse_url(name, arguments)
    }

    /// What httpserver serves, for a server of one's own making.
    #[must_use]
    pub fn into_service(self) -> ApplicationService {
        ApplicationService(Rc::new(self))
    }

    /// Serves this application on `address`, with httpserver's defaults (Tornado's `listen`).
    ///
    /// ```
    /// use squall_ioloop::IoLoop;
    /// use squall_web::Application;
    ///
    /// let ioloop = IoLoop::new()?;
    /// let application = Application::new().get("/", async |http| http.write("Hello"));
    /// let server = application.listen(&ioloop, "127.0.0.1:0")?;
    /// # ioloop.run_until(server.stop(std::time::Duration::ZERO))?;
    /// # std::io::Result::Ok(())
    /// ```
    ///
    /// # Errors
    ///
    /// When the address cannot be bound.
    pub fn listen(self, ioloop: &Handle, address: impl ToSocketAddrs) -> io::Result<HttpServer> {
        let server = HttpServer::new(ioloop, self.into_service());
        server.listen(address)?;
        Ok(server)
    }

    pub(crate) fn static_prefix(&self) -> Option<(&str, &Rc<Served>)> {
        let (prefix, files) = self.static_files.as_ref()?;
        Some((prefix, files))
    }

    pub(crate) fn router(&self) -> &Router<Endpoint> {
        &self.router
    }

    pub(crate) fn write_error_page(&self, http: &Exchange, error: &Error) {
        if let Some(write_error) = &self.write_error {
            write_error(http, error);
        } else {
            // The response was just cleared; only a client that went away can refuse it.
            let _ = http.write(error_page(error.status(), error.public_message()));
        }
    }
}

impl Default for Application {
    fn default() -> Self {
        Self::new()
    }
}

/// An application that serves.
#[derive(Clone)]
pub struct ApplicationService(Rc<Application>);

impl Service for ApplicationService {
    fn serve(&self, exchange: squall_httpserver::Exchange) -> Serving {
        let application = &self.0;
        let http = Exchange::new(exchange, Rc::clone(application));
        let endpoint = http.begin(&application.router);
        // Nothing was sent yet, so this cannot fail.
        let _ = http.set_default_headers();
        let Some(endpoint) = endpoint else {
            return application.serve_not_found(http);
        };
        match endpoint.answer(http.method()) {
            Ok(answer) => answer.serve(http),
            Err(allow) => {
                http.answer_other_method(allow);
                done()
            }
        }
    }
}

impl Application {
    fn serve_not_found(&self, http: Exchange) -> Serving {
        // RFC 9110, section 9.3.7: `OPTIONS *` asks about the server, which no route is. That there
        // is an answer is the answer. No other method has this path.
        if http.head().path() == "*" {
            // Nothing was sent yet, so this cannot fail.
            let _ = http.set_status(StatusCode::NO_CONTENT);
            http.finish();
            return done();
        }
        // RFC 9110, section 9.3.6. A tunnel is made by `detach`, below this layer.
        if *http.method() == Method::CONNECT {
            http.send_error(HttpError::new(StatusCode::NOT_IMPLEMENTED));
            return done();
        }
        if let Some(target) = &self.not_found {
            let _ = http.set_status(StatusCode::NOT_FOUND);
            return target.serve(http, false);
        }
        http.send_error(HttpError::new(StatusCode::NOT_FOUND));
        done()
    }
}

/// For requests that are answered on the spot.
fn done() -> Serving {
    Box::pin(std::future::ready(()))
}
