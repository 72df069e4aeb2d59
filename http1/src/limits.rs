//! The limits of the codec: what one message may make its reader hold or do.
//!
//! Each field says its unit, its default and the reason for it. Limits that follow from the
//! grammar (three digits of a status, eight octets of a version) stand beside their checks. Read
//! by `decode.rs` for heads, by `content.rs` and `trailers.rs` for what follows them.

/// How much one message may have of everything.
///
/// ```
/// use squall_http1::Limits;
///
/// let limits = Limits::default().with_content_bytes_max(1024).with_fields_max(32);
/// assert_eq!(limits.content_bytes_max, 1024);
/// assert_eq!(limits.head_bytes_max, 65_536);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// Bytes of a head, from its first line to its empty line. Default: 64 KiB, which is
    /// Tornado's `max_header_size`. No head is read beyond 4 GiB. Beyond: 431.
    pub head_bytes_max: usize,
    /// Bytes of a request-target. Default: 8 KiB; RFC 9112 §3 recommends at least 8,000 octets
    /// for the whole request-line. Beyond: 414.
    pub target_bytes_max: usize,
    /// Field lines of a head. Default: 100, as Apache's `LimitRequestFields`; a browser sends
    /// ten to thirty. Beyond: 431.
    pub fields_max: usize,
    /// Bytes of a content, after chunks are taken apart. Default: 10 MiB, enough for a form with
    /// a photograph; raise it for a route that stores uploads. Beyond: 413.
    pub content_bytes_max: u64,
    /// Bytes of one chunk-size line with its extensions, without CRLF. Default: 1 KiB; sixteen
    /// digits are enough for any size, and nobody is known to need an extension. Beyond: 400.
    pub chunk_line_bytes_max: usize,
    /// Bytes of all chunk extensions of one content. Default: 16 KiB, because RFC 9112 §7.1.1
    /// asks for a limit on their total: a megabyte of extensions around a few octets of content
    /// costs the sender nothing. Beyond: 400.
    pub chunk_extensions_bytes_max: usize,
    /// Bytes of a trailer section. Default: 8 KiB; a checksum and a status fit many times over.
    /// Beyond: 431.
    pub trailer_bytes_max: usize,
    /// Field lines of a trailer section. Default: 32, for the same reason. Beyond: 431.
    pub trailer_fields_max: usize,
}

const KIB: usize = 1024;
const MIB: u64 = 1024 * 1024;

impl Default for Limits {
    fn default() -> Self {
        Self {
            head_bytes_max: 64 * KIB,
            target_bytes_max: 8 * KIB,
            fields_max: 100,
            content_bytes_max: 10 * MIB,
            chunk_line_bytes_max: KIB,
            chunk_extensions_bytes_max: 16 * KIB,
            trailer_bytes_max: 8 * KIB,
            trailer_fields_max: 32,
        }
    }
}

impl Limits {
    /// Sets the bytes of a head.
    #[must_use]
    pub fn with_head_bytes_max(mut self, bytes: usize) -> Self {
        self.head_bytes_max = bytes;
        self
    }

    /// Sets the bytes of a request-target.
    #[must_use]
    pub fn with_target_bytes_max(mut self, bytes: usize) -> Self {
        self.target_bytes_max = bytes;
        self
    }

    /// Sets the field lines of a head.
    #[must_use]
    pub fn with_fields_max(mut self, fields: usize) -> Self {
        self.fields_max = fields;
        self
    }

    /// Sets the bytes of a content.
    #[must_use]
    pub fn with_content_bytes_max(mut self, bytes: u64) -> Self {
        self.content_bytes_max = bytes;
        self
    }

    /// Sets the bytes of one chunk-size line.
    #[must_use]
    pub fn with_chunk_line_bytes_max(mut self, bytes: usize) -> Self {
        self.chunk_line_bytes_max = bytes;
        self
    }

    /// Sets the bytes of all chunk extensions of one content.
    #[must_use]
    pub fn with_chunk_extensions_bytes_max(mut self, bytes: usize) -> Self {
        self.chunk_extensions_bytes_max = bytes;
        self
    }

    /// Sets the bytes of a trailer section.
    #[must_use]
    pub fn with_trailer_bytes_max(mut self, bytes: usize) -> Self {
        self.trailer_bytes_max = bytes;
        self
    }

    /// Sets the field lines of a trailer section.
    #[must_use]
    pub fn with_trailer_fields_max(mut self, fields: usize) -> Self {
        self.trailer_fields_max = fields;
        self
    }
}
