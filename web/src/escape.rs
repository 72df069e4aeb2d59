//! Writing text where it must not be taken for markup.
//!
//! Only what this crate itself needs: HTML for its error pages, JSON for its answers. Paths are
//! escaped where they are made (`pattern/reverse.rs`).

use std::borrow::Cow;
use std::io;

use serde::Serialize;
use serde_json::ser::{Formatter, Serializer};

/// `text` with `& < > " '` as entities, safe as text and inside quoted attributes (Tornado's
/// `xhtml_escape`).
///
/// ```
/// assert_eq!(squall_web::xhtml_escape("<a href='x'>"), "&lt;a href=&#x27;x&#x27;&gt;");
/// ```
#[must_use]
pub fn xhtml_escape(text: &str) -> Cow<'_, str> {
    let is_special = |byte: u8| matches!(byte, b'&' | b'<' | b'>' | b'"' | b'\'');
    let Some(first) = text.bytes().position(is_special) else {
        return Cow::Borrowed(text);
    };
    let mut escaped = String::with_capacity(text.len() + 16);
    escaped.push_str(&text[..first]);
    for character in text[first..].chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#x27;"),
            other => escaped.push(other),
        }
    }
    Cow::Owned(escaped)
}

/// `value` as JSON that may stand in a `<script>` element: `</` is written `<\/` (Tornado's
/// `json_encode`), and `<!` is written `\u003c!`, for `<!--` changes what ends the element.
///
/// ```
/// let json = squall_web::json_encode(&("</script>", 1)).unwrap();
/// assert_eq!(json, br#"["<\/script>",1]"#);
/// ```
///
/// # Errors
///
/// When the value cannot be JSON: a map with keys other than text and numbers, or an error of its
/// own [`Serialize`].
pub fn json_encode<T: Serialize + ?Sized>(value: &T) -> serde_json::Result<Vec<u8>> {
    let mut json = Vec::with_capacity(128);
    value.serialize(&mut Serializer::with_formatter(&mut json, ScriptSafe))?;
    Ok(json)
}

struct ScriptSafe;

impl Formatter for ScriptSafe {
    /// A fragment is what stands between two escaped characters. None of `<`, `/` and `!` is one of
    /// those, so the pairs are never torn apart.
    fn write_string_fragment<W>(&mut self, writer: &mut W, fragment: &str) -> io::Result<()>
    where
        W: ?Sized + io::Write,
    {
        let mut pieces = fragment.split('<');
        writer.write_all(pieces.next().unwrap_or_default().as_bytes())?;
        for piece in pieces {
            writer.write_all(match piece.as_bytes().first() {
                Some(b'/') => b"<\\",
                Some(b'!') => b"\\u003c",
                _ => b"<",
            })?;
            writer.write_all(piece.as_bytes())?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_without_markup_is_not_copied() {
        assert!(matches!(xhtml_escape("Grüße"), Cow::Borrowed("Grüße")));
        assert_eq!(xhtml_escape("ü<&>\"'"), "ü&lt;&amp;&gt;&quot;&#x27;");
    }

    #[test]
    fn json_closes_no_script() {
        let json = |value: serde_json::Value| String::from_utf8(json_encode(&value).unwrap());
        let value = serde_json::json!({ "a</": "</script>\n</", "b": [1, 2.5, null, true] });
        let expected = r#"{"a<\/":"<\/script>\n<\/","b":[1,2.5,null,true]}"#;
        assert_eq!(json(value).unwrap(), expected);
        assert_eq!(
            json(serde_json::json!("a < / b<")).unwrap(),
            r#""a < / b<""#
        );
    }

    #[test]
    fn json_opens_no_comment_in_a_script() {
        let json = json_encode("<!--<script>").unwrap();
        assert_eq!(json, br#""\u003c!--<script>""#);
        let read: String = serde_json::from_slice(&json).unwrap();
        assert_eq!(read, "<!--<script>");
    }
}
