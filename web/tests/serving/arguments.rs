//! Arguments of three kinds, and JSON: what reaches the handler, and what the client is told.

use squall_web::{Application, Pattern, Route};

use crate::server::{check, check_page, get, post};

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
fn a_query_with_too_many_arguments_stays_wrong_however_often_it_is_asked() {
    let application = || {
        Application::new().get("/", async |http| {
            let first = http.argument("a").is_err();
            let second = http.optional_argument("a").is_err();
            http.write(format!("{first} {second}"))
        })
    };
    let many = format!("/?{}", "a=1&".repeat(1001));
    check(&get(application, &many), "200", &[], "true true");
}

#[test]
fn a_streamed_form_has_arguments_once_it_was_read() {
    let application = || {
        Application::new().add_route(
            Route::async_fn("/", async |http| {
                let before = http.optional_argument("a")?;
                http.content().await?;
                http.write(format!("{before:?} {}", http.argument("a")?))
            })
            .stream_request_body(),
        )
    };
    let form = post(application, "/", "application/x-www-form-urlencoded", "a=1");
    check(&form, "200", &[], "None 1");
}

/// What is packed may look like a form, and have arguments that nobody has sent.
#[test]
fn rfc9110_15_5_16_a_form_and_json_in_a_coding_that_is_not_decoded_are_415() {
    let application = || {
        Application::new()
            .route_async("/form", async |http| {
                http.write(format!("{:?}", http.optional_argument("a")?))
            })
            .route_async("/json", async |http| {
                http.write(http.json::<u32>().await?.to_string())
            })
            .route_async("/query", async |http| http.write("not looked at"))
    };
    let ask = |target, coding, content| {
        // The type of the content, and one more field.
        let fields = format!("application/x-www-form-urlencoded\r\nContent-Encoding: {coding}");
        post(application, target, &fields, content)
    };
    for coding in ["gzip", "x, identity", "identity, br"] {
        for (target, content) in [("/form", "a=1"), ("/json", "1")] {
            let answer = ask(target, coding, content);
            check(
                &answer,
                "415",
                &["accept-encoding: identity"],
                "<html><title>415: Unsupported Media Type</title><body>415: Unsupported Media Type</body></html>",
            );
        }
    }
    check(&ask("/form", "identity", "a=1"), "200", &[], "Some(\"1\")");
    check(&ask("/json", "Identity,", "1"), "200", &[], "1");
    check(&ask("/query", "gzip", "a=1"), "200", &[], "not looked at");
}
