//! The life of a request, from the outside: what is sent, and what comes back.
#![expect(clippy::unwrap_used, reason = "a panic is how a test reports")]

mod server;

use std::cell::RefCell;
use std::io;
use std::rc::Rc;

use server::{ask, get, post};
use squall_web::{
    Application, Error, Exchange, HttpError, Method, Pattern, RequestHandler, Result, Route,
    RouteError, StatusCode, header,
};

/// An answer begins with this status, has these lines in its head and this content.
#[track_caller]
fn check(answer: &str, status: &str, lines: &[&str], content: &str) {
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with(&format!("HTTP/1.1 {status}")), "{answer}");
    for line in lines {
        assert!(
            head.split("\r\n")
                .any(|found| found.eq_ignore_ascii_case(line)),
            "{answer}"
        );
    }
    assert_eq!(body, content, "{answer}");
}

/// The status, and the default page that goes with it.
#[track_caller]
fn check_page(answer: &str, status: &str, text: &str) {
    let page = format!("<html><title>{text}</title><body>{text}</body></html>");
    check(
        answer,
        status,
        &["Content-Type: text/html; charset=UTF-8"],
        &page,
    );
}

struct Hello;

impl RequestHandler for Hello {
    async fn get(&mut self, http: &Exchange) -> Result {
        http.write("Hello, ")?;
        http.write(http.argument_or("name", "World")?)
    }

    async fn post(&mut self, http: &Exchange) -> Result {
        http.write("posted")
    }
}

fn hello() -> Application {
    Application::new().route("/", || Hello)
}

#[test]
fn a_handler_answers_what_it_implements() {
    let html = "Content-Type: text/html; charset=UTF-8";
    check(
        &get(hello, "/"),
        "200 OK",
        &[html, "Content-Length: 12"],
        "Hello, World",
    );
    check(&get(hello, "/?name=Ann"), "200 OK", &[], "Hello, Ann");
    check(&post(hello, "/", "text/plain", ""), "200 OK", &[], "posted");
}

#[test]
fn rfc9110_9_3_2_head_is_answered_as_get_without_content() {
    check(
        &ask(hello, "HEAD / HTTP/1.1"),
        "200 OK",
        &["Content-Length: 12"],
        "",
    );
}

#[test]
fn a_handler_may_answer_head_itself() {
    struct Own;
    impl RequestHandler for Own {
        async fn get(&mut self, http: &Exchange) -> Result {
            http.write("get")
        }
        async fn head(&mut self, http: &Exchange) -> Result {
            http.set_header("x-own", "head")
        }
    }
    let own = || Application::new().route("/", || Own);
    check(&ask(own, "HEAD / HTTP/1.1"), "200 OK", &["x-own: head"], "");
}

#[test]
fn rfc9110_15_5_6_other_methods_are_refused_with_those_allowed() {
    let answer = ask(hello, "PUT / HTTP/1.1");
    check_page(&answer, "405", "405: Method Not Allowed");
    check(
        &ask(hello, "BREW / HTTP/1.1"),
        "405",
        &["Allow: GET, HEAD, POST, OPTIONS"],
        {
            "<html><title>405: Method Not Allowed</title><body>405: Method Not Allowed</body></html>"
        },
    );
}

#[test]
fn rfc9110_9_3_7_options_tells_the_methods() {
    let answer = ask(hello, "OPTIONS / HTTP/1.1");
    check(
        &answer,
        "204 No Content",
        &["Allow: GET, HEAD, POST, OPTIONS"],
        "",
    );
    assert!(!answer.to_lowercase().contains("content-type"), "{answer}");
}

fn functions() -> Application {
    Application::new()
        .route_async("/any", async |http| http.write(http.method().to_string()))
        .get("/item/{id}", async |http| {
            http.write(http.path_argument("id")?)
        })
        .delete("/item/{id}", async |http| http.write("gone"))
        .add_route(
            Route::callback("/callback", |http| {
                http.write("called").unwrap();
                http.finish();
            })
            .methods([Method::POST, Method::GET]),
        )
}

#[test]
fn functions_answer_any_method_or_those_they_are_for() {
    check(&ask(functions, "BREW /any HTTP/1.1"), "200 OK", &[], "BREW");
    check(
        &ask(functions, "OPTIONS /any HTTP/1.1"),
        "200 OK",
        &[],
        "OPTIONS",
    );
    check(&get(functions, "/item/7"), "200 OK", &[], "7");
    check(
        &ask(functions, "HEAD /item/7 HTTP/1.1"),
        "200 OK",
        &["Content-Length: 1"],
        "",
    );
    check(
        &ask(functions, "DELETE /item/7 HTTP/1.1"),
        "200 OK",
        &[],
        "gone",
    );
    check(
        &ask(functions, "OPTIONS /item/7 HTTP/1.1"),
        "204",
        &["Allow: GET, HEAD, DELETE, OPTIONS"],
        "",
    );
    check(&get(functions, "/callback"), "200 OK", &[], "called");
    let refused = ask(functions, "PUT /callback HTTP/1.1");
    assert!(
        refused
            .to_lowercase()
            .contains("allow: post, get, head, options"),
        "{refused}"
    );
}

#[test]
fn an_unknown_path_is_not_found() {
    check_page(&get(hello, "/nowhere"), "404 Not Found", "404: Not Found");
    check_page(
        &ask(hello, "POST /nowhere HTTP/1.1"),
        "404 Not Found",
        "404: Not Found",
    );
    check_page(
        &ask(hello, "OPTIONS * HTTP/1.1"),
        "404 Not Found",
        "404: Not Found",
    );
}

#[test]
fn the_application_may_answer_unknown_paths_itself() {
    struct Lost;
    impl RequestHandler for Lost {
        async fn prepare(&mut self, http: &Exchange) -> Result {
            http.set_status(StatusCode::NOT_FOUND)?;
            http.write(format!("no {}", http.head().path()))?;
            Err(Error::Finish)
        }
    }
    let application = || hello().not_found(|| Lost);
    check(
        &get(application, "/nowhere"),
        "404 Not Found",
        &[],
        "no /nowhere",
    );
    check(
        &ask(application, "PUT /nowhere HTTP/1.1"),
        "404 Not Found",
        &[],
        "no /nowhere",
    );
}

#[test]
fn path_arguments_are_decoded_and_typed() {
    fn application() -> Application {
        Application::new()
            .get("/text/{it}", async |http| {
                http.write(http.path_argument("it")?)
            })
            .get("/number/{it}", async |http| {
                let number: u64 = http.path_argument_as("it")?;
                http.write((number + 1).to_string())
            })
            .get("/wrong/{it}", async |http| {
                http.write(http.path_argument("other")?)
            })
            .get(Pattern::regex("/regex/([a-z]+)"), async |http| {
                http.write(http.path_argument("0")?)
            })
    }
    check(
        &get(application, "/text/a%20b%2Fc+d%C3%A9"),
        "200",
        &[],
        "a b/c+dé",
    );
    check_page(
        &get(application, "/text/%FF"),
        "400",
        "400: Path argument it is not UTF-8",
    );
    check(&get(application, "/number/41"), "200", &[], "42");
    check_page(&get(application, "/number/x"), "404", "404: Not Found");
    check_page(
        &get(application, "/wrong/x"),
        "500",
        "500: Internal Server Error",
    );
    check(&get(application, "/regex/abc"), "200", &[], "abc");
}

#[test]
fn arguments_come_from_the_query_and_from_forms() {
    fn application() -> Application {
        Application::new()
            .route_async("/all", async |http| {
                http.write(http.arguments("a")?.join(","))
            })
            .route_async("/last", async |http| http.write(http.argument("a")?))
            .route_async("/query", async |http| http.write(http.query_argument("a")?))
            .route_async("/body", async |http| http.write(http.body_argument("a")?))
            .route_async("/number", async |http| {
                let number: u8 = http.argument_as("a")?;
                http.write(number.to_string())
            })
            .route_async("/raw", async |http| http.write(http.raw_argument("a")?))
            .route_async("/optional", async |http| {
                http.write(format!("{:?}", http.optional_argument("a")?))
            })
    }
    let form = |target, content| {
        post(
            application,
            target,
            "Application/X-WWW-Form-URLencoded; charset=utf-8",
            content,
        )
    };
    check(&form("/all?a=1&a=2", "a=3"), "200", &[], "1,2,3");
    check(&form("/last?a=1", "a=+2+&a=3%00"), "200", &[], "3");
    check(&form("/last?a=1", "b=2"), "200", &[], "1");
    check(&form("/query?a=1", "a=2"), "200", &[], "1");
    check(&form("/body?a=1", "a=2"), "200", &[], "2");
    check(&form("/raw", "a=+x+"), "200", &[], " x ");
    check(&get(application, "/optional"), "200", &[], "None");
    check_page(&form("/body?a=1", "b=2"), "400", "400: Missing argument a");
    check_page(&get(application, "/last"), "400", "400: Missing argument a");
    check_page(
        &get(application, "/last?a=%FF"),
        "400",
        "400: Argument a is not UTF-8",
    );
    check(&get(application, "/number?a=255"), "200", &[], "255");
    let too_large = "400: Argument a is not valid: number too large to fit in target type";
    check_page(&get(application, "/number?a=256"), "400", too_large);
    let other_type = post(
        application,
        "/last",
        "application/x-www-form-urlencodedx",
        "a=1",
    );
    check_page(&other_type, "400", "400: Missing argument a");
    let many = format!("/last?{}", "a=1&".repeat(1001));
    check_page(&get(application, &many), "400", "400: Too many arguments");
}

#[test]
fn json_goes_in_and_out() {
    fn application() -> Application {
        Application::new().post("/sum", async |http| {
            let numbers: Vec<i32> = http.json().await?;
            http.write_json(&("</sum>", numbers.iter().sum::<i32>()))
        })
    }
    let json = "Content-Type: application/json; charset=UTF-8";
    let answer = post(application, "/sum", "application/json", "[1, 2, 3]");
    check(&answer, "200", &[json], r#"["<\/sum>",6]"#);
    let answer = post(application, "/sum", "application/json", "[1, 2");
    let message = "400: Invalid JSON: EOF while parsing a list at line 1 column 5";
    check_page(&answer, "400", message);
}

#[test]
fn redirects_encode_their_address() {
    fn application() -> Application {
        Application::new()
            .get("/", async |http| http.redirect(&http.argument("to")?))
            .get("/moved", async |http| {
                http.write("forgotten?")?;
                http.clear()?;
                http.redirect_permanently("/new place?é")
            })
    }
    let location = "Location: /a?b=c%0D%0AX-Injected:%20yes";
    check(
        &get(application, "/?to=/a?b=c%0D%0AX-Injected:%20yes"),
        "302 Found",
        &[location],
        "",
    );
    let location = "Location: /new%20place?%C3%A9";
    check(
        &get(application, "/moved"),
        "301",
        &[location, "Content-Length: 0"],
        "",
    );
}

#[test]
fn a_line_break_cannot_be_written_into_a_header() {
    let application = || {
        Application::new().get("/", async |http| {
            http.set_header("x-foo", http.argument("v")?)
        })
    };
    let answer = get(application, "/?v=a%0D%0AX-Injected:%20yes");
    check_page(&answer, "500", "500: Internal Server Error");
    check(&get(application, "/?v=a"), "200", &["x-foo: a"], "");
}

#[test]
fn links_lead_back_to_named_routes() {
    fn application() -> Application {
        Application::new()
            .get("/", async |http| {
                http.write(http.reverse_url("user", &[&"a/b"])?)
            })
            .get("/wrong", async |http| {
                http.write(http.reverse_url("nobody", &[])?)
            })
            .add_route(Route::handler("/user/{id}", || Hello).name("user"))
    }
    check(&get(application, "/"), "200", &[], "/user/a%2Fb");
    check_page(
        &get(application, "/wrong"),
        "500",
        "500: Internal Server Error",
    );
}

/// Tells the order in which its methods run, in the answer and in what outlives it.
struct Recorder {
    seen: Vec<String>,
    finished: Rc<RefCell<Vec<String>>>,
}

impl RequestHandler for Recorder {
    const STREAM_REQUEST_BODY: bool = true;

    async fn prepare(&mut self, http: &Exchange) -> Result {
        self.seen.push("prepare".to_owned());
        if http.argument_or("stop", "")? == "prepare" {
            http.write("stopped")?;
            http.finish();
        }
        Ok(())
    }

    async fn data_received(&mut self, _: &Exchange, chunk: &[u8]) -> Result {
        self.seen.push(String::from_utf8_lossy(chunk).into_owned());
        Ok(())
    }

    async fn post(&mut self, http: &Exchange) -> Result {
        self.seen.push("post".to_owned());
        http.write(self.seen.join(" "))
    }

    async fn get(&mut self, http: &Exchange) -> Result {
        http.write(self.finished.borrow().join(" "))
    }

    fn on_finish(&mut self, http: &Exchange) {
        self.finished
            .borrow_mut()
            .push(format!("{}:{}", http.method(), http.status().as_u16()));
    }
}

fn recorder() -> Application {
    let finished = Rc::new(RefCell::new(Vec::new()));
    Application::new().route("/", move || Recorder {
        seen: Vec::new(),
        finished: Rc::clone(&finished),
    })
}

#[test]
fn a_streamed_request_is_prepared_then_received_then_answered() {
    let answer = post(recorder, "/", "text/plain", "abc");
    check(&answer, "200", &[], "prepare abc post");
}

#[test]
fn prepare_may_answer_and_then_the_method_does_not_run() {
    check(
        &post(recorder, "/?stop=prepare", "text/plain", ""),
        "200",
        &[],
        "stopped",
    );
}

fn failures() -> Application {
    Application::new()
        .get("/status", async |_| {
            let error = HttpError::new(StatusCode::SERVICE_UNAVAILABLE);
            let error = error
                .with_message("Back <soon>")
                .with_log_message("a secret");
            Err(error.with_header(header::RETRY_AFTER, 5.into()))?
        })
        .get("/io", async |http| {
            http.set_header("x-half", "done")?;
            http.write("half")?;
            Err(io::Error::other("a secret"))?
        })
        .get("/finish", async |http| {
            http.write("enough")?;
            Err(Error::Finish)
        })
        .get("/late", async |http| {
            http.write("half")?;
            http.flush().await?;
            Err(io::Error::other("too late"))?
        })
        .get("/after", async |http| {
            http.write("whole")?;
            http.finish();
            http.write("more")
        })
}

#[test]
fn an_error_is_answered_with_its_status_and_nothing_else() {
    let answer = get(failures, "/status");
    check_page(&answer, "503", "503: Back &lt;soon&gt;");
    check(
        &answer,
        "503",
        &["Retry-After: 5"],
        answer.split_once("\r\n\r\n").unwrap().1,
    );
    let answer = get(failures, "/io");
    check_page(&answer, "500", "500: Internal Server Error");
    assert!(
        !answer.contains("secret") && !answer.contains("x-half"),
        "{answer}"
    );
}

#[test]
fn finish_is_no_error() {
    check(&get(failures, "/finish"), "200 OK", &[], "enough");
}

#[test]
fn an_error_after_the_head_has_left_shows_as_a_broken_answer() {
    let answer = get(failures, "/late");
    assert!(answer.starts_with("HTTP/1.1 200 OK"), "{answer}");
    assert!(!answer.ends_with("0\r\n\r\n"), "{answer}");
}

#[test]
fn what_comes_after_the_end_is_not_sent() {
    check(
        &get(failures, "/after"),
        "200 OK",
        &["Content-Length: 5"],
        "whole",
    );
}

#[test]
fn error_pages_are_the_handlers_or_else_the_applications() {
    struct Own;
    impl RequestHandler for Own {
        async fn get(&mut self, _: &Exchange) -> Result {
            Err(HttpError::new(StatusCode::FORBIDDEN))?
        }
        fn write_error(&mut self, http: &Exchange, error: &Error) {
            http.write(format!("own {}", error.status())).unwrap();
        }
    }
    let application = || {
        Application::new()
            .route("/own", || Own)
            .get("/other", async |_| Err(HttpError::new(StatusCode::GONE))?)
            .write_error(|http, error| http.write_json(error.public_message()).unwrap())
    };
    check(&get(application, "/own"), "403", &[], "own 403 Forbidden");
    let json = "Content-Type: application/json; charset=UTF-8";
    check(&get(application, "/other"), "410", &[json], r#""Gone""#);
    check(
        &get(application, "/nowhere"),
        "404",
        &[json],
        r#""Not Found""#,
    );
}

#[test]
fn a_route_may_take_less_content_than_the_server() {
    let application = || {
        Application::new().add_route(
            Route::async_fn("/", async |http| {
                http.write(http.content().await?.len().to_string())
            })
            .content_bytes_max(3),
        )
    };
    check(
        &post(application, "/", "text/plain", "abc"),
        "200",
        &[],
        "3",
    );
    check_page(
        &post(application, "/", "text/plain", "abcd"),
        "413",
        "413: Payload Too Large",
    );
}

#[test]
fn a_function_may_pull_its_content_itself() {
    let application = || {
        Application::new().add_route(
            Route::async_fn("/", async |http| {
                let mut length = 0;
                while let Some(chunk) = http.chunk().await? {
                    length += chunk.len();
                }
                http.write(length.to_string())
            })
            .stream_request_body(),
        )
    };
    check(
        &post(application, "/", "text/plain", "abcdefg"),
        "200",
        &[],
        "7",
    );
}

#[test]
fn a_status_without_content_has_no_content_type() {
    let application =
        || Application::new().get("/", async |http| http.set_status(StatusCode::NO_CONTENT));
    let answer = get(application, "/");
    check(&answer, "204 No Content", &[], "");
    assert!(!answer.to_lowercase().contains("content-type"), "{answer}");
}

#[test]
fn routes_of_expressions_and_reports_of_bad_ones() {
    let mut application = Application::new();
    let route = |pattern: &str| Route::handler(Pattern::regex(pattern), || Hello);
    application.try_add_route(route("/story/([0-9]+)")).unwrap();
    let error = application
        .try_add_route(route("/story/([0-9]+"))
        .unwrap_err();
    assert!(matches!(error, RouteError::Pattern(_)), "{error}");
}

#[test]
#[should_panic(expected = "path pattern `/user/{id`: the brace at 6 is never closed")]
fn a_malformed_pattern_stops_the_program() {
    let _ = Application::new().route("/user/{id", || Hello);
}

#[test]
#[should_panic(expected = "route `/user/me` is never reached: `/user/{id}` before it takes its")]
fn a_route_that_is_never_reached_stops_the_program() {
    let _ = Application::new()
        .route("/user/{id}", || Hello)
        .route("/user/me", || Hello);
}

#[test]
#[should_panic(expected = "route `/` is never reached")]
fn a_second_function_for_a_method_stops_the_program() {
    let _ = Application::new()
        .get("/", async |_| Ok(()))
        .get("/", async |_| Ok(()));
}
