//! What goes wrong, and what the client learns of it: a status, a page, and no secrets.

use std::io;

use squall_web::{
    Application, Error, Exchange, HttpError, RequestHandler, Result, StatusCode, header,
};

use crate::server::{check, check_page, get};

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
fn an_informational_status_is_no_answer_but_a_500() {
    let application =
        || Application::new().get("/", async |_| Err(HttpError::new(StatusCode::CONTINUE))?);
    check_page(&get(application, "/"), "500", "500: Internal Server Error");
}

#[test]
fn that_another_client_left_does_not_make_half_an_answer_look_whole() {
    // As `?` makes it of a write to a request that was kept, while this one is answered.
    let application = || {
        Application::new().get("/", async |http| {
            http.write("half")?;
            Err(Error::Closed)
        })
    };
    check_page(&get(application, "/"), "500", "500: Internal Server Error");
}
