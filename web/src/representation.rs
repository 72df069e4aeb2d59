//! A representation: content with what HTTP says of it, and how a request for it is answered.
//!
//! What the request gets is decided in `conditional.rs`; here it is sent, from memory or from a
//! file. `static_files.rs` makes representations of files, and a handler may make its own.

mod multipart;

use std::fs::File;
use std::ops::Range;
use std::sync::Arc;
use std::time::SystemTime;

use bytes::Bytes;
use http::StatusCode;
use http::header::{self, HeaderName, HeaderValue};
use squall_httpserver::FieldBlock;

use crate::conditional::{EntityTag, Selection, Validators, select};
use crate::error::{HttpError, Result};
use crate::exchange::Exchange;

/// Content, its type, its validators, and further fields (RFC 9110 §3.2).
///
/// [`Exchange::serve_content`] answers with it. Making one costs a few allocations; one that does
/// not change is made once, and shared.
///
/// ```
/// use std::rc::Rc;
/// use squall_web::{Application, EntityTag, HeaderValue, Representation};
///
/// let letters = Representation::new("abcdefghijklmnopqrstuvwxyz")
///     .with_content_type(HeaderValue::from_static("text/plain"))
///     .with_entity_tag(EntityTag::strong("26")?);
/// let letters = Rc::new(letters);
/// let application = Application::new()
///     .get("/alpha.txt", async move |http| http.serve_content(&letters).await);
/// # let _ = application;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct Representation {
    body: Body,
    validators: Validators,
    content_type: HeaderValue,
    has_coding: bool,
    /// All of them, the type and the validators among them.
    fields: FieldBlock,
}

#[derive(Clone, Debug)]
enum Body {
    Memory(Bytes),
    File(Arc<File>, u64),
}

const OCTETS: HeaderValue = HeaderValue::from_static("application/octet-stream");
const BYTES: HeaderValue = HeaderValue::from_static("bytes");

impl Representation {
    /// Content in memory: `application/octet-stream`, until something else is said.
    #[must_use]
    pub fn new(content: impl Into<Bytes>) -> Self {
        Self::of(Body::Memory(content.into()))
    }

    /// The first `length` bytes of a file, which are sent without being copied where the system
    /// can do that. A file that is shorter resets the connection.
    #[must_use]
    pub fn file(file: impl Into<Arc<File>>, length: u64) -> Self {
        Self::of(Body::File(file.into(), length))
    }

    fn of(body: Body) -> Self {
        let mut fields = FieldBlock::new();
        fields.set(header::CONTENT_TYPE, OCTETS);
        fields.set(header::ACCEPT_RANGES, BYTES);
        Self {
            body,
            validators: Validators::new(),
            content_type: OCTETS,
            has_coding: false,
            fields,
        }
    }

    /// With this media type.
    #[must_use]
    pub fn with_content_type(self, media_type: HeaderValue) -> Self {
        self.with_field(header::CONTENT_TYPE, media_type)
    }

    /// With this entity tag.
    #[must_use]
    pub fn with_entity_tag(mut self, entity_tag: EntityTag) -> Self {
        let value = entity_tag.value().clone();
        self.validators = self.validators.with_entity_tag(entity_tag);
        self.with_field(header::ETAG, value)
    }

    /// With the time of its last modification; see [`Validators::with_last_modified`] for which
    /// times it may have.
    #[must_use]
    pub fn with_last_modified(mut self, time: SystemTime) -> Self {
        self.validators = self.validators.with_last_modified(time);
        match self.validators.last_modified_value().cloned() {
            Some(value) => self.with_field(header::LAST_MODIFIED, value),
            None => self,
        }
    }

    /// With a field of the answer, in place of any of that name.
    #[must_use]
    pub fn with_field(mut self, name: HeaderName, value: HeaderValue) -> Self {
        if name == header::CONTENT_TYPE {
            self.content_type = value.clone();
        }
        self.has_coding |= name == header::CONTENT_ENCODING;
        self.fields.set(name, value);
        self
    }

    /// What tells it from other versions.
    #[must_use]
    pub fn validators(&self) -> &Validators {
        &self.validators
    }

    /// How long the content is, in bytes.
    #[must_use]
    pub fn length(&self) -> u64 {
        match &self.body {
            Body::Memory(content) => content.len() as u64,
            Body::File(_, length) => *length,
        }
    }

    pub(crate) fn is_in_memory(&self) -> bool {
        matches!(self.body, Body::Memory(_))
    }
}

impl Exchange {
    /// Answers with `representation`, or what of it the request is to get: the ranges it asks for
    /// (206, 416), nothing when it has it already (304), nothing when it wants another version
    /// (412). Go's `ServeContent`, with all conditions of RFC 9110 §13.2.2; see [`select`].
    ///
    /// # Errors
    ///
    /// [`HttpError`] for 412 and 416; [`Error::Closed`](crate::Error::Closed) when the client went
    /// away.
    pub async fn serve_content(&self, representation: &Representation) -> Result {
        match self.begin_content(representation)? {
            Selection::Part(range) => self.send_range(representation, range).await,
            Selection::Parts(ranges) => self.send_parts(representation, &ranges).await,
            Selection::Whole => {
                let all = 0..representation.length();
                self.send_range(representation, all).await
            }
            // Said in the head.
            _ => Ok(()),
        }
    }

    /// Answers as [`serve_content`](Self::serve_content) would, if that needs no waiting; gives
    /// false back, and has done nothing, if it may.
    pub(crate) fn serve_content_now(&self, representation: &Representation) -> Result<bool> {
        let Body::Memory(content) = &representation.body else {
            return Ok(false);
        };
        match self.begin_content(representation)? {
            Selection::Whole => self.write(content.clone())?,
            Selection::Part(range) => self.write(slice(content, range))?,
            Selection::Parts(ranges) => {
                let parts = multipart::Parts::new(representation, &ranges);
                self.set_header(header::CONTENT_TYPE, parts.content_type())?;
                for range in ranges {
                    self.write(parts.head(&range))?;
                    self.write(slice(content, range))?;
                }
                self.write(parts.tail())?;
            }
            _ => {}
        }
        Ok(true)
    }

    /// Decides what the request gets, and says it in status and fields.
    fn begin_content(&self, representation: &Representation) -> Result<Selection> {
        let length = representation.length();
        let selection = match select(self.head(), &representation.validators, length) {
            // `Content-Encoding` would be that of the parts' heads too, and clients would decode
            // what nobody has encoded. §14.2: a server may ignore `Range`.
            Selection::Parts(_) if representation.has_coding => Selection::Whole,
            selection => selection,
        };
        match &selection {
            Selection::PreconditionFailed => {
                return Err(HttpError::new(StatusCode::PRECONDITION_FAILED))?;
            }
            Selection::RangeNotSatisfiable => {
                let error = HttpError::new(StatusCode::RANGE_NOT_SATISFIABLE);
                let range = HeaderValue::try_from(format!("bytes */{length}"))?;
                return Err(error.with_header(header::CONTENT_RANGE, range))?;
            }
            Selection::NotModified => self.set_status(StatusCode::NOT_MODIFIED)?,
            Selection::Part(_) | Selection::Parts(_) => {
                self.set_status(StatusCode::PARTIAL_CONTENT)?;
            }
            Selection::Whole => {}
        }
        self.set_headers(&representation.fields)?;
        // §15.4.5: nor what else is said of content that does not come.
        if let Selection::NotModified = &selection {
            self.clear_header(&header::CONTENT_ENCODING)?;
        }
        // The parts of several have one each (RFC 9110 §15.3.7.2).
        if let Selection::Part(range) = &selection {
            self.set_header(
                header::CONTENT_RANGE,
                multipart::content_range(range, length),
            )?;
        }
        Ok(selection)
    }

    async fn send_range(&self, representation: &Representation, range: Range<u64>) -> Result {
        match &representation.body {
            Body::Memory(content) => self.write(slice(content, range)),
            Body::File(file, _) => Ok(self.send_file(file.clone(), range).await?),
        }
    }

    async fn send_parts(&self, representation: &Representation, ranges: &[Range<u64>]) -> Result {
        let parts = multipart::Parts::new(representation, ranges);
        self.set_header(header::CONTENT_TYPE, parts.content_type())?;
        self.set_header(header::CONTENT_LENGTH, parts.length())?;
        for range in ranges {
            self.write(parts.head(range))?;
            self.send_range(representation, range.clone()).await?;
        }
        self.write(parts.tail())
    }
}

/// The bytes of a range that is within the content.
fn slice(content: &Bytes, range: Range<u64>) -> Bytes {
    // Both are at most the length of what is in memory.
    content.slice(range.start as usize..range.end as usize)
}
