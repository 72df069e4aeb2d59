//! A chat in one page. Run `cargo run --release --example chat`, open http://127.0.0.1:8888 in two
//! tabs, and talk to yourself.
//!
//! Look at `on_message`: it publishes to a topic, and the message is framed once, however many are
//! listening. The page is `examples/chat.html`.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::Rc;

use serde::{Deserialize, Serialize};
use squall::ioloop::IoLoop;
use squall::web::{
    Application, Exchange, HandlerResult, Message, RequestHandler, Result, Topics, WebSocket,
    WebSocketHandler,
};

const TOPIC: &str = "room";
/// What newcomers are shown of what was said before.
const HISTORY_MAX: usize = 50;
/// Nobody needs more to make a point.
const TEXT_CHARS_MAX: usize = 2_000;
const NAME_CHARS_MAX: usize = 30;

/// What a page sends.
#[derive(Deserialize)]
struct Said {
    name: String,
    text: String,
}

/// What all pages get.
#[derive(Serialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
enum News<'a> {
    Message { name: &'a str, text: &'a str },
    People { count: usize },
}

/// What the visitors share.
#[derive(Default)]
struct Room {
    history: RefCell<VecDeque<String>>,
    visitors: Cell<u32>,
}

struct Page;

impl RequestHandler for Page {
    async fn get(&mut self, http: &Exchange) -> Result {
        http.write(include_str!("chat.html"))
    }
}

struct Visitor {
    room: Rc<Room>,
    number: u32,
}

impl WebSocketHandler for Visitor {
    fn open(&mut self, ws: &WebSocket) -> HandlerResult {
        for message in self.room.history.borrow().iter() {
            ws.write_message(message.as_str())?;
        }
        ws.subscribe(TOPIC);
        tell_how_many(ws)
    }

    fn on_message(&mut self, ws: &WebSocket, message: Message<'_>) -> HandlerResult {
        let Message::Text(json) = message else {
            return Ok(());
        };
        // What is no message of our page is no reason to end anything.
        let Ok(said) = serde_json::from_str::<Said>(json) else {
            return Ok(());
        };
        let name = cut(said.name.trim(), NAME_CHARS_MAX);
        let text = cut(said.text.trim(), TEXT_CHARS_MAX);
        if text.is_empty() {
            return Ok(());
        }
        let guest = format!("guest {}", self.number);
        let name = if name.is_empty() { &guest } else { name };
        let news = serde_json::to_string(&News::Message { name, text })?;
        Topics::of(ws.ioloop()).publish(TOPIC, news.as_str());
        let mut history = self.room.history.borrow_mut();
        if history.len() == HISTORY_MAX {
            history.pop_front();
        }
        history.push_back(news);
        Ok(())
    }

    fn on_close(&mut self, ws: &WebSocket, _: Option<squall::web::CloseFrame<'_>>) {
        // Whoever is left wants to know; that a number cannot be written as JSON cannot happen.
        let _ = tell_how_many(ws);
    }
}

fn tell_how_many(ws: &WebSocket) -> HandlerResult {
    let topics = Topics::of(ws.ioloop());
    let news = News::People {
        count: topics.subscriber_count(TOPIC),
    };
    topics.publish(TOPIC, serde_json::to_string(&news)?.as_str());
    Ok(())
}

/// At most `chars_max` characters, and never half of one.
fn cut(text: &str, chars_max: usize) -> &str {
    text.char_indices()
        .nth(chars_max)
        .map_or(text, |(end, _)| &text[..end])
}

fn main() -> std::io::Result<()> {
    let port = std::env::args()
        .nth(1)
        .map_or(8888, |port| port.parse().expect("a port"));
    let ioloop = IoLoop::new()?;
    let room = Rc::new(Room::default());
    let application = Application::new()
        .route("/", || Page)
        .websocket("/ws", move || {
            room.visitors.set(room.visitors.get() + 1);
            Visitor {
                room: room.clone(),
                number: room.visitors.get(),
            }
        });
    application.listen(&ioloop, ("127.0.0.1", port))?;
    println!("Open http://127.0.0.1:{port} in two tabs.");
    ioloop.run()
}
