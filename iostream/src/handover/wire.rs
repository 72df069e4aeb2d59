//! What both sides say, and who may say it.

use std::io;
use std::os::fd::BorrowedFd;
use std::time::Duration;

#[cfg(target_os = "linux")]
use rustix::process::Uid;

use super::HandoverError;
use crate::IoStream;

pub(super) const TAKE: &[u8] = b"squall handover 1: take\n";
pub(super) const READY: &[u8] = b"ready\n";
pub(super) const DONE: &[u8] = b"done\n";

/// A line is one of the above, or the beginning of an answer with numbers.
pub(super) const LINE_BYTES_MAX: usize = 64;
pub(super) const NAME_BYTES_MAX: usize = 255;
pub(super) const PATH_BYTES_MAX: usize = 4096;
/// How long the other side may take for what it has only to read and write.
pub(super) const ANSWER_TIMEOUT: Duration = Duration::from_secs(5);

/// A line of numbers, none beyond its maximum.
pub(super) async fn read_numbers<const N: usize>(
    stream: &mut IoStream,
    maxima: [usize; N],
) -> Result<[usize; N], HandoverError> {
    let line = stream.read_until(b"\n", LINE_BYTES_MAX).await?;
    let text = std::str::from_utf8(&line).unwrap_or_default();
    let mut words = text.trim_end_matches('\n').split(' ');
    let mut numbers = [0; N];
    for (number, max) in numbers.iter_mut().zip(maxima) {
        let word = words.next().unwrap_or_default();
        *number = match word.parse() {
            Ok(number) if number <= max => number,
            _ => return Err(HandoverError::Protocol("a number that makes no sense")),
        };
    }
    match words.next() {
        None => Ok(numbers),
        Some(_) => Err(HandoverError::Protocol("too many numbers")),
    }
}

/// The other side has to be the same user, or root, who could be any. The mode of the file has
/// seen to it on one side; on the other, anybody may have put a socket there.
pub(super) fn check_user(stream: &IoStream) -> Result<(), HandoverError> {
    let mut checked = Err(HandoverError::System(io::ErrorKind::NotConnected.into()));
    stream.handle.core().transport.with_fd(&mut |fd| {
        checked = check_user_of(fd);
    });
    checked
}

#[cfg(target_os = "linux")]
fn check_user_of(fd: BorrowedFd<'_>) -> Result<(), HandoverError> {
    let credentials = rustix::net::sockopt::socket_peercred(fd)
        .map_err(|error| HandoverError::System(error.into()))?;
    check_uid(credentials.uid, rustix::process::geteuid())
}

#[cfg(target_os = "linux")]
fn check_uid(theirs: Uid, ours: Uid) -> Result<(), HandoverError> {
    if theirs == ours || theirs.is_root() {
        Ok(())
    } else {
        Err(HandoverError::OtherUser(theirs.as_raw()))
    }
}

/// Where the system does not tell, the mode of the file and of its directory decide.
#[cfg(not(target_os = "linux"))]
fn check_user_of(_: BorrowedFd<'_>) -> Result<(), HandoverError> {
    Ok(())
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use std::os::fd::AsFd;
    use std::os::unix::net::UnixStream;

    use super::*;

    #[test]
    fn only_the_same_user_and_root_are_trusted() {
        let check = |theirs: u32, ours: u32, expected: bool| {
            let checked = check_uid(Uid::from_raw(theirs), Uid::from_raw(ours));
            assert_eq!(checked.is_ok(), expected, "{theirs} {ours}");
        };
        check(1000, 1000, true);
        check(0, 1000, true);
        check(0, 0, true);
        check(1000, 0, false);
        check(1001, 1000, false);
    }

    #[test]
    fn the_other_end_of_a_pair_is_ours() {
        let (one, _other) = UnixStream::pair().unwrap();
        assert!(check_user_of(one.as_fd()).is_ok());
    }
}
