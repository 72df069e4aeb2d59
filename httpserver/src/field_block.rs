//! Fields that many answers have, written once.

use http::{HeaderName, HeaderValue};

use crate::field_lines::FieldLines;
use crate::response::Known;
use crate::{Error, Exchange};

/// Fields of an answer as they will be sent, to be set all at once: for what is answered often,
/// such as a file, whose type and validators then cost one copy.
///
/// ```
/// use http::header::{CACHE_CONTROL, CONTENT_TYPE};
/// use http::HeaderValue;
/// use squall_httpserver::{Error, Exchange, FieldBlock};
///
/// let mut fields = FieldBlock::new();
/// fields.set(CONTENT_TYPE, HeaderValue::from_static("text/css"));
/// fields.set(CACHE_CONTROL, HeaderValue::from_static("max-age=60"));
///
/// fn answer(http: &Exchange, fields: &FieldBlock) -> Result<(), Error> {
///     http.set_headers(fields)?;
///     http.write("p {}")?;
///     http.finish();
///     Ok(())
/// }
/// ```
#[derive(Clone, Debug, Default)]
pub struct FieldBlock {
    lines: FieldLines,
    known: Known,
}

impl FieldBlock {
    /// No fields yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets a field, in place of any of that name.
    pub fn set(&mut self, name: HeaderName, value: HeaderValue) {
        self.known.note(&name);
        self.lines.set(&name, &value);
    }

    pub(crate) fn lines(&self) -> &FieldLines {
        &self.lines
    }

    pub(crate) fn known(&self) -> Known {
        self.known
    }
}

impl Exchange {
    /// Sets all fields of a block, each in place of any of its name; see [`Self::set_header`].
    ///
    /// # Errors
    /// [`Error::HeadSent`], [`Error::Finished`].
    pub fn set_headers(&self, fields: &FieldBlock) -> Result<(), Error> {
        self.check_head_open()?;
        self.response().borrow_mut().set_block(fields);
        Ok(())
    }
}
