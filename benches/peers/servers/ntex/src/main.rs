//! `peer-ntex PORT`: ntex's web layer with one worker, on the runtime it picks by itself.

use std::io;
use std::net::Ipv4Addr;

use ntex::service::{fn_factory_with_config, fn_service};
use ntex::util::{ByteString, Bytes};
use ntex::web::types::{Json, Path};
use ntex::web::ws::{self, Frame, Message};
use ntex::web::{self, App, HttpRequest, HttpResponse, HttpServer};
use serde::Serialize;

#[derive(Serialize)]
struct Greeting {
    message: &'static str,
}

#[ntex::main]
async fn main() -> io::Result<()> {
    let port: u16 = std::env::args()
        .nth(1)
        .and_then(|port| port.parse().ok())
        .ok_or(io::Error::other("usage: PORT"))?;
    let app = async || {
        App::new()
            .route("/", web::get().to(async || "Hello, World!"))
            .route("/json", web::get().to(json))
            .route("/user/{id}", web::get().to(user))
            .route("/echo", web::post().to(async |content: Bytes| content))
            .route("/ws", web::get().to(upgrade))
    };
    HttpServer::new(app)
        .workers(1)
        .bind((Ipv4Addr::LOCALHOST, port))?
        .run()
        .await
}

async fn json() -> Json<Greeting> {
    Json(Greeting {
        message: "Hello, World!",
    })
}

async fn user(id: Path<String>) -> String {
    id.into_inner()
}

async fn upgrade(request: HttpRequest) -> Result<HttpResponse, web::Error> {
    let session = async |_| Ok::<_, web::Error>(fn_service(echo));
    ws::start(request, None::<&str>, fn_factory_with_config(session)).await
}

async fn echo(frame: Frame) -> io::Result<Option<Message>> {
    Ok(match frame {
        Frame::Text(text) => {
            let text = ByteString::try_from(text).map_err(|()| io::ErrorKind::InvalidData)?;
            Some(Message::Text(text))
        }
        Frame::Binary(bytes) => Some(Message::Binary(bytes)),
        Frame::Ping(bytes) => Some(Message::Pong(bytes)),
        Frame::Close(reason) => Some(Message::Close(reason)),
        _ => None,
    })
}
