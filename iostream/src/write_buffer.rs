//! What a stream has written and not yet sent. It owns no memory while it is empty.

use std::collections::VecDeque;
use std::io::{self, IoSlice};

use bytes::Bytes;

use crate::Transport;
use crate::file_range::FileRange;
use crate::shared::{SPARE_BYTES_MAX, Shared};

/// What was written and not yet sent. A stream that has sent all holds a null pointer: the pieces
/// come from the loop's spares with the first byte, and go back with the last.
#[derive(Default)]
pub(crate) struct WriteBuffer {
    pieces: Option<Box<Pieces>>,
}

impl WriteBuffer {
    pub(crate) fn len(&self) -> usize {
        self.pieces.as_ref().map_or(0, |pieces| pieces.len)
    }

    /// Its length without that of files.
    pub(crate) fn memory_len(&self) -> usize {
        self.pieces.as_ref().map_or(0, |pieces| pieces.memory_len())
    }

    pub(crate) fn begins_with_file(&self) -> bool {
        matches!(&self.pieces, Some(pieces) if pieces.begins_with_file())
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Lets `f` append to the last piece, at most `bytes_max` bytes. More than that is taken back.
    pub(crate) fn append_with<R>(
        &mut self,
        bytes_max: usize,
        shared: &Shared,
        f: impl FnOnce(&mut Vec<u8>) -> R,
    ) -> Result<R, Full> {
        let pieces = self.pieces.get_or_insert_with(|| shared.take_pieces());
        let appended = pieces.append_with(bytes_max, shared, f);
        self.rest_if_empty(shared);
        appended
    }

    /// Queues `bytes` without a copy, unless they are few and follow bytes of our own.
    pub(crate) fn push_shared(&mut self, bytes: Bytes, shared: &Shared) {
        if !bytes.is_empty() {
            let pieces = self.pieces.get_or_insert_with(|| shared.take_pieces());
            pieces.push_shared(bytes, shared);
        }
    }

    pub(crate) fn push_file(&mut self, range: FileRange, shared: &Shared) {
        if range.len() > 0 {
            let pieces = self.pieces.get_or_insert_with(|| shared.take_pieces());
            pieces.push_long(Piece::File(range));
        }
    }

    /// One write of as much as the transport takes, up to `bytes_max`. Returns whether it took all
    /// that was offered.
    pub(crate) fn send<T: Transport + ?Sized>(
        &mut self,
        transport: &T,
        bytes_max: usize,
        shared: &Shared,
    ) -> Result<bool, SendError> {
        let Some(pieces) = &mut self.pieces else {
            return Ok(true);
        };
        let sent = pieces.send(transport, bytes_max, shared);
        self.rest_if_empty(shared);
        sent
    }

    fn rest_if_empty(&mut self, shared: &Shared) {
        if let Some(pieces) = self.pieces.take_if(|pieces| pieces.len == 0) {
            shared.give_pieces(pieces);
        }
    }
}

/// The pieces, in order: small writes merged, large ones and shared ones kept as they are, all of
/// it up to a file sent with one vectored write.
#[derive(Default)]
pub(crate) struct Pieces {
    /// The first piece is inline: one answer, or one frame of a broadcast, needs no queue.
    first: Option<Piece>,
    rest: Option<Box<Rest>>,
    /// How much of the first piece has been sent. Of a file, nothing: what is sent is cut off.
    sent: usize,
    len: usize,
    /// Memory for the next piece of our own, if it has any.
    memory: Vec<u8>,
}

#[derive(Default)]
struct Rest {
    pieces: VecDeque<Piece>,
    /// How much of the pieces' length is that of files, which take no memory.
    file_len: usize,
}

enum Piece {
    Own(Vec<u8>),
    Shared(Bytes),
    File(FileRange),
}

impl Piece {
    /// The bytes, if they are in memory.
    fn as_slice(&self) -> Option<&[u8]> {
        match self {
            Self::Own(bytes) => Some(bytes),
            Self::Shared(bytes) => Some(bytes),
            Self::File(_) => None,
        }
    }

    fn len(&self) -> usize {
        match self {
            Self::File(range) => range.len(),
            piece => piece.as_slice().map_or(0, <[u8]>::len),
        }
    }

    fn file_len(&self) -> usize {
        match self {
            Self::File(range) => range.len(),
            Self::Own(_) | Self::Shared(_) => 0,
        }
    }
}

/// A shared piece up to this size is copied behind the piece before it: cheaper than an entry of
/// its own in the vectored write (Tornado's limit too).
const MERGE_BYTES_MAX: usize = 2048;
/// Own pieces end here, so that a long queue does not become one huge allocation.
const PIECE_BYTES_MAX: usize = 64 * 1024;
/// How many pieces one vectored write takes.
const PIECES_PER_WRITE: usize = 64;

/// Why a write was refused: nothing of it is in the buffer.
#[derive(Debug)]
pub(crate) struct Full;

impl Pieces {
    fn memory_len(&self) -> usize {
        let first = self.first.as_ref().map_or(0, Piece::file_len);
        let rest = self.rest.as_ref().map_or(0, |rest| rest.file_len);
        self.len - first - rest
    }

    fn begins_with_file(&self) -> bool {
        matches!(self.first, Some(Piece::File(_)))
    }

    fn append_with<R>(
        &mut self,
        bytes_max: usize,
        shared: &Shared,
        f: impl FnOnce(&mut Vec<u8>) -> R,
    ) -> Result<R, Full> {
        let has_room =
            matches!(self.last(), Some(Piece::Own(bytes)) if bytes.len() < PIECE_BYTES_MAX);
        if !has_room {
            self.push_own(shared);
        }
        let before = self.last_own().len();
        let undo = Undo {
            pieces: self,
            before,
        };
        let result = f(undo.pieces.last_own());
        let after = undo.pieces.last_own().len();
        assert!(after >= before, "a writer only appends");
        if after - before > bytes_max {
            drop(undo);
            return Err(Full);
        }
        undo.pieces.len += after - before;
        std::mem::forget(undo);
        if after == 0 {
            if let Some(Piece::Own(bytes)) = self.pop_last() {
                self.keep(bytes, shared);
            }
        }
        Ok(result)
    }

    /// An empty piece of our own behind the others.
    fn push_own(&mut self, shared: &Shared) {
        let memory = std::mem::take(&mut self.memory);
        let memory = if memory.capacity() == 0 {
            shared.take_spare()
        } else {
            memory
        };
        self.push(Piece::Own(memory));
    }

    /// Keeps the memory of a piece that is sent.
    fn keep(&mut self, mut bytes: Vec<u8>, shared: &Shared) {
        if self.memory.capacity() == 0 && bytes.capacity() <= SPARE_BYTES_MAX {
            bytes.clear();
            self.memory = bytes;
        } else {
            shared.give_spare(bytes);
        }
    }

    fn push_shared(&mut self, bytes: Bytes, shared: &Shared) {
        let is_small = bytes.len() <= MERGE_BYTES_MAX;
        let follows_memory = match self.last() {
            Some(Piece::Own(_)) if is_small => true,
            Some(_) if is_small => {
                // A second small one: from here on they are merged.
                self.push_own(shared);
                true
            }
            _ => false,
        };
        if follows_memory {
            let _ = self.append_with(usize::MAX, shared, |own| own.extend_from_slice(&bytes));
        } else {
            self.push_long(Piece::Shared(bytes));
        }
    }

    fn send<T: Transport + ?Sized>(
        &mut self,
        transport: &T,
        bytes_max: usize,
        shared: &Shared,
    ) -> Result<bool, SendError> {
        let Some(first) = &mut self.first else {
            return Ok(true);
        };
        if let Piece::File(range) = first {
            let before = range.len();
            let took_all = range.send(transport, bytes_max, shared)?;
            self.len -= before - range.len();
            self.drop_sent(shared);
            return Ok(took_all);
        }
        let first = &first.as_slice().unwrap_or_default()[self.sent..];
        let (offered, written) = match &self.rest {
            None => {
                let offered = &first[..first.len().min(bytes_max)];
                (offered.len(), transport.write(offered)?)
            }
            Some(rest) => {
                let mut slices = [IoSlice::new(&[]); PIECES_PER_WRITE];
                let rest = rest.pieces.iter().map_while(Piece::as_slice);
                let mut count = 0;
                let mut offered = 0;
                for (slice, piece) in slices.iter_mut().zip(std::iter::once(first).chain(rest)) {
                    let part = &piece[..piece.len().min(bytes_max - offered)];
                    *slice = IoSlice::new(part);
                    count += 1;
                    offered += part.len();
                    if offered == bytes_max {
                        break;
                    }
                }
                (offered, transport.write_vectored(&slices[..count])?)
            }
        };
        if written == 0 {
            return Err(SendError::Transport(io::ErrorKind::WriteZero.into()));
        }
        self.len -= written;
        self.sent += written;
        self.drop_sent(shared);
        Ok(written == offered)
    }

    /// Lets pieces go of which all is sent.
    fn drop_sent(&mut self, shared: &Shared) {
        while let Some(first) = &self.first {
            let size = first.len();
            // Of a file that is sent nothing is left, and of any other piece there was something.
            if self.sent < size {
                return;
            }
            self.sent -= size;
            let next = self.pop_rest();
            if let Some(Piece::Own(bytes)) = std::mem::replace(&mut self.first, next) {
                self.keep(bytes, shared);
            }
        }
    }

    fn pop_rest(&mut self) -> Option<Piece> {
        let rest = self.rest.as_mut()?;
        let piece = rest.pieces.pop_front();
        rest.file_len -= piece.as_ref().map_or(0, Piece::file_len);
        if rest.pieces.is_empty() {
            self.rest = None;
        }
        piece
    }

    fn last(&mut self) -> Option<&mut Piece> {
        match &mut self.rest {
            Some(rest) => rest.pieces.back_mut(),
            None => self.first.as_mut(),
        }
    }

    fn last_own(&mut self) -> &mut Vec<u8> {
        match self.last() {
            Some(Piece::Own(bytes)) => bytes,
            _ => unreachable!("a piece of our own was pushed before"),
        }
    }

    /// Takes the last piece back, to which nothing was appended.
    fn pop_last(&mut self) -> Option<Piece> {
        let Some(rest) = &mut self.rest else {
            return self.first.take();
        };
        let piece = rest.pieces.pop_back();
        if rest.pieces.is_empty() {
            self.rest = None;
        }
        piece
    }

    fn push_long(&mut self, piece: Piece) {
        self.len += piece.len();
        self.push(piece);
    }

    fn push(&mut self, piece: Piece) {
        if self.first.is_none() {
            self.first = Some(piece);
        } else {
            let rest = self.rest.get_or_insert_default();
            rest.file_len += piece.file_len();
            rest.pieces.push_back(piece);
        }
    }
}

/// What went wrong with a send, and where.
#[derive(Debug)]
pub(crate) enum SendError {
    Transport(io::Error),
    /// The file ended, so many bytes before its range did.
    FileTruncated(u64),
    File(io::Error),
}

impl From<io::Error> for SendError {
    fn from(error: io::Error) -> Self {
        Self::Transport(error)
    }
}

/// Takes back what a writer has appended that panicked, or that was refused.
struct Undo<'a> {
    pieces: &'a mut Pieces,
    before: usize,
}

impl Drop for Undo<'_> {
    fn drop(&mut self) {
        let bytes = self.pieces.last_own();
        if bytes.len() >= self.before {
            bytes.truncate(self.before);
            if bytes.is_empty() {
                drop(self.pieces.pop_last());
            }
        } else {
            // It took away what is not its own; nothing of that can be sent.
            *self.pieces = Pieces::default();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::{Cell, RefCell};
    use std::fs::File;
    use std::os::fd::BorrowedFd;
    use std::os::unix::fs::FileExt;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;
    use crate::random::XorShift;

    /// Takes some of what it is given, in one piece or several.
    struct Taker {
        random: RefCell<XorShift>,
        taken: RefCell<Vec<u8>>,
        pieces_max: Cell<usize>,
    }

    impl Taker {
        fn new(seed: u64) -> Self {
            Self {
                random: RefCell::new(XorShift(seed)),
                taken: RefCell::default(),
                pieces_max: Cell::new(0),
            }
        }
    }

    impl Transport for Taker {
        fn read(&self, _: &mut [u8]) -> io::Result<usize> {
            unreachable!("nobody reads")
        }

        fn write(&self, bytes: &[u8]) -> io::Result<usize> {
            self.write_vectored(&[IoSlice::new(bytes)])
        }

        fn write_vectored(&self, pieces: &[IoSlice<'_>]) -> io::Result<usize> {
            self.pieces_max.set(self.pieces_max.get().max(pieces.len()));
            let all: Vec<u8> = pieces.iter().flat_map(|piece| piece.to_vec()).collect();
            let mut random = self.random.borrow_mut();
            let count = match random.below(4) {
                0 => return Err(io::ErrorKind::WouldBlock.into()),
                1 => all.len(),
                _ => random.below(all.len()) + 1,
            };
            self.taken.borrow_mut().extend_from_slice(&all[..count]);
            Ok(count)
        }

        /// Now as the system does it, now not at all.
        fn send_file(
            &self,
            file: BorrowedFd<'_>,
            offset: u64,
            count: usize,
        ) -> Option<io::Result<usize>> {
            if self.random.borrow_mut().below(2) == 0 {
                return None;
            }
            let file = File::from(file.try_clone_to_owned().ok()?);
            let mut bytes = vec![0; count.min(1_000)];
            let read = file.read_at(&mut bytes, offset).ok()?;
            Some(if read > 0 {
                self.write(&bytes[..read])
            } else {
                Ok(0)
            })
        }

        fn shutdown_write(&self) -> io::Result<()> {
            Ok(())
        }

        fn close(&self) {}
    }

    fn append(buffer: &mut WriteBuffer, shared: &Shared, bytes: &[u8]) {
        let appended = buffer.append_with(usize::MAX, shared, |out| out.extend_from_slice(bytes));
        assert!(appended.is_ok());
    }

    /// A file without a name, with three bytes before these and three behind them.
    fn file_of(bytes: &[u8]) -> Arc<File> {
        let number = FILES.fetch_add(1, Ordering::Relaxed);
        let name = format!("squall-write-buffer-{}-{number}", std::process::id());
        let path = std::env::temp_dir().join(name);
        std::fs::write(&path, [b"<<<", bytes, b">>>"].concat()).expect("a writable folder");
        let file = File::open(&path).expect("it was written");
        std::fs::remove_file(&path).expect("it is there");
        Arc::new(file)
    }

    static FILES: AtomicUsize = AtomicUsize::new(0);

    #[test]
    fn a_write_buffer_is_a_plain_queue_of_bytes_whatever_the_transport_takes() {
        for seed in 1..12 {
            let shared = Shared::default();
            let mut random = XorShift(seed);
            let taker = Taker::new(seed + 1_000);
            let mut buffer = WriteBuffer::default();
            let mut model = Vec::new();
            for _ in 0..200 {
                let len = random.len();
                let bytes = random.bytes(len);
                match random.below(6) {
                    0 => append(&mut buffer, &shared, &bytes),
                    1 => buffer.push_shared(Bytes::from(bytes.clone()), &shared),
                    2 => buffer.push_file(FileRange::new(file_of(&bytes), 3, bytes.len()), &shared),
                    3 => {
                        let too_little = random.below(bytes.len().max(1));
                        let full = buffer.append_with(too_little, &shared, |out| {
                            out.extend_from_slice(&bytes);
                        });
                        assert!(full.is_err() || bytes.is_empty());
                        continue;
                    }
                    _ => {
                        let bytes_max = [1, 100, 100_000][random.below(3)];
                        let before = buffer.len();
                        let offered_all = buffer.send(&taker, bytes_max, &shared).ok();
                        assert!(offered_all != Some(true) || buffer.len() < before.max(1));
                        assert!(before - buffer.len() <= bytes_max);
                        assert_eq!(buffer.len(), model.len() - taker.taken.borrow().len());
                        continue;
                    }
                }
                model.extend_from_slice(&bytes);
            }
            while !buffer.is_empty() {
                let _ = buffer.send(&taker, usize::MAX, &shared);
            }
            assert!(*taker.taken.borrow() == model, "seed {seed}");
            assert!(buffer.pieces.is_none());
            assert!(taker.pieces_max.get() <= PIECES_PER_WRITE);
        }
    }

    #[test]
    fn a_file_that_ends_too_early_says_how_much_is_missing() {
        let shared = Shared::default();
        for missing in [1, 100_000] {
            let mut buffer = WriteBuffer::default();
            append(&mut buffer, &shared, b"before");
            buffer.push_file(
                FileRange::new(file_of(&[b'x'; 94]), 0, 100 + missing),
                &shared,
            );
            let taker = Taker::new(7);
            let end = loop {
                match buffer.send(&taker, usize::MAX, &shared) {
                    Ok(_) => {}
                    Err(SendError::Transport(error)) => {
                        assert_eq!(error.kind(), io::ErrorKind::WouldBlock);
                    }
                    Err(error) => break error,
                }
            };
            assert!(
                matches!(end, SendError::FileTruncated(n) if n == missing as u64),
                "{end:?}"
            );
            assert_eq!(taker.taken.borrow().len(), 106);
        }
    }

    #[test]
    fn an_empty_buffer_owns_no_memory() {
        let shared = Shared::default();
        let mut buffer = WriteBuffer::default();
        for size in [1, 100, 100_000] {
            let bytes = vec![b'x'; size];
            append(&mut buffer, &shared, b"");
            assert!(buffer.pieces.is_none(), "nothing was appended");
            assert!(buffer.append_with(0, &shared, |out| out.push(1)).is_err());
            assert!(buffer.pieces.is_none(), "nothing was taken");
            append(&mut buffer, &shared, &bytes);
            buffer.push_file(FileRange::new(file_of(&bytes), 3, size), &shared);
            assert_eq!((buffer.len(), buffer.memory_len()), (2 * size, size));
            buffer.push_shared(Bytes::from(bytes), &shared);
            append(&mut buffer, &shared, b"");
            assert_eq!((buffer.len(), buffer.memory_len()), (3 * size, 2 * size));
            let taker = Taker::new(1);
            while !buffer.is_empty() {
                let _ = buffer.send(&taker, usize::MAX, &shared);
                assert!(buffer.memory_len() <= buffer.len());
            }
            assert!(buffer.pieces.is_none());
            assert_eq!(buffer.memory_len(), 0);
        }
    }
}
