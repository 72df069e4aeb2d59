//! Mistakes in the table of routes stop the program, with words.

use squall_web::{
    Application, Exchange, Method, Pattern, RequestHandler, Result, Route, RouteError,
};

struct Hello;

impl RequestHandler for Hello {
    async fn get(&mut self, http: &Exchange) -> Result {
        http.write("Hello")
    }
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

#[test]
fn a_handler_must_implement_the_methods_of_its_route() {
    let route = |method| Route::handler("/", || Hello).methods([method]);
    let error = Application::new().try_add_route(route(Method::PUT));
    assert_eq!(
        error.unwrap_err().to_string(),
        "route `/` cannot answer PUT: its handler does not implement it"
    );
    for method in [Method::GET, Method::HEAD] {
        Application::new().try_add_route(route(method)).unwrap();
    }
}
