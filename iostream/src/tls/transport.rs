//! TLS as a transport over another one: records are read into the loop's scratch, decrypted there,
//! and written from it. A stream owns a buffer only for a record whose rest has not come or gone.

use std::cell::{Cell, OnceCell, RefCell};
use std::io::{self, IoSlice};
use std::os::fd::BorrowedFd;
use std::rc::Rc;

use squall_ioloop::{Handle, Ready, Token};

use crate::shared::Shared;
use crate::tls::faults;
use crate::tls::input::Input;
use crate::tls::output::{Pieces, Unsent};
use crate::tls::scratch::{Output, Pool, Scratch};
use crate::tls::session::Session;
use crate::tls::{PeerFault, TlsError, TlsFault, TlsInfo, TlsPhase};
use crate::{Address, Transport};

pub(super) struct TlsTransport {
    inner: Box<dyn Transport>,
    attached: OnceCell<Attached>,
    state: RefCell<State>,
}

struct State {
    /// `None` once closed, or moved away.
    session: Option<Session>,
    input: Input,
    unsent: Unsent,
    failure: Option<Box<TlsError>>,
    /// Told when the handshake is over.
    established: Option<Rc<Cell<bool>>>,
    flags: Flags,
}

#[derive(Clone, Copy, Default)]
struct Flags {
    is_started: bool,
    is_established: bool,
    /// The first whole record was one.
    has_heard_tls: bool,
    /// The peer has said that no more will come.
    has_heard_end: bool,
    has_said_end: bool,
    /// To shut the inner transport down when all is sent.
    is_shutdown_due: bool,
    is_last_read_full: bool,
    /// Somebody wants to write who had to wait for the handshake.
    is_write_refused: bool,
}

/// What a transport has of the loop that it is on.
struct Attached {
    ioloop: Handle,
    token: Token,
    scratch: Rc<Pool>,
    shared: Rc<Shared>,
}

/// How much is received for one read, of a peer at line rate that sends records without a byte for
/// the reader, tickets say.
const BYTES_PER_READ_MAX: usize = 256 * 1024;

impl TlsTransport {
    /// TLS over `inner`, from which `read` was read already. `established` becomes true when the
    /// handshake is over.
    pub(super) fn new(
        inner: Box<dyn Transport>,
        session: Session,
        read: Vec<u8>,
        established: Rc<Cell<bool>>,
    ) -> Self {
        Self {
            inner,
            attached: OnceCell::new(),
            state: RefCell::new(State {
                session: Some(session),
                input: Input::new(read),
                unsent: Unsent::default(),
                failure: None,
                established: Some(established),
                flags: Flags::default(),
            }),
        }
    }

    /// Reads records until there is plaintext for `buffer`.
    fn read_records(
        &self,
        state: &mut State,
        attached: &Attached,
        scratch: &mut Scratch,
        buffer: &mut [u8],
    ) -> io::Result<usize> {
        let mut received = 0;
        while received < BYTES_PER_READ_MAX {
            let count = state.input.take_plaintext(buffer, &attached.shared);
            if count > 0 {
                return Ok(count);
            }
            if let Some(failure) = &state.failure {
                return Err((**failure).clone().into());
            }
            if state.flags.has_heard_end {
                return Ok(0);
            }
            if !state.input.has_whole_record() {
                received += self.receive(state, attached, scratch)?;
                if !state.input.is_loaded() {
                    continue;
                }
            }
            let count = self.process(state, attached, scratch, buffer);
            if count > 0 {
                return Ok(count);
            }
        }
        // It is not drained, and so the poller will not tell.
        let (ioloop, token) = (&attached.ioloop, attached.token);
        ioloop.ready_again(token, Ready::READABLE);
        Err(io::ErrorKind::WouldBlock.into())
    }

    fn attached(&self) -> io::Result<&Attached> {
        let never = || io::ErrorKind::NotConnected.into();
        self.attached.get().ok_or_else(never)
    }

    /// One read of the inner transport. Returns how many bytes it gave.
    fn receive(
        &self,
        state: &mut State,
        attached: &Attached,
        scratch: &mut Scratch,
    ) -> io::Result<usize> {
        let is_established = state.flags.is_established;
        let room = state.input.room(&mut scratch.input, is_established);
        if room.is_empty() {
            let how = PeerFault::Malformed("its message of the handshake is too long".to_owned());
            return Err(state.fail(how).into());
        }
        state.flags.is_last_read_full = false;
        let count = self.inner.read(room)?;
        if count == 0 {
            return Err(state.fail(PeerFault::Truncated).into());
        }
        state.flags.is_last_read_full = count == room.len();
        state
            .input
            .received(count, &mut scratch.input, &attached.shared);
        Ok(count)
    }

    /// Works on what has come whole. Returns how much of `buffer` is filled.
    fn process(
        &self,
        state: &mut State,
        attached: &Attached,
        scratch: &mut Scratch,
        buffer: &mut [u8],
    ) -> usize {
        let Some(session) = &mut state.session else {
            return 0;
        };
        scratch.output.clear();
        let (count, processed) = state.input.process(
            session,
            &mut scratch.input,
            buffer,
            &mut scratch.output,
            &attached.shared,
        );
        state.flags.has_heard_end |= processed.has_ended;
        // What has to be said about it, before anything else is said.
        let sent = state
            .unsent
            .send(&*self.inner, scratch.output.filled(), &attached.shared);
        match processed.result {
            Ok(()) => {
                state.flags.has_heard_tls = true;
                if let Err(error) = sent {
                    state.fail(error);
                }
                state.note_established(attached);
            }
            Err(error) => {
                let is_first = !state.flags.has_heard_tls;
                let fault = if is_first && faults::is_of_framing(&error) {
                    PeerFault::NotTls.into()
                } else {
                    faults::fault_of(error)
                };
                state.fail(fault);
            }
        }
        count
    }

    fn write_pieces(
        &self,
        state: &mut State,
        attached: &Attached,
        scratch: &mut Scratch,
        pieces: &[IoSlice<'_>],
    ) -> io::Result<usize> {
        let mut taken = 0;
        let mut pieces = Pieces::new(pieces);
        while let Some(session) = &mut state.session {
            scratch.output.clear();
            let batch = pieces.encrypt_batch(session, &mut state.input, scratch);
            let batch = match batch {
                Ok(0) => break,
                Ok(batch) => batch,
                Err(error) => return Err(state.fail(faults::fault_of(error)).into()),
            };
            taken += batch;
            let output = scratch.output.filled();
            state.unsent.send(&*self.inner, output, &attached.shared)?;
            if !state.unsent.is_empty() {
                // Taken all the same: it will leave before anything that follows.
                break;
            }
        }
        Ok(taken)
    }

    /// Sends what is unsent, then what was put off until then.
    fn flush_unsent(&self, state: &mut State) -> io::Result<()> {
        let attached = self.attached()?;
        if self.inner.unsent_len() > 0 {
            self.inner.flush()?;
        }
        state.unsent.flush(&*self.inner, &attached.shared)?;
        if state.unsent.is_empty() && std::mem::take(&mut state.flags.is_shutdown_due) {
            return self.inner.shutdown_write();
        }
        Ok(())
    }

    /// Says that no more will come, if that can be said.
    fn say_end(&self, state: &mut State) -> io::Result<()> {
        let attached = self.attached()?;
        state.check_open()?;
        let can_say = state.flags.is_established && state.failure.is_none();
        if !can_say || std::mem::replace(&mut state.flags.has_said_end, true) {
            return Ok(());
        }
        self.say(state, attached, |session, input, output| {
            session.end(input.partial(), output)
        })
    }

    /// Sends what `encode` has to say.
    fn say(
        &self,
        state: &mut State,
        attached: &Attached,
        encode: impl FnOnce(&mut Session, &mut Input, &mut Output) -> Result<(), rustls::Error>,
    ) -> io::Result<()> {
        attached.scratch.with(|scratch| {
            let Some(session) = &mut state.session else {
                return Err(io::ErrorKind::NotConnected.into());
            };
            if let Err(error) = encode(session, &mut state.input, &mut scratch.output) {
                return Err(state.fail(faults::fault_of(error)).into());
            }
            let output = scratch.output.filled();
            state.unsent.send(&*self.inner, output, &attached.shared)
        })
    }

    /// Gives all memory back.
    fn release(&self, state: &mut State) {
        if let Some(attached) = self.attached.get() {
            state.input.release(&attached.shared);
            state.unsent.release(&attached.shared);
        }
        state.session = None;
    }

    /// What a client says first, and what was read before.
    fn start(&self, state: &mut State, attached: &Attached) -> io::Result<()> {
        if !std::mem::replace(&mut state.flags.is_started, true) {
            self.say(state, attached, |session, _, output| {
                session.process(&mut [], &mut |_| {}, output).result
            })?;
        }
        let mut ready = Ready::NONE;
        if state.has_more() {
            ready |= Ready::READABLE;
        }
        if !state.unsent.is_empty() {
            ready |= Ready::WRITABLE;
        }
        if ready != Ready::NONE {
            attached.ioloop.ready_again(attached.token, ready);
        }
        Ok(())
    }
}

impl State {
    fn fail(&mut self, fault: impl Into<TlsFault>) -> TlsError {
        let phase = if self.flags.is_established {
            TlsPhase::Traffic
        } else {
            TlsPhase::Handshake
        };
        let failure = TlsError::new(phase, fault);
        self.failure
            .get_or_insert_with(|| Box::new(failure.clone()));
        failure
    }

    fn note_established(&mut self, attached: &Attached) {
        let is_handshaking = self.session.as_ref().is_none_or(Session::is_handshaking);
        if self.flags.is_established || is_handshaking {
            return;
        }
        self.flags.is_established = true;
        if let Some(established) = self.established.take() {
            established.set(true);
        }
        if self.flags.is_write_refused {
            attached.ioloop.ready_again(attached.token, Ready::WRITABLE);
        }
    }

    /// Whether a read has something to say without the inner transport.
    fn has_more(&self) -> bool {
        self.input.has_plaintext()
            || self.input.has_whole_record()
            || self.failure.is_some()
            || self.flags.has_heard_end
    }

    fn check_open(&self) -> io::Result<()> {
        match self.session {
            Some(_) => Ok(()),
            None => Err(io::ErrorKind::NotConnected.into()),
        }
    }

    fn check_writable(&mut self) -> io::Result<()> {
        if let Some(failure) = &self.failure {
            return Err((**failure).clone().into());
        }
        if self.flags.has_said_end {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        if !self.flags.is_established {
            self.flags.is_write_refused = true;
            return Err(io::ErrorKind::WouldBlock.into());
        }
        Ok(())
    }
}

impl Transport for TlsTransport {
    fn read(&self, buffer: &mut [u8]) -> io::Result<usize> {
        let state = &mut *self.state.borrow_mut();
        let attached = self.attached()?;
        state.check_open()?;
        if buffer.is_empty() {
            return Ok(0);
        }
        attached
            .scratch
            .with(|scratch| self.read_records(state, attached, scratch, buffer))
    }

    fn has_more(&self) -> bool {
        let state = self.state.borrow();
        state.has_more() || state.flags.is_last_read_full || self.inner.has_more()
    }

    fn write(&self, bytes: &[u8]) -> io::Result<usize> {
        self.write_vectored(&[IoSlice::new(bytes)])
    }

    fn write_vectored(&self, pieces: &[IoSlice<'_>]) -> io::Result<usize> {
        let state = &mut *self.state.borrow_mut();
        let attached = self.attached()?;
        state.check_open()?;
        state.check_writable()?;
        self.flush_unsent(state)?;
        attached
            .scratch
            .with(|scratch| self.write_pieces(state, attached, scratch, pieces))
    }

    fn unsent_len(&self) -> usize {
        self.state.borrow().unsent.len() + self.inner.unsent_len()
    }

    fn flush(&self) -> io::Result<()> {
        self.flush_unsent(&mut self.state.borrow_mut())
    }

    /// Says the end in TLS, and then below it: a peer that waits for one of them hears it.
    fn shutdown_write(&self) -> io::Result<()> {
        let state = &mut *self.state.borrow_mut();
        self.say_end(state)?;
        if state.unsent.is_empty() {
            return self.inner.shutdown_write();
        }
        state.flags.is_shutdown_due = true;
        Ok(())
    }

    fn close(&self) {
        let state = &mut *self.state.borrow_mut();
        // Behind a record of which half has gone, nothing can be said; and then not all was sent.
        if state.unsent.is_empty() {
            let _ = self.say_end(state);
            state.unsent.push(&*self.inner);
        }
        self.release(state);
        self.inner.close();
    }

    fn abort(&self) {
        self.release(&mut self.state.borrow_mut());
        self.inner.abort();
    }

    fn reset(&self) {
        self.release(&mut self.state.borrow_mut());
        self.inner.reset();
    }

    fn attach(&self, ioloop: &Handle, token: Token) -> io::Result<()> {
        self.inner.attach(ioloop, token)?;
        let state = &mut *self.state.borrow_mut();
        let attached = Attached {
            ioloop: ioloop.clone(),
            token,
            scratch: Pool::of(ioloop),
            shared: Shared::of(ioloop),
        };
        self.start(state, self.attached.get_or_init(|| attached))
    }

    fn with_fd(&self, f: &mut dyn FnMut(BorrowedFd<'_>)) {
        self.inner.with_fd(f);
    }

    fn take_error(&self) -> Option<io::Error> {
        self.inner.take_error()
    }

    fn peer_addr(&self) -> Option<Address> {
        self.inner.peer_addr()
    }

    fn local_addr(&self) -> Option<Address> {
        self.inner.local_addr()
    }

    fn detach(&self) -> Option<Box<dyn Transport>> {
        let state = &mut *self.state.borrow_mut();
        state.session.as_ref()?;
        let inner = self.inner.detach()?;
        let mut moved = State {
            session: state.session.take(),
            input: std::mem::take(&mut state.input),
            unsent: std::mem::take(&mut state.unsent),
            failure: state.failure.take(),
            established: state.established.take(),
            flags: state.flags,
        };
        // Whether there was more is not known to the next loop's poller.
        moved.flags.is_last_read_full = false;
        self.release(state);
        Some(Box::new(Self {
            inner,
            attached: OnceCell::new(),
            state: RefCell::new(moved),
        }))
    }

    fn tls(&self) -> Option<TlsInfo> {
        self.state.borrow().session.as_ref()?.info()
    }
}
