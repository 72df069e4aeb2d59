//! What can be wrong with a header.

use std::fmt;

/// Why bytes are not a header that is accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum HeaderError {
    /// They do not begin as one.
    NoSignature,
    /// Version 1: the line does not end within 107 bytes, or with a bare LF.
    BadLineEnd,
    /// Version 1: the protocol is not `TCP4`, `TCP6` or `UNKNOWN`, or fields are missing or too
    /// many.
    BadFields,
    /// Version 1: an address is not one of its family, in its canonical form.
    BadAddress,
    /// Version 1: a port is not a decimal number up to 65535 without leading zeros.
    BadPort,
    /// Version 2: the version after the signature is another one.
    BadVersion(u8),
    /// Version 2: the command is neither `LOCAL` nor `PROXY`.
    BadCommand(u8),
    /// Version 2: the family and protocol are not an assigned pair.
    BadFamily(u8),
    /// Version 2: longer than [`HeaderError::BYTES_MAX`] after the first 16 bytes.
    TooLong(usize),
    /// Version 2: too short for the addresses of its family.
    TooShort(usize),
    /// Version 2: a TLV is longer than what is left, or the unique id longer than 128 bytes.
    BadTlv,
    /// Version 2: its bytes are not those that its checksum (CRC32c) was made of.
    BadChecksum,
}

impl HeaderError {
    /// How long a header of version 2 may be after its first 16 bytes: the longest addresses are
    /// 216 bytes, and TLVs mostly some hundred. The form allows for 65,535; HAProxy takes what
    /// fits in a buffer of 16 KiB.
    pub const BYTES_MAX: usize = 4096;
}

impl fmt::Display for HeaderError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoSignature => f.write_str("no PROXY header"),
            Self::BadLineEnd => f.write_str("the line of the PROXY header does not end in time"),
            Self::BadFields => f.write_str("unknown or missing fields in the PROXY header"),
            Self::BadAddress => f.write_str("an invalid address in the PROXY header"),
            Self::BadPort => f.write_str("an invalid port in the PROXY header"),
            Self::BadVersion(version) => write!(f, "version {version} of the PROXY header"),
            Self::BadCommand(command) => write!(f, "command {command} in the PROXY header"),
            Self::BadFamily(family) => write!(f, "family {family:#04x} in the PROXY header"),
            Self::TooLong(len) => write!(f, "a PROXY header of {len} bytes is too long"),
            Self::TooShort(len) => {
                write!(
                    f,
                    "a PROXY header of {len} bytes is too short for its addresses"
                )
            }
            Self::BadTlv => f.write_str("a malformed TLV in the PROXY header"),
            Self::BadChecksum => f.write_str("the checksum of the PROXY header is wrong"),
        }
    }
}

impl std::error::Error for HeaderError {}

/// Why a header cannot be put into bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum EncodeError {
    /// The path of a Unix socket is longer than 108 bytes.
    PathTooLong(usize),
    /// With its TLVs it is longer than [`HeaderError::BYTES_MAX`], and would not be accepted.
    TooLong(usize),
}

impl fmt::Display for EncodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::PathTooLong(len) => write!(f, "a path of {len} bytes is too long for a header"),
            Self::TooLong(len) => write!(f, "a PROXY header of {len} bytes is too long"),
        }
    }
}

impl std::error::Error for EncodeError {}
