//! Rewriting links in a body as it streams by, without parsing it.
//!
//! In valid JSON a quotation mark that is followed by a letter and not preceded by a backslash opens a
//! string: behind one that closes comes a comma, a colon or a bracket. The same holds for attributes of
//! XML, and text begins behind a '>', or behind the bracket of a CDATA section. So only the bytes behind
//! such a mark are looked at; the rest is copied, whatever it is: what merely says that it is JSON or XML
//! comes through as it came.

use memchr::memmem;

use super::Rewrite;

/// What the body is written in: where text begins and ends.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Form {
    Json,
    /// Capabilities documents.
    Xml,
    /// Anything else that people read, such as a table: links are known there where they stand in quotation
    /// marks.
    Text,
}

impl Form {
    /// By the media type; `None` for what is passed on as it is.
    pub fn of(content_type: &str) -> Option<Self> {
        let essence = content_type.split(';').next()?.trim().to_ascii_lowercase();
        let (kind, subtype) = essence.split_once('/')?;
        match subtype.rsplit(['+', '_']).next()? {
            "json" | "x-ndjson" | "json-seq" => Some(Self::Json),
            "xml" => Some(Self::Xml), // `vnd.ogc.wms_xml` too
            "javascript" => Some(Self::Text),
            _ => (kind == "text").then_some(Self::Text),
        }
    }

    /// How it spells the `&` between two pairs of a query.
    fn amp(self) -> &'static [u8] {
        match self {
            Self::Json | Self::Text => b"&",
            Self::Xml => b"&amp;",
        }
    }
}

/// The longest text that is held back to see whether it is a link. No server takes a longer one.
const LONGEST_LINK: usize = 16 * 1024;

const SCHEME: &[u8] = b"http";

/// A mark and the first letter of a link, which few strings begin with: looking for both at once passes
/// over most marks.
#[derive(Debug)]
struct Marks {
    form: Form,
    lower: memmem::Finder<'static>,
    upper: memmem::Finder<'static>,
}

impl Marks {
    fn new(form: Form) -> Self {
        Self {
            form,
            lower: memmem::Finder::new("\"h"),
            upper: memmem::Finder::new("\"H"),
        }
    }

    /// Where the next text begins that may be a link, or may be one once its first letter has come.
    fn next(&self, text: &[u8]) -> Option<usize> {
        if self.form == Form::Xml {
            let mark = memchr::memchr3(b'"', b'\'', b'>', text);
            let bracket = memchr::memchr(b'[', &text[..mark.unwrap_or(text.len())]);
            return bracket.or(mark);
        }
        let lower = self.lower.find(text);
        let upper = self.upper.find(&text[..lower.unwrap_or(text.len())]);
        let at_the_end = || text.ends_with(b"\"").then(|| text.len() - 1);
        upper.or(lower).or_else(at_the_end)
    }
}

/// Takes a body chunk by chunk and gives it back with its links rewritten.
#[derive(Debug)]
pub struct Rewriter {
    rewrite: Rewrite,
    marks: Marks,
    /// What came and could not be decided on yet.
    held: Vec<u8>,
    /// The byte before what is held.
    before: u8,
    /// What is decided on, but may end in the beginning of a hidden key.
    unscrubbed: Vec<u8>,
}

impl Rewriter {
    pub(super) fn new(rewrite: Rewrite, form: Form) -> Self {
        Self {
            rewrite,
            marks: Marks::new(form),
            held: Vec::new(),
            before: b' ',
            unscrubbed: Vec::new(),
        }
    }

    /// Writes what of the body up to here is decided.
    pub fn push(&mut self, chunk: &[u8], out: &mut Vec<u8>) {
        self.take(chunk, false, out);
    }

    /// Writes the rest. Nothing may be pushed afterwards.
    pub fn finish(mut self, out: &mut Vec<u8>) {
        self.take(&[], true, out);
        out.append(&mut self.unscrubbed);
    }

    fn take(&mut self, chunk: &[u8], is_last: bool, out: &mut Vec<u8>) {
        if self.rewrite.hidden.is_none() {
            return self.decide(chunk, is_last, out);
        }
        let mut decided = std::mem::take(&mut self.unscrubbed);
        self.decide(chunk, is_last, &mut decided);
        if let Some(hidden) = &self.rewrite.hidden {
            let kept = hidden.scrub(&decided, out);
            decided.drain(..kept);
        }
        self.unscrubbed = decided;
    }

    fn decide(&mut self, chunk: &[u8], is_last: bool, out: &mut Vec<u8>) {
        if self.held.is_empty() {
            let done = self.copy(chunk, is_last, out);
            self.held.extend_from_slice(&chunk[done..]);
            return;
        }
        let mut text = std::mem::take(&mut self.held);
        text.extend_from_slice(chunk);
        let done = self.copy(&text, is_last, out);
        text.drain(..done);
        self.held = text;
    }

    /// Copies `text` with its links rewritten, as far as it is decided; says how far that is.
    fn copy(&mut self, text: &[u8], is_last: bool, out: &mut Vec<u8>) -> usize {
        let mut copied = 0;
        let mut from = 0;
        while let Some(mark) = self.marks.next(&text[from..]).map(|at| from + at) {
            from = mark + 1;
            match self.look(text, mark, is_last) {
                Look::Elsewhere => {}
                Look::Cut => {
                    out.extend_from_slice(&text[copied..mark]);
                    self.remember(&text[..mark]);
                    return mark;
                }
                Look::Text { start, end } => {
                    out.extend_from_slice(&text[copied..start]);
                    copied = start;
                    if self.put(&text[start..end], out) {
                        copied = end;
                    }
                    from = end;
                }
            }
        }
        out.extend_from_slice(&text[copied..]);
        self.remember(text);
        text.len()
    }

    fn remember(&mut self, gone: &[u8]) {
        self.before = gone.last().copied().unwrap_or(self.before);
    }

    /// What stands behind the mark: a whole text that may be a link, the beginning of one, or no link.
    /// The answer depends on at most [`LONGEST_LINK`] bytes, however they are cut into chunks.
    fn look(&self, text: &[u8], mark: usize, is_last: bool) -> Look {
        let before = mark.checked_sub(1).map_or(self.before, |at| text[at]);
        if self.marks.form == Form::Json && before == b'\\' {
            return Look::Elsewhere; // a quotation mark inside a string
        }
        let behind = &text[mark + 1..];
        let seen = &behind[..behind.len().min(LONGEST_LINK)];
        let is_all = is_last || seen.len() == LONGEST_LINK;
        // text of an element may stand on a line of its own
        let stands_free = self.marks.form == Form::Xml && matches!(text[mark], b'>' | b'[');
        let trimmed = if stands_free {
            seen.trim_ascii_start()
        } else {
            seen
        };
        let lead = seen.len() - trimmed.len();
        let start = &trimmed[..trimmed.len().min(SCHEME.len())];
        if !SCHEME[..start.len()].eq_ignore_ascii_case(start) {
            return Look::Elsewhere;
        }
        match self.end(text[mark], trimmed, is_last && seen.len() == behind.len()) {
            End::At(end) => {
                let link = &trimmed[..end];
                let link = if stands_free {
                    link.trim_ascii_end()
                } else {
                    link
                };
                let start = mark + 1 + lead;
                Look::Text {
                    start,
                    end: start + link.len(),
                }
            }
            End::OfKey => Look::Elsewhere,
            End::Unseen if is_all => Look::Elsewhere,
            End::Unseen => Look::Cut,
        }
    }

    fn end(&self, mark: u8, behind: &[u8], is_last: bool) -> End {
        let found = match (self.marks.form, mark) {
            (Form::Json, _) => return end_of_value(behind, is_last),
            (Form::Text, _) => memchr::memchr2(b'"', b'\n', behind),
            (Form::Xml, b'>') => memchr::memchr(b'<', behind),
            (Form::Xml, b'[') => memchr::memchr2(b']', b'<', behind),
            (Form::Xml, quote) => memchr::memchr2(quote, b'<', behind),
        };
        found.map_or(End::Unseen, End::At)
    }

    /// Writes the link rewritten; `false` when it is none of ours.
    fn put(&self, link: &[u8], out: &mut Vec<u8>) -> bool {
        if self.marks.form != Form::Json || memchr::memchr(b'\\', link).is_none() {
            return self.rewrite.put_link(link, self.marks.form.amp(), out);
        }
        self.put_escaped(link, out).is_some()
    }

    /// A JSON string with escapes: it means what it decodes to, so that is what is rewritten.
    fn put_escaped(&self, link: &[u8], out: &mut Vec<u8>) -> Option<()> {
        let quoted = [b"\"", link, b"\""].concat();
        let decoded: String = serde_json::from_slice(&quoted).ok()?;
        let mut rewritten = Vec::with_capacity(link.len());
        if !self
            .rewrite
            .put_link(decoded.as_bytes(), self.marks.form.amp(), &mut rewritten)
        {
            return None;
        }
        let encoded = serde_json::to_vec(&String::from_utf8(rewritten).ok()?).ok()?;
        out.extend_from_slice(&encoded[1..encoded.len() - 1]);
        Some(())
    }
}

enum Look {
    Elsewhere,
    /// It goes on in the next chunk.
    Cut,
    Text {
        start: usize,
        end: usize,
    },
}

enum End {
    At(usize),
    /// A colon behind it says that it is a key.
    OfKey,
    Unseen,
}

/// Where a JSON string ends, and whether it is a value.
fn end_of_value(text: &[u8], is_last: bool) -> End {
    let mut at = 0;
    while let Some(found) = memchr::memchr2(b'"', b'\\', text.get(at..).unwrap_or_default()) {
        let end = at + found;
        if text[end] == b'\\' {
            at = end + 2;
            continue;
        }
        return match text[end + 1..]
            .iter()
            .find(|byte| !byte.is_ascii_whitespace())
        {
            Some(b':') => End::OfKey,
            Some(_) => End::At(end),
            None if is_last => End::At(end),
            None => End::Unseen,
        };
    }
    End::Unseen
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_media_type_says_where_links_may_stand() {
        for (content_type, form) in [
            ("application/json", Some(Form::Json)),
            ("application/geo+json; charset=utf-8", Some(Form::Json)),
            ("Application/JSON", Some(Form::Json)),
            ("application/vnd.ogc.wms_xml", Some(Form::Xml)),
            ("text/xml", Some(Form::Xml)),
            ("application/problem+json", Some(Form::Json)),
            ("image/tiff", None),
            ("text/csv", Some(Form::Text)),
            ("text/html; charset=utf-8", Some(Form::Text)),
            ("text/javascript", Some(Form::Text)),
            ("application/x-ndjson", Some(Form::Json)),
            ("application/octet-stream", None),
            ("json", None),
            ("", None),
        ] {
            assert_eq!(Form::of(content_type), form, "{content_type}");
        }
    }
}
