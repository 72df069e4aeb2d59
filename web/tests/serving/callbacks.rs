//! Callback style: the exchange is kept and finished in a later turn.

use std::cell::RefCell;
use std::io::Write;
use std::rc::Rc;
use std::time::Duration;

use squall_ioloop::Handle;
use squall_web::{Application, HttpError, StatusCode};

use crate::server::{check, check_page, connect_twice, eventually, get, post, read_answer};

#[test]
fn a_callback_may_answer_in_a_later_turn() {
    let application = || {
        Application::new().route_callback("/", |http| {
            Handle::current().call_later(Duration::from_millis(1), move || {
                http.write("later").unwrap();
                http.finish();
            });
        })
    };
    check(&get(application, "/"), "200", &[], "later");
}

#[test]
fn one_request_may_answer_another() {
    let application = || {
        let waiting = Rc::new(RefCell::new(Vec::new()));
        let (counted, told) = (Rc::clone(&waiting), Rc::clone(&waiting));
        Application::new()
            .route_callback("/wait", move |http| waiting.borrow_mut().push(http))
            .get("/waiting", async move |http| {
                http.write(counted.borrow().len().to_string())
            })
            .post("/tell", async move |http| {
                for waiting in told.take() {
                    waiting.write(http.argument("news")?)?;
                    waiting.finish();
                }
                http.write("told")
            })
    };
    let (mut waiting, mut telling) = connect_twice(application);
    waiting
        .write_all(b"GET /wait HTTP/1.1\r\nHost: test\r\n\r\n")
        .unwrap();
    let mut tell = |line: &str| {
        write!(
            telling,
            "{line} HTTP/1.1\r\nHost: test\r\nContent-Length: 0\r\n\r\n"
        )
        .unwrap();
        read_answer(&mut telling)
    };
    eventually(|| tell("GET /waiting").ends_with('1'));
    check(&tell("POST /tell?news=x"), "200", &[], "told");
    check(&read_answer(&mut waiting), "200", &[], "x");
}

#[test]
fn a_callback_finds_the_arguments_of_a_form() {
    let application = || {
        Application::new().route_callback("/", |http| match http.argument("a") {
            Ok(argument) => {
                http.write(argument).unwrap();
                http.finish();
            }
            Err(error) => http.send_error(error),
        })
    };
    let form = |content| {
        post(
            application,
            "/",
            "application/x-www-form-urlencoded",
            content,
        )
    };
    check(&form("a=1"), "200", &[], "1");
    check_page(&form("b=1"), "400", "400: Missing argument a");
}

#[test]
fn a_callback_that_forgets_its_request_is_an_error_of_ours() {
    let application = || Application::new().route_callback("/", drop);
    assert!(get(application, "/").starts_with("HTTP/1.1 500"));
}

#[test]
fn a_callback_may_fail_later() {
    let application = || {
        Application::new().route_callback("/", |http| {
            Handle::current().add_callback(move || {
                http.send_error(HttpError::new(StatusCode::GATEWAY_TIMEOUT));
            });
        })
    };
    check_page(&get(application, "/"), "504", "504: Gateway Timeout");
}

#[test]
fn a_client_that_leaves_is_noticed() {
    let application = || {
        let gone = Rc::new(RefCell::new(0));
        let count = Rc::clone(&gone);
        Application::new()
            .get("/wait", async move |http| {
                http.closed().await;
                *gone.borrow_mut() += 1;
                http.write("to nobody")
            })
            .get("/gone", async move |http| {
                http.write(count.borrow().to_string())
            })
    };
    let (mut leaving, mut staying) = connect_twice(application);
    leaving
        .write_all(b"GET /wait HTTP/1.1\r\nHost: test\r\n\r\n")
        .unwrap();
    drop(leaving);
    let mut gone = || {
        staying
            .write_all(b"GET /gone HTTP/1.1\r\nHost: test\r\n\r\n")
            .unwrap();
        read_answer(&mut staying)
    };
    eventually(|| gone().ends_with('1'));
}
