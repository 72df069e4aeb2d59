//! What handlers can say beside content: redirects, header fields, links, statuses.

use squall_web::{Application, Exchange, RequestHandler, Result, Route, StatusCode};

use crate::server::{check, check_page, get};

struct User;

impl RequestHandler for User {
    async fn get(&mut self, http: &Exchange) -> Result {
        http.write(http.path_argument("id")?)
    }
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
            .add_route(Route::handler("/user/{id}", || User).name("user"))
    }
    check(&get(application, "/"), "200", &[], "/user/a%2Fb");
    check_page(
        &get(application, "/wrong"),
        "500",
        "500: Internal Server Error",
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
fn a_redirect_has_a_status_of_3xx() {
    fn application() -> Application {
        Application::new()
            .get("/other", async |http| {
                http.redirect_with(StatusCode::SEE_OTHER, "/")
            })
            .get("/wrong", async |http| {
                http.redirect_with(StatusCode::OK, "/")
            })
    }
    check(&get(application, "/other"), "303", &["Location: /"], "");
    let answer = get(application, "/wrong");
    check_page(&answer, "500", "500: Internal Server Error");
    assert!(!answer.to_lowercase().contains("location"), "{answer}");
}
