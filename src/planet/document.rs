//! The bodies of Sentinel Hub requests: JSON, or a form of the parts `request` and `evalscript`.
//!
//! What is read here must be what upstream reads, so anything that two parsers could take differently is
//! refused: repeated or unknown parts, file names, encodings, text before the first or after the last part.

use memchr::memmem;

use super::{Misread, json};

/// A body, taken apart. Only [`read`] makes one, so its JSON has passed [`json::check`].
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Document<'a> {
    pub(super) json: &'a [u8],
    /// The script, where it travels beside the JSON.
    pub(super) script: Option<&'a str>,
}

const MAX_BOUNDARY: usize = 70;

/// Reads a body by the headers that describe it.
pub fn read<'a>(
    content_type: Option<&str>,
    content_encoding: Option<&str>,
    body: &'a [u8],
) -> Result<Document<'a>, Misread> {
    if let Some(encoding) =
        content_encoding.filter(|encoding| !encoding.trim().eq_ignore_ascii_case("identity"))
    {
        return Err(Misread::new(format!(
            "the body is compressed ({}), and its cost cannot be read; send it uncompressed",
            shown(encoding)
        )));
    }
    let Some(content_type) = content_type else {
        return json_document(body);
    };
    let media: mime::Mime = content_type
        .parse()
        .map_err(|_| unknown_type(content_type))?;
    match media.essence_str() {
        "application/json" if is_utf8(&media) => json_document(body),
        "multipart/form-data" => form(boundary(&media)?, body),
        _ => Err(unknown_type(content_type)),
    }
}

fn json_document(body: &[u8]) -> Result<Document<'_>, Misread> {
    json::check(body)?;
    Ok(Document {
        json: body,
        script: None,
    })
}

fn unknown_type(content_type: &str) -> Misread {
    Misread::new(format!(
        "the content type '{}' is not one that this API takes; send application/json, \
         or multipart/form-data with the parts request and evalscript",
        shown(content_type)
    ))
}

fn shown(text: &str) -> String {
    text.chars().take(80).collect()
}

fn is_utf8(media: &mime::Mime) -> bool {
    media
        .get_param(mime::CHARSET)
        .is_none_or(|charset| charset.as_str().eq_ignore_ascii_case("utf-8"))
}

fn boundary(media: &mime::Mime) -> Result<&str, Misread> {
    let mut boundaries = media.params().filter(|(name, _)| *name == mime::BOUNDARY);
    match (boundaries.next(), boundaries.next()) {
        (Some((_, boundary)), None) if (1..=MAX_BOUNDARY).contains(&boundary.as_str().len()) => {
            Ok(boundary.as_str())
        }
        _ => Err(malformed(
            "its Content-Type needs one boundary of 1 to 70 characters",
        )),
    }
}

fn malformed(why: &str) -> Misread {
    Misread::new(format!(
        "the multipart/form-data body cannot be understood: {why}; send exactly the parts request and evalscript"
    ))
}

fn form<'a>(boundary: &str, body: &'a [u8]) -> Result<Document<'a>, Misread> {
    let (mut request, mut script) = (None, None);
    for part in parts(boundary, body)? {
        let (name, content) = named(part)?;
        let slot = match name {
            "request" => &mut request,
            "evalscript" => &mut script,
            _ => {
                return Err(malformed(&format!(
                    "the part '{}' is not known",
                    shown(name)
                )));
            }
        };
        if slot.replace(content).is_some() {
            return Err(malformed(&format!("the part '{name}' stands twice")));
        }
    }
    let json = request.ok_or_else(|| malformed("the part 'request' is missing"))?;
    json::check(json)?;
    let script = script
        .map(|text| std::str::from_utf8(text).map_err(|_| malformed("the evalscript is not UTF-8")))
        .transpose()?;
    Ok(Document { json, script })
}

/// What stands between the delimiters. Every byte of the body must belong to a part or to a delimiter.
fn parts<'a>(boundary: &str, body: &'a [u8]) -> Result<Vec<&'a [u8]>, Misread> {
    const MOST: usize = 3;
    let delimiter = format!("\r\n--{boundary}");
    let mut rest = body
        .strip_prefix(&delimiter.as_bytes()[2..])
        .ok_or_else(|| malformed("it does not start with its boundary"))?;
    let mut parts = Vec::new();
    loop {
        if matches!(rest, b"--" | b"--\r\n") {
            return Ok(parts);
        }
        rest = rest
            .strip_prefix(b"\r\n")
            .ok_or_else(|| malformed("a boundary is not followed by a line break"))?;
        let end = memmem::find(rest, delimiter.as_bytes())
            .ok_or_else(|| malformed("the last boundary is missing"))?;
        parts.push(&rest[..end]);
        rest = &rest[end + delimiter.len()..];
        if parts.len() > MOST {
            return Err(malformed("it has too many parts"));
        }
    }
}

/// The name and the content of a part.
fn named(part: &[u8]) -> Result<(&str, &[u8]), Misread> {
    let end = memmem::find(part, b"\r\n\r\n").ok_or_else(|| malformed("a part has no headers"))?;
    let headers = std::str::from_utf8(&part[..end])
        .map_err(|_| malformed("a part's headers are not text"))?;
    let mut name = None;
    for line in headers.split("\r\n") {
        let (header, value) = line
            .split_once(':')
            .ok_or_else(|| malformed("a part's header has no colon"))?;
        match header.to_ascii_lowercase().as_str() {
            "content-disposition" if name.is_none() => name = Some(form_name(value.trim())?),
            "content-type" if is_plain(value) => {}
            "content-length" => {}
            _ => {
                return Err(malformed(&format!(
                    "a part's header '{}' is not expected",
                    shown(line)
                )));
            }
        }
    }
    let name = name.ok_or_else(|| malformed("a part has no Content-Disposition"))?;
    Ok((name, &part[end + 4..]))
}

/// `form-data; name="…"`, and nothing else: a file name makes some parsers take the part for a file.
fn form_name(value: &str) -> Result<&str, Misread> {
    let wrong = || {
        malformed(
            "a part's Content-Disposition must be: form-data; name=\"request\" (or \"evalscript\"), without a file name",
        )
    };
    let (kind, parameter) = value.split_once(';').ok_or_else(wrong)?;
    let name = parameter.trim().strip_prefix("name=").ok_or_else(wrong)?;
    let name = name
        .strip_prefix('"')
        .and_then(|name| name.strip_suffix('"'))
        .unwrap_or(name);
    let plain = name
        .bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    if !kind.trim().eq_ignore_ascii_case("form-data") || !plain {
        return Err(wrong());
    }
    Ok(name)
}

fn is_plain(content_type: &str) -> bool {
    content_type.trim().parse().is_ok_and(|media: mime::Mime| {
        let readable = matches!(
            media.essence_str(),
            "application/json" | "text/plain" | "application/javascript" | "text/javascript"
        );
        readable && is_utf8(&media)
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const FORM: Option<&str> = Some("multipart/form-data; boundary=xyz");

    fn part(disposition: &str, content: &str) -> String {
        format!("--xyz\r\nContent-Disposition: {disposition}\r\n\r\n{content}\r\n")
    }

    fn request() -> String {
        part("form-data; name=\"request\"", "{\"a\":1}")
    }

    #[test]
    fn json_is_taken_with_or_without_its_content_type() {
        for content_type in [
            None,
            Some("application/json"),
            Some("Application/JSON; charset=UTF-8"),
        ] {
            let document = read(content_type, None, b"{}").unwrap();
            assert_eq!(
                document,
                Document {
                    json: b"{}",
                    script: None
                }
            );
        }
        assert!(read(None, None, b"a=1").is_err());
        assert!(read(None, Some("identity"), b"{}").is_ok());
    }

    #[test]
    fn a_form_of_two_parts_is_taken_apart() {
        let script = "//VERSION=3\r\nreturn [B04]\r\n";
        let body = request() + &part("form-data; name=evalscript", script) + "--xyz--\r\n";
        let document = read(FORM, None, body.as_bytes()).unwrap();
        assert_eq!(
            document,
            Document {
                json: b"{\"a\":1}",
                script: Some(script)
            }
        );
    }

    #[test]
    fn what_two_parsers_could_read_differently_is_refused() {
        let evalscript = part("form-data; name=\"evalscript\"", "x");
        for (what, body) in [
            ("a repeated part", request() + &request() + "--xyz--"),
            (
                "an unknown part",
                request() + &part("form-data; name=\"other\"", "x") + "--xyz--",
            ),
            ("no request", evalscript.clone() + "--xyz--"),
            (
                "a file name",
                part("form-data; name=\"request\"; filename=\"a\"", "{}") + "--xyz--",
            ),
            (
                "a second name",
                part("form-data; name=\"request\"; name=\"evalscript\"", "{}") + "--xyz--",
            ),
            (
                "an encoded name",
                part("form-data; name*=utf-8''request", "{}") + "--xyz--",
            ),
            ("text before", format!("x\r\n{}--xyz--", request())),
            ("text after", request() + "--xyz--\r\nx"),
            ("no end", request()),
            ("a longer boundary", request() + "--xyzz--"),
            (
                "bare line feeds",
                request().replace("\r\n", "\n") + "--xyz--",
            ),
            (
                "a transfer encoding",
                request().replace("\r\n\r\n", "\r\nContent-Transfer-Encoding: base64\r\n\r\n")
                    + "--xyz--",
            ),
            (
                "a request that is not JSON",
                part("form-data; name=\"request\"", "{") + "--xyz--",
            ),
            ("nothing", String::new()),
        ] {
            assert!(read(FORM, None, body.as_bytes()).is_err(), "{what}");
        }
    }

    #[test]
    fn other_types_and_compressed_bodies_are_refused_with_what_to_send() {
        for (content_type, encoding) in [
            (Some("text/plain"), None),
            (Some("application/x-www-form-urlencoded"), None),
            (Some("application/json; charset=utf-16"), None),
            (Some("multipart/form-data"), None),
            (Some("multipart/form-data; boundary=a; boundary=b"), None),
            (Some("nonsense"), None),
            (Some("application/json"), Some("gzip")),
        ] {
            let sentence = read(content_type, encoding, b"{}").unwrap_err().sentence;
            assert!(sentence.contains("send"), "{sentence}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_without_a_panic(body in any::<Vec<u8>>(), form in any::<bool>()) {
            let content_type = if form { "multipart/form-data; boundary=xyz" } else { "application/json" };
            let _ = read(Some(content_type), None, &body);
        }
    }
}
