//! `peer-actix PORT`: actix-web and actix-ws with one worker.

use std::error::Error;
use std::net::Ipv4Addr;

use actix_web::web::{self, Bytes, Json, Path, Payload};
use actix_web::{App, HttpRequest, HttpResponse, HttpServer, rt};
use actix_ws::Message;
use futures_util::StreamExt as _;
use serde::Serialize;

#[derive(Serialize)]
struct Greeting {
    message: &'static str,
}

#[actix_web::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let port: u16 = std::env::args().nth(1).ok_or("usage: PORT")?.parse()?;
    let app = || {
        App::new()
            .route("/", web::get().to(async || "Hello, World!"))
            .route("/json", web::get().to(json))
            .route("/user/{id}", web::get().to(user))
            .route("/echo", web::post().to(async |content: Bytes| content))
            .route("/ws", web::get().to(upgrade))
    };
    HttpServer::new(app)
        .workers(1)
        .tcp_nodelay(true)
        .bind((Ipv4Addr::LOCALHOST, port))?
        .run()
        .await?;
    Ok(())
}

async fn json() -> Json<Greeting> {
    Json(Greeting {
        message: "Hello, World!",
    })
}

async fn user(id: Path<String>) -> String {
    id.into_inner()
}

async fn upgrade(request: HttpRequest, content: Payload) -> actix_web::Result<HttpResponse> {
    let (response, mut session, mut messages) = actix_ws::handle(&request, content)?;
    rt::spawn(async move {
        while let Some(Ok(message)) = messages.next().await {
            let echoed = match message {
                Message::Text(text) => session.text(text).await,
                Message::Binary(bytes) => session.binary(bytes).await,
                Message::Ping(bytes) => session.pong(&bytes).await,
                Message::Close(_) => break,
                _ => Ok(()),
            };
            if echoed.is_err() {
                return;
            }
        }
        let _ = session.close(None).await;
    });
    Ok(response)
}
