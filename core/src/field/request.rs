//! The request line: `method SP target [SP protocol]`, and what clients sent instead.

/// The parts of a request; each `None` where the request has none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Request<'a> {
    /// The method, in any case.
    pub method: Option<&'a [u8]>,
    /// The target.
    pub target: Option<&'a [u8]>,
    /// The protocol, in any case.
    pub protocol: Option<&'a [u8]>,
}

/// Whether a word is an RFC 9110 token (section 5.6.2).
#[must_use]
pub fn is_token(word: &[u8]) -> bool {
    !word.is_empty()
        && word.iter().all(|&byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte))
}

fn is_protocol(word: &[u8]) -> bool {
    word.len() >= 5 && word[..5].eq_ignore_ascii_case(b"HTTP/")
}

fn trim(mut text: &[u8]) -> &[u8] {
    while let [b' ', rest @ ..] | [rest @ .., b' '] = text {
        text = rest;
    }
    text
}

/// Splits a request.
///
/// The method is the first word if it is a token and a target follows it; the protocol is the last word if it begins
/// with `HTTP/` in any case and a target precedes it; the target is what is between, with its inner blanks. A single
/// word is a target. `-`, nothing and only blanks have no parts.
///
/// ```
/// use nasalogs::field::request::split;
/// let request = split(b"GET /a b HTTP/1.0");
/// assert_eq!(request.target, Some(&b"/a b"[..]));
/// assert_eq!(split(b"GET HTTP/1.0").target, Some(&b"GET HTTP/1.0"[..]));
/// assert_eq!(split(b"-").target, None);
/// ```
#[must_use]
pub fn split(text: &[u8]) -> Request<'_> {
    if text == b"-" {
        return Request::default();
    }
    let text = trim(text);
    if text.is_empty() {
        return Request::default();
    }
    let whole = Request { target: Some(text), ..Request::default() };
    let (Some(first), Some(last)) = (memchr::memchr(b' ', text), memchr::memrchr(b' ', text)) else {
        return whole;
    };
    let method = Some(&text[..first]).filter(|word| is_token(word));
    let protocol = Some(&text[last + 1..]).filter(|word| is_protocol(word));
    let from = if method.is_some() { first } else { 0 };
    let to = if protocol.is_some() { last } else { text.len() };
    // `GET HTTP/1.0`: the two words claim each other as the target, so neither has one.
    let target = trim(text.get(from..to).unwrap_or_default());
    if target.is_empty() {
        return whole;
    }
    Request { method, target: Some(target), protocol }
}

/// Splits a target at its first `?`.
///
/// ```
/// use nasalogs::field::request::split_target;
/// assert_eq!(split_target(b"/a?b?c"), (&b"/a"[..], Some(&b"b?c"[..])));
/// assert_eq!(split_target(b"/a?"), (&b"/a"[..], Some(&b""[..])));
/// assert_eq!(split_target(b"/a"), (&b"/a"[..], None));
/// ```
#[must_use]
pub fn split_target(target: &[u8]) -> (&[u8], Option<&[u8]>) {
    match memchr::memchr(b'?', target) {
        Some(mark) => (&target[..mark], Some(&target[mark + 1..])),
        None => (target, None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(text: &str) -> (Option<&str>, Option<&str>, Option<&str>) {
        let request = split(text.as_bytes());
        let [method, target, protocol] = [request.method, request.target, request.protocol]
            .map(|part| part.map(|bytes| std::str::from_utf8(bytes).unwrap()));
        (method, target, protocol)
    }

    #[test]
    fn methods_targets_protocols() {
        assert_eq!(parts("GET /a HTTP/1.0"), (Some("GET"), Some("/a"), Some("HTTP/1.0")));
        assert_eq!(parts("GET /a b HTTP/1.0"), (Some("GET"), Some("/a b"), Some("HTTP/1.0")));
        assert_eq!(parts("GET  /a   HTTP/1.0"), (Some("GET"), Some("/a"), Some("HTTP/1.0")));
        assert_eq!(parts("  GET /a  "), (Some("GET"), Some("/a"), None));
        assert_eq!(parts("GET /a"), (Some("GET"), Some("/a"), None));
        assert_eq!(parts("get /lower http/1.1"), (Some("get"), Some("/lower"), Some("http/1.1")));
        assert_eq!(parts("FOO / HTTP/V1.0"), (Some("FOO"), Some("/"), Some("HTTP/V1.0")));
        assert_eq!(parts("GET / HTTP/"), (Some("GET"), Some("/"), Some("HTTP/")));
    }

    #[test]
    fn what_is_missing_is_null() {
        assert_eq!(parts("/a HTTP/1.0"), (None, Some("/a"), Some("HTTP/1.0")));
        assert_eq!(parts("/a b c"), (None, Some("/a b c"), None));
        assert_eq!(parts("GET HTTP/1.0"), (None, Some("GET HTTP/1.0"), None));
        assert_eq!(parts("GET   HTTP/1.0"), (None, Some("GET   HTTP/1.0"), None));
        for word in ["GET", "HTTP/1.0", "\\x16\\x03", "\"", "/a", "\t"] {
            assert_eq!(parts(word), (None, Some(word), None));
        }
        for nothing in ["", "-", " ", "    "] {
            assert_eq!(parts(nothing), (None, None, None));
        }
    }

    #[test]
    fn a_tab_is_data() {
        assert_eq!(parts("GET\t/a HTTP/1.0"), (None, Some("GET\t/a"), Some("HTTP/1.0")));
    }
}
