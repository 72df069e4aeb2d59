//! A part of a file that is to be sent: by the system where the transport has a way for that, else
//! through the loop's receive buffer.

use std::fs::File;
use std::io;
use std::os::fd::AsFd;
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use crate::Transport;
use crate::shared::Shared;
use crate::write_buffer::SendError;

pub(crate) struct FileRange {
    file: Arc<File>,
    offset: u64,
    len: usize,
}

impl FileRange {
    pub(crate) fn new(file: Arc<File>, offset: u64, len: usize) -> Self {
        Self { file, offset, len }
    }

    /// How much is unsent.
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// Sends some of it. Returns whether another call may send more.
    pub(crate) fn send<T: Transport + ?Sized>(
        &mut self,
        transport: &T,
        bytes_max: usize,
        shared: &Shared,
    ) -> Result<bool, SendError> {
        let wanted = self.len.min(bytes_max);
        match transport.send_file(self.file.as_fd(), self.offset, wanted) {
            None => self.copy(transport, wanted, shared),
            // Of other failures it is not known whose they are. Reading the file tells.
            Some(Err(error)) if !is_of_transport(&error) => self.copy(transport, wanted, shared),
            Some(sent) => {
                let sent = sent?;
                if sent == 0 {
                    return Err(SendError::FileTruncated(self.len as u64));
                }
                self.advance(sent);
                // Less than was wanted says either that the transport takes no more, or that the
                // file has no more. Of the latter no event would tell.
                Ok(true)
            }
        }
    }

    /// What the transport does not take is read again the next time: so a stream that waits for
    /// its peer has no buffer for it.
    fn copy<T: Transport + ?Sized>(
        &mut self,
        transport: &T,
        wanted: usize,
        shared: &Shared,
    ) -> Result<bool, SendError> {
        shared.with_receive_buffer(|chunk| {
            let wanted = wanted.min(chunk.len());
            let read = read_at(&self.file, &mut chunk[..wanted], self.offset);
            let read = read.map_err(SendError::File)?;
            if read == 0 {
                return Err(SendError::FileTruncated(self.len as u64));
            }
            let written = transport.write(&chunk[..read])?;
            if written == 0 {
                return Err(SendError::Transport(io::ErrorKind::WriteZero.into()));
            }
            self.advance(written);
            Ok(written == read)
        })
    }

    fn advance(&mut self, sent: usize) {
        self.offset += sent as u64;
        self.len -= sent;
    }
}

/// What a socket says, and no file does.
fn is_of_transport(error: &io::Error) -> bool {
    use io::ErrorKind as Kind;
    matches!(
        error.kind(),
        Kind::WouldBlock
            | Kind::BrokenPipe
            | Kind::ConnectionReset
            | Kind::ConnectionAborted
            | Kind::NotConnected
            | Kind::TimedOut
            | Kind::HostUnreachable
            | Kind::NetworkUnreachable
            | Kind::NetworkDown
    )
}

fn read_at(file: &File, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
    loop {
        match file.read_at(buffer, offset) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            result => return result,
        }
    }
}
