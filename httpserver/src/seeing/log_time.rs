//! The time of day for log lines: the text of a second is made once in it, and copied for each
//! line.

use std::cell::{Cell, RefCell};
use std::time::{Duration, Instant, SystemTime};

use squall_ioloop::Handle;

/// ` - - [24/Nov/2026:18:08:16 +0000] "`, as in the logs of NCSA's server, and Apache's, and
/// nginx's: between the peer and its request-line, so that a line copies it in one go.
const NCSA_LEN: usize = 35;
/// `2026-11-24T18:08:16` (RFC 3339, without fraction and zone).
const RFC3339_LEN: usize = 19;
/// `261124 18:08:16`, as Tornado's formatter has it.
const TORNADO_LEN: usize = 15;

/// One second in the spellings of the formats. In UTC, so that no line of a log is ambiguous, and
/// none needs the machine's table of time zones.
#[derive(Clone, Copy)]
pub(super) struct Second {
    pub(super) ncsa: [u8; NCSA_LEN],
    pub(super) rfc3339: [u8; RFC3339_LEN],
    pub(super) tornado: [u8; TORNADO_LEN],
}

impl Second {
    /// Of a number of seconds since 1970. The years that have four digits are told.
    fn new(seconds: u64) -> Self {
        const LAST: u64 = 253_402_300_799;
        let time = SystemTime::UNIX_EPOCH + Duration::from_secs(seconds.min(LAST));
        // `Tue, 24 Nov 2026 18:08:16 GMT`: the parts have their places (RFC 9110, section 5.6.7).
        let text = httpdate::fmt_http_date(time);
        let (day, month, year, clock) = (&text[5..7], &text[8..11], &text[12..16], &text[17..25]);
        let number = number_of(month);
        let short = &year[2..];
        Self {
            ncsa: fixed(&format!(" - - [{day}/{month}/{year}:{clock} +0000] \"")),
            rfc3339: fixed(&format!("{year}-{number}-{day}T{clock}")),
            tornado: fixed(&format!("{short}{number}{day} {clock}")),
        }
    }
}

fn fixed<const N: usize>(text: &str) -> [u8; N] {
    let bytes = text.as_bytes().try_into();
    bytes.expect("each part of a date has its length")
}

fn number_of(month: &str) -> String {
    const MONTHS: &str = "JanFebMarAprMayJunJulAugSepOctNovDec";
    let at = MONTHS.find(month).expect("a month");
    format!("{:02}", at / 3 + 1)
}

/// The time of day on a loop.
pub(super) struct LogTime {
    text: RefCell<Second>,
    /// The second that `text` tells, since 1970.
    second: Cell<u64>,
    /// The time of day at some turn, since 1970, and that turn's time by the loop's clock.
    known: Cell<(Duration, Option<Instant>)>,
    /// When the second is over, by the loop's clock.
    until: Cell<Option<Instant>>,
    /// The turn that was looked at last: time stands still in a turn.
    turn: Cell<u64>,
}

impl LogTime {
    pub(super) fn new() -> Self {
        Self {
            text: RefCell::new(Second::new(0)),
            second: Cell::new(0),
            known: Cell::new((Duration::ZERO, None)),
            until: Cell::new(None),
            turn: Cell::new(u64::MAX),
        }
    }

    /// Lends the text of the second in which `since` lies, which was not long ago; without it, of
    /// this turn's. One of another second than this is rare, and its text is made for it.
    #[inline]
    pub(super) fn with_second<R>(
        &self,
        ioloop: &Handle,
        since: Option<Instant>,
        f: impl FnOnce(&Second) -> R,
    ) -> R {
        self.look(ioloop);
        match since {
            Some(since) if !self.is_in_second(since) => {
                f(&Second::new(self.at(ioloop, since).as_secs()))
            }
            _ => f(&self.text.borrow()),
        }
    }

    /// Whether a time lies in the second that the text tells, behind where that was looked at.
    #[inline]
    fn is_in_second(&self, time: Instant) -> bool {
        let (_, since) = self.known.get();
        since.is_some_and(|since| since <= time) && self.until.get().is_some_and(|end| time < end)
    }

    /// The time of day, since 1970, at a time by the loop's clock.
    pub(super) fn at(&self, ioloop: &Handle, time: Instant) -> Duration {
        self.look(ioloop);
        let (day, turn) = self.known.get();
        let turn = turn.unwrap_or(time);
        let later = day + time.saturating_duration_since(turn);
        later.saturating_sub(turn.saturating_duration_since(time))
    }

    #[inline]
    fn look(&self, ioloop: &Handle) {
        if self.turn.replace(ioloop.turn_count()) != ioloop.turn_count() {
            self.refresh(ioloop.now());
        }
    }

    /// Asks for the time of day when a second is over by the loop's clock, which tells how it goes
    /// on in between.
    fn refresh(&self, now: Instant) {
        if self.until.get().is_some_and(|until| now < until) {
            return;
        }
        let day = SystemTime::now()
            .duration_since(SystemTime::UNIX_EPOCH)
            .unwrap_or_default();
        self.known.set((day, Some(now)));
        let rest = Duration::from_secs(1) - Duration::from_nanos(u64::from(day.subsec_nanos()));
        self.until.set(Some(now + rest));
        // On a virtual clock, and between two corrections of the real one, it may be the same.
        if self.second.replace(day.as_secs()) != day.as_secs() {
            self.text.replace(Second::new(day.as_secs()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(seconds: u64, ncsa: &str, rfc3339: &str, tornado: &str) {
        let second = Second::new(seconds);
        assert_eq!(String::from_utf8_lossy(&second.ncsa), ncsa);
        assert_eq!(String::from_utf8_lossy(&second.rfc3339), rfc3339);
        assert_eq!(String::from_utf8_lossy(&second.tornado), tornado);
    }

    #[test]
    fn a_second_has_three_spellings() {
        check(
            0,
            " - - [01/Jan/1970:00:00:00 +0000] \"",
            "1970-01-01T00:00:00",
            "700101 00:00:00",
        );
        check(
            1_709_210_096,
            " - - [29/Feb/2024:12:34:56 +0000] \"",
            "2024-02-29T12:34:56",
            "240229 12:34:56",
        );
        check(
            1_795_543_696,
            " - - [24/Nov/2026:18:08:16 +0000] \"",
            "2026-11-24T18:08:16",
            "261124 18:08:16",
        );
        check(
            1_767_225_599,
            " - - [31/Dec/2025:23:59:59 +0000] \"",
            "2025-12-31T23:59:59",
            "251231 23:59:59",
        );
        check(
            u64::MAX,
            " - - [31/Dec/9999:23:59:59 +0000] \"",
            "9999-12-31T23:59:59",
            "991231 23:59:59",
        );
    }
}
