//! Which method is answered by what: handlers, functions, and what comes for free.

use squall_web::{Application, Error, Exchange, Method, RequestHandler, Result, Route, StatusCode};

use crate::server::{ask, check, check_page, get, post};

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
        &ask(hello, "DELETE / HTTP/1.1"),
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
}

#[test]
fn rfc9110_9_3_7_options_for_the_server_is_answered_without_a_route() {
    check(&ask(hello, "OPTIONS * HTTP/1.1"), "204 No Content", &[], "");
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
fn rfc9110_15_5_6_every_405_names_those_allowed() {
    struct Delegating;
    impl RequestHandler for Delegating {
        async fn get(&mut self, http: &Exchange) -> Result {
            self.put(http).await
        }
    }
    let application = || Application::new().route("/", || Delegating);
    let answer = get(application, "/");
    check_page(&answer, "405", "405: Method Not Allowed");
    let allow = "allow: get, head, options";
    assert!(answer.to_lowercase().contains(allow), "{answer}");
}

#[test]
fn an_unknown_path_is_not_found_whatever_the_handler_for_it_implements() {
    let application = || Application::new().not_found(|| Hello);
    check(&get(application, "/nowhere"), "404", &[], "Hello, World");
    check_page(
        &ask(application, "PUT /nowhere HTTP/1.1"),
        "404",
        "404: Not Found",
    );
}

/// A method that is none of HTTP's is one no route has, unless a route names it.
#[test]
fn rfc9110_9_1_an_unknown_method_is_501_and_a_known_one_405() {
    check_page(
        &ask(hello, "BREW / HTTP/1.1"),
        "501",
        "501: Not Implemented",
    );
    check_page(&ask(hello, "get / HTTP/1.1"), "501", "501: Not Implemented");
    check_page(
        &ask(hello, "TRACE / HTTP/1.1"),
        "405",
        "405: Method Not Allowed",
    );
    let brewing = || {
        let brew = Method::from_bytes(b"BREW").unwrap();
        let route = Route::async_fn("/", async |http| http.write("coffee"));
        Application::new().add_route(route.methods([brew]))
    };
    check(&ask(brewing, "BREW / HTTP/1.1"), "200 OK", &[], "coffee");
}

#[test]
fn rfc9110_9_3_6_connect_is_501() {
    check_page(
        &ask(hello, "CONNECT test:443 HTTP/1.1"),
        "501",
        "501: Not Implemented",
    );
}

/// RFC 9112, section 3.2.2: a server accepts it, whether a proxy or a client has sent it.
#[test]
fn rfc9112_3_2_2_the_absolute_form_finds_its_route() {
    let answer = ask(hello, "GET http://elsewhere/?name=Ann HTTP/1.1");
    check(&answer, "200 OK", &[], "Hello, Ann");
}
