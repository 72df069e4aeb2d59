//! A served connection, its peer and its handler, for tests: two ends, one thread, virtual time.
//!
//! The peer writes frames by hand, with `peer`, and expects bytes. The handler does what the
//! messages say, and notes whatever it is told.
#![allow(dead_code, reason = "each suite uses its part")]
#![allow(clippy::unwrap_used, reason = "a panic is how a test reports")]

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::io;
use std::rc::Rc;
use std::time::Duration;

use squall_ioloop::{Handle, IoLoop, Ready, Token};
use squall_iostream::{IoStream, Transport, memory};
use squall_websocket::{
    CloseCode, CloseFrame, Config, HandlerResult, Message, WebSocket, WebSocketHandler, serve,
};

use crate::peer::{FIN, close_payload, masked};

pub(crate) fn ioloop() -> IoLoop {
    IoLoop::builder().virtual_clock().build().unwrap()
}

/// Settings without pings, so that nothing but the test makes time pass.
pub(crate) fn config() -> Config {
    Config::default().with_ping_interval(None)
}

/// What a handler was told, in words.
#[derive(Clone, Default)]
pub(crate) struct Log(Rc<RefCell<Vec<String>>>);

impl Log {
    pub(crate) fn note(&self, what: impl Into<String>) {
        self.0.borrow_mut().push(what.into());
    }

    #[track_caller]
    pub(crate) fn expect(&self, expected: &[&str]) {
        assert_eq!(*self.0.borrow(), expected);
    }

    pub(crate) fn count(&self, what: &str) -> usize {
        self.0
            .borrow()
            .iter()
            .filter(|noted| *noted == what)
            .count()
    }
}

/// Echoes, unless a message is an order to do something else.
pub(crate) struct Obedient {
    pub(crate) log: Log,
    /// The socket, for the test.
    pub(crate) ws: Rc<RefCell<Option<WebSocket>>>,
}

impl WebSocketHandler for Obedient {
    fn open(&mut self, ws: &WebSocket) -> HandlerResult {
        self.ws.replace(Some(ws.clone()));
        self.log.note("open");
        Ok(())
    }

    fn on_message(&mut self, ws: &WebSocket, message: Message<'_>) -> HandlerResult {
        let (order, operand) = match message {
            Message::Text(text) => text.split_once(' ').unwrap_or((text, "")),
            Message::Binary(_) => ("", ""),
        };
        match order {
            "panic" => panic!("as ordered"),
            "fail" => return Err("as ordered".into()),
            "close" => ws.close(CloseCode::new(4000).unwrap(), operand),
            "abort" => ws.abort(),
            "go_away" => ws.go_away(),
            "subscribe" => self.log.note(format!("{}", ws.subscribe(operand))),
            "unsubscribe" => self.log.note(format!("{}", ws.unsubscribe(operand))),
            "publish" => self.log.note(format!("{}", ws.publish(operand, "news"))),
            "tell" => self
                .log
                .note(format!("{}", ws.publish_to_others(operand, "news"))),
            "flood" => ws.write_message(&vec![7; operand.parse()?])?,
            "note" => self.log.note(operand),
            _ => ws.write_message(message)?,
        }
        Ok(())
    }

    fn on_ping(&mut self, _: &WebSocket, payload: &[u8]) -> HandlerResult {
        self.log.note(format!("ping {}", payload.escape_ascii()));
        Ok(())
    }

    fn on_pong(&mut self, _: &WebSocket, payload: &[u8]) -> HandlerResult {
        self.log.note(format!("pong {}", payload.escape_ascii()));
        Ok(())
    }

    fn on_close(&mut self, ws: &WebSocket, frame: Option<CloseFrame<'_>>) {
        assert!(ws.is_closed() && ws.is_closing());
        assert!(ws.write_message("too late").is_err());
        self.log.note(match frame {
            Some(frame) => format!("close {} {}", frame.code(), frame.reason()),
            None => "close".to_owned(),
        });
    }
}

/// A peer, and what serves it.
pub(crate) struct Served {
    pub(crate) stream: IoStream,
    pub(crate) log: Log,
    pub(crate) ws: WebSocket,
    is_done: Rc<Cell<bool>>,
}

impl Served {
    /// A connection over memory.
    pub(crate) fn new(ioloop: &IoLoop, config: Config) -> Self {
        Self::with(ioloop, config, memory::Options::default())
    }

    pub(crate) fn with(ioloop: &IoLoop, config: Config, options: memory::Options) -> Self {
        let (ours, theirs) = memory::pair(ioloop, options);
        let (log, ws, is_done) = serve_obediently(ioloop, ours, config);
        Self {
            stream: theirs,
            log,
            ws,
            is_done,
        }
    }

    pub(crate) fn send(&self, wire: &[u8]) {
        self.stream.write(wire).unwrap();
    }

    pub(crate) fn say(&self, text: &str) {
        self.send(&masked(FIN | 1, text.as_bytes()));
    }

    pub(crate) fn close(&self, code: u16, reason: &str) {
        self.send(&masked(FIN | 8, &close_payload(code, reason.as_bytes())));
    }

    #[track_caller]
    pub(crate) fn expect(&mut self, ioloop: &IoLoop, wire: &[u8]) {
        let came = ioloop
            .run_until(self.stream.read_bytes(wire.len()))
            .unwrap();
        assert_eq!(
            came.unwrap().escape_ascii().to_string(),
            wire.escape_ascii().to_string()
        );
    }

    /// Nothing but `wire` comes before the server closes TCP.
    #[track_caller]
    pub(crate) fn expect_last(&mut self, ioloop: &IoLoop, wire: &[u8]) {
        let came = ioloop
            .run_until(self.stream.read_until_close(1 << 20))
            .unwrap();
        assert_eq!(
            came.unwrap().escape_ascii().to_string(),
            wire.escape_ascii().to_string()
        );
    }

    /// Whether `serve` has returned.
    pub(crate) fn is_done(&self) -> bool {
        self.is_done.get()
    }
}

fn serve_obediently(
    ioloop: &IoLoop,
    stream: IoStream,
    config: Config,
) -> (Log, WebSocket, Rc<Cell<bool>>) {
    let log = Log::default();
    let socket = Rc::new(RefCell::new(None));
    let handler = Obedient {
        log: log.clone(),
        ws: socket.clone(),
    };
    let is_done = Rc::new(Cell::new(false));
    let done = is_done.clone();
    ioloop.spawn_detached(async move {
        serve(stream, config, handler).await;
        done.set(true);
    });
    turns(ioloop, 1);
    let ws = socket.take().expect("opened in its first turn");
    (log, ws, is_done)
}

/// Lets the loop turn, without time passing unless nothing else is left.
pub(crate) fn turns(ioloop: &IoLoop, count: usize) {
    for _ in 0..count {
        ioloop.run_once(Some(Duration::ZERO)).unwrap();
    }
}

/// Lets time pass.
pub(crate) fn pass(ioloop: &IoLoop, seconds: u64) {
    ioloop
        .run_until(squall_ioloop::sleep(Duration::from_secs(seconds)))
        .unwrap();
}

/// A transport by hand: reads give one segment each, writes are counted.
#[derive(Default)]
pub(crate) struct Script {
    segments: RefCell<VecDeque<Vec<u8>>>,
    has_ended: Cell<bool>,
    pub(crate) written: RefCell<Vec<u8>>,
    pub(crate) writes: Cell<usize>,
    /// The address of the bytes last written.
    pub(crate) written_from: Cell<usize>,
    /// What a write takes before the peer reads on; `None` is everything.
    pub(crate) room: Cell<Option<usize>>,
    place: RefCell<Option<(Handle, Token)>>,
}

impl Script {
    /// Serves a scripted connection.
    pub(crate) fn serve(ioloop: &IoLoop, config: Config) -> (Rc<Self>, Log, WebSocket) {
        let (script, stream) = Self::stream(ioloop);
        let (log, ws, _) = serve_obediently(ioloop, stream, config);
        (script, log, ws)
    }

    pub(crate) fn stream(ioloop: &IoLoop) -> (Rc<Self>, IoStream) {
        let script = Rc::new(Self::default());
        let stream = IoStream::new(ioloop, Scripted(script.clone())).unwrap();
        (script, stream)
    }

    #[track_caller]
    pub(crate) fn expect_written(&self, wire: &[u8]) {
        let written = self.written.borrow().escape_ascii().to_string();
        assert_eq!(written, wire.escape_ascii().to_string());
    }

    /// An empty segment is the end of the stream.
    pub(crate) fn arrive(&self, segment: Vec<u8>) {
        self.segments.borrow_mut().push_back(segment);
        self.tell(Ready::READABLE);
    }

    pub(crate) fn take(&self, bytes: usize) {
        self.room.set(Some(bytes));
        self.tell(Ready::WRITABLE);
    }

    fn tell(&self, ready: Ready) {
        if let Some((ioloop, token)) = &*self.place.borrow() {
            ioloop.ready_again(*token, ready);
        }
    }
}

struct Scripted(Rc<Script>);

impl Transport for Scripted {
    fn read(&self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.0.has_ended.get() {
            return Ok(0);
        }
        let segment = self.0.segments.borrow_mut().pop_front();
        let segment = segment.ok_or(io::ErrorKind::WouldBlock)?;
        self.0.has_ended.set(segment.is_empty());
        buffer[..segment.len()].copy_from_slice(&segment);
        if !self.0.segments.borrow().is_empty() {
            self.0.tell(Ready::READABLE);
        }
        Ok(segment.len())
    }

    fn write(&self, bytes: &[u8]) -> io::Result<usize> {
        let taken = self.0.room.get().unwrap_or(usize::MAX).min(bytes.len());
        if taken == 0 {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        self.0.room.set(self.0.room.get().map(|room| room - taken));
        self.0.writes.set(self.0.writes.get() + 1);
        self.0.written_from.set(bytes.as_ptr().addr());
        self.0
            .written
            .borrow_mut()
            .extend_from_slice(&bytes[..taken]);
        Ok(taken)
    }

    fn write_vectored(&self, pieces: &[io::IoSlice<'_>]) -> io::Result<usize> {
        let all: Vec<u8> = pieces.iter().flat_map(|piece| piece.to_vec()).collect();
        self.write(&all)
    }

    fn shutdown_write(&self) -> io::Result<()> {
        Ok(())
    }

    fn close(&self) {}

    fn attach(&self, ioloop: &Handle, token: Token) -> io::Result<()> {
        self.0.place.replace(Some((ioloop.clone(), token)));
        Ok(())
    }
}
