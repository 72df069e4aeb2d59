//! The life of a request in a handler, step by step, and of several on one connection.

use std::cell::RefCell;
use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, Ordering};

use squall_web::{Application, Exchange, RequestHandler, Result, Route, StatusCode};

use crate::server::{check, check_page, connect, connect_twice, post, read_answer};

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
fn on_finish_runs_last_whatever_happened() {
    let mut client = connect(recorder);
    let mut ask = |line: &str| {
        write!(
            client,
            "{line} HTTP/1.1\r\nHost: test\r\nContent-Length: 0\r\n\r\n"
        )
        .unwrap();
        read_answer(&mut client)
    };
    check(&ask("POST /"), "200", &[], "prepare post");
    check(&ask("POST /?stop=prepare"), "200", &[], "stopped");
    check_page(
        &ask("POST /?stop=%FF"),
        "400",
        "400: Argument stop is not UTF-8",
    );
    check(&ask("GET /"), "200", &[], "POST:200 POST:200 POST:400");
}

#[test]
fn nothing_of_a_request_is_left_to_the_next_on_its_connection() {
    let application = || {
        Application::new().route_async("/{path...}", async |http| {
            http.write(http.path_argument("path")?)?;
            http.write(" ")?;
            http.write(http.arguments("a")?.join(","))?;
            http.write(" ")?;
            http.write(http.content().await?.len().to_string())
        })
    };
    let mut client = connect(application);
    let mut ask = |request: &str| {
        client.write_all(request.as_bytes()).unwrap();
        read_answer(&mut client)
    };
    let first = ask(
        "POST /first?a=1 HTTP/1.1\r\nHost: test\r\nContent-Length: 3\r\n\
         Content-Type: application/x-www-form-urlencoded\r\n\r\na=2",
    );
    check(&first, "200", &[], "first 1,2 3");
    check(
        &ask("GET /second HTTP/1.1\r\nHost: test\r\n\r\n"),
        "200",
        &[],
        "second  0",
    );
    let third = ask("POST /?a=3 HTTP/1.1\r\nHost: test\r\nContent-Length: 3\r\n\r\na=4");
    check(&third, "200", &[], " 3 3");
}

#[test]
fn a_panic_costs_one_request() {
    let application = || {
        Application::new()
            .get("/panic", async |_| panic!("a bug"))
            .get("/", async |http| http.write("alive"))
    };
    let (mut unlucky, mut other) = connect_twice(application);
    let ask = |client: &mut TcpStream, target: &str| {
        write!(client, "GET {target} HTTP/1.1\r\nHost: test\r\n\r\n").unwrap();
        read_answer(client)
    };
    assert!(ask(&mut unlucky, "/panic").starts_with("HTTP/1.1 500"));
    check(&ask(&mut unlucky, "/"), "200", &[], "alive");
    check(&ask(&mut other, "/"), "200", &[], "alive");
}

#[test]
fn an_upload_that_was_answered_half_way_is_not_received_further() {
    struct Impatient;
    impl RequestHandler for Impatient {
        const STREAM_REQUEST_BODY: bool = true;
        async fn data_received(&mut self, http: &Exchange, _: &[u8]) -> Result {
            assert!(!http.is_finished());
            http.set_status(StatusCode::FORBIDDEN)?;
            http.write("enough")?;
            http.finish();
            Ok(())
        }
        async fn post(&mut self, _: &Exchange) -> Result {
            panic!("the request was answered already")
        }
        fn on_finish(&mut self, _: &Exchange) {
            FINISHED.store(true, Ordering::SeqCst);
        }
    }
    static FINISHED: AtomicBool = AtomicBool::new(false);
    let application = || Application::new().route("/", || Impatient);
    let mut client = connect(application);
    let head = "POST / HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked\r\n\r\n";
    write!(client, "{head}1\r\na\r\n1\r\nb\r\n0\r\n\r\n").unwrap();
    check(&read_answer(&mut client), "403", &[], "enough");
    // The connection ends, since nobody read the rest; with its end all has run.
    let _ = client.read_to_end(&mut Vec::new());
    assert!(FINISHED.load(Ordering::SeqCst));
}

#[test]
fn rfc9112_8_incomplete_content_is_refused() {
    let application = || {
        Application::new()
            .post("/", async |http| http.write("all is well"))
            .add_route(
                Route::async_fn("/streamed", async |http| {
                    while http.chunk().await?.is_some() {}
                    http.write("all is well")
                })
                .stream_request_body(),
            )
    };
    for target in ["/", "/streamed"] {
        let mut client = connect(application);
        let head = format!("POST {target} HTTP/1.1\r\nHost: test\r\nContent-Length: 4\r\n\r\n");
        client.write_all((head + "abc").as_bytes()).unwrap();
        client.shutdown(Shutdown::Write).unwrap();
        check_page(&read_answer(&mut client), "400", "400: Incomplete content");
    }
}
