//! JSON objects of log lines, ours and the classic ones.

use std::borrow::Cow;
use std::fmt;

use simd_json::{Buffers, Node, StaticNode, Tape};

use super::record::LineId;
use crate::field::request::split_target;
use crate::field::time;
use crate::naming::Names;
use crate::record::Value;

/// A JSON object of one line: one of ours ([`Names::Nasalogs`]; keys `host` and `ts`) or a classic one
/// ([`Names::Classic`]; keys `ip` and `timestamp`).
///
/// Numbers and texts come from outside, and are not checked beyond their type.
#[derive(Debug)]
pub struct JsonRecord<'a> {
    text: &'a [u8],
    nodes: &'a [Node<'a>],
    names: Names,
}

/// Memory to be used again.
pub(crate) struct JsonScratch {
    bytes: Vec<u8>,
    buffers: Buffers,
    tape: Tape<'static>,
}

impl fmt::Debug for JsonScratch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JsonScratch").finish_non_exhaustive()
    }
}

impl Default for JsonScratch {
    fn default() -> Self {
        Self { bytes: Vec::new(), buffers: Buffers::with_max_depth(0, 16), tape: Tape(Vec::new()) }
    }
}

impl JsonScratch {
    /// Longer objects than this are text like any other: one needs a multiple of its length to be taken apart.
    const MAX: usize = crate::ParseOptions::MAX_LINE;

    /// Calls back with the object that a line is; gives `None` if it is none of ours.
    pub(crate) fn with<T>(&mut self, line: &[u8], then: impl FnOnce(&JsonRecord<'_>) -> T) -> Option<T> {
        if line.first() != Some(&b'{') || line.len() > Self::MAX {
            return None;
        }
        self.bytes.clear();
        self.bytes.extend_from_slice(line);
        let mut tape = std::mem::replace(&mut self.tape, Tape(Vec::new())).reset();
        let parsed = simd_json::fill_tape(&mut self.bytes, &mut self.buffers, &mut tape);
        let result = parsed.ok().and_then(|()| JsonRecord::new(line, &tape.0)).map(|record| then(&record));
        self.tape = tape.reset();
        result
    }
}

impl<'a> JsonRecord<'a> {
    /// Whether a line is such an object.
    pub(super) fn is_one(line: &[u8]) -> bool {
        line.first() == Some(&b'{') && JsonScratch::default().with(line, |_| ()).is_some()
    }

    fn new(text: &'a [u8], nodes: &'a [Node<'a>]) -> Option<Self> {
        if !matches!(nodes.first(), Some(Node::Object { .. })) {
            return None;
        }
        let record = |names| Self { text, nodes, names };
        let has = |names: Names, keys: [&str; 2]| {
            let record = record(names);
            keys.iter().all(|key| record.node(key).is_some()).then_some(record)
        };
        has(Names::Nasalogs, ["host", "ts"])
            .or_else(|| has(Names::Classic, ["ip", "timestamp"]))
            .or_else(|| Some(record(Names::Nasalogs)).filter(|record| record.line_id().is_some()))
    }

    /// The value of a key of the object itself.
    fn node(&self, key: &str) -> Option<&'a Node<'a>> {
        let Some(Node::Object { len, .. }) = self.nodes.first() else { return None };
        let mut at = 1;
        for _ in 0..*len {
            let value = self.nodes.get(at + 1)?;
            if matches!(self.nodes.get(at)?, Node::String(name) if *name == key) {
                return Some(value);
            }
            at += 2 + match value {
                Node::Object { count, .. } | Node::Array { count, .. } => *count,
                Node::String(_) | Node::Static(_) => 0,
            };
        }
        None
    }

    /// The object as it came.
    #[must_use]
    pub fn as_bytes(&self) -> &'a [u8] {
        self.text
    }

    /// Which keys it has.
    #[must_use]
    pub fn names(&self) -> Names {
        self.names
    }

    /// The value of any key, if it is text, an integer or null.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<Value<'a>> {
        match self.node(key)? {
            Node::String(text) => Some(Value::Text(text.as_bytes())),
            Node::Static(StaticNode::I64(number)) => Some(Value::Int(*number)),
            Node::Static(StaticNode::U64(number)) => i64::try_from(*number).ok().map(Value::Int),
            Node::Static(StaticNode::Null) => Some(Value::Null),
            _ => None,
        }
    }

    /// Whether there is such a key, whatever its value.
    #[must_use]
    pub fn has(&self, key: &str) -> bool {
        self.node(key).is_some()
    }

    /// The value of any key, if it is text.
    #[must_use]
    pub fn text(&self, key: &str) -> Option<&'a str> {
        match self.node(key)? {
            Node::String(text) => Some(text),
            _ => None,
        }
    }

    fn int(&self, key: &str) -> Option<i64> {
        self.get(key)?.as_int()
    }

    fn either(&self, ours: &'static str, classic: &'static str) -> &'static str {
        if self.names == Names::Classic { classic } else { ours }
    }

    /// The client.
    #[must_use]
    pub fn host(&self) -> Option<&'a str> {
        self.text(self.either("host", "ip"))
    }

    /// The time as text: RFC 3339 in ours, as logged in a classic object.
    #[must_use]
    pub fn timestamp(&self) -> Option<&'a str> {
        self.text(self.either("ts", "timestamp"))
    }

    /// The time, in milliseconds since 1970-01-01T00:00:00Z; `None` if the text is no time.
    #[must_use]
    pub fn ts(&self) -> Option<i64> {
        let text = self.timestamp()?.as_bytes();
        if self.names == Names::Classic {
            return time::clf(text).map(|instant| instant.ms);
        }
        let (second, fraction) = text.split_at_checked(19)?;
        let millis = match fraction {
            [b'.', digits @ .., b'Z'] if digits.len() == 3 => crate::field::number::integer(digits)?,
            b"Z" => 0,
            _ => return None,
        };
        let instant = time::iso(&[second, b"+0000"].concat())?;
        Some(instant.ms + millis)
    }

    /// Minutes east of UTC, as logged.
    #[must_use]
    pub fn tz_offset(&self) -> Option<i64> {
        if self.names == Names::Classic {
            return time::clf(self.timestamp()?.as_bytes()).map(|instant| instant.tz_offset.into());
        }
        self.int("tz_offset")
    }

    /// The method.
    #[must_use]
    pub fn method(&self) -> Option<&'a str> {
        self.text("method")
    }

    /// The target up to its first `?`.
    #[must_use]
    pub fn path(&self) -> Option<&'a str> {
        self.target().map(|(path, _)| path)
    }

    /// What follows that `?`.
    #[must_use]
    pub fn query(&self) -> Option<&'a str> {
        self.target().and_then(|(_, query)| query)
    }

    fn target(&self) -> Option<(&'a str, Option<&'a str>)> {
        if self.names != Names::Classic {
            return Some((self.text("path")?, self.text("query")));
        }
        let url = self.text("url")?;
        let (path, query) = split_target(url.as_bytes());
        // Cut at an ASCII character: both are text still.
        Some((&url[..path.len()], query.map(|query| &url[url.len() - query.len()..])))
    }

    /// Path and query.
    #[must_use]
    pub fn url(&self) -> Option<Cow<'a, str>> {
        match self.target()? {
            (path, None) => Some(Cow::Borrowed(path)),
            (path, Some(query)) => Some(Cow::Owned(format!("{path}?{query}"))),
        }
    }

    /// The protocol.
    #[must_use]
    pub fn protocol(&self) -> Option<&'a str> {
        self.text("protocol")
    }

    /// The status.
    #[must_use]
    pub fn status(&self) -> Option<i64> {
        self.int(self.either("status", "status_code"))
    }

    /// The key of the status.
    #[cfg(feature = "intake")]
    pub(crate) fn status_key(&self) -> &'static str {
        self.either("status", "status_code")
    }

    /// The size of the answer in bytes. A classic object has 0 for `-`.
    #[must_use]
    pub fn bytes(&self) -> Option<i64> {
        self.int("bytes")
    }

    /// The identity of the line.
    #[must_use]
    pub fn line_id(&self) -> Option<LineId> {
        self.text("line_id").and_then(LineId::parse)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with<T>(text: &str, then: impl FnOnce(&JsonRecord<'_>) -> T) -> Option<T> {
        JsonScratch::default().with(text.as_bytes(), then)
    }

    #[test]
    fn a_classic_object() {
        let text = r#"{"ip": "h", "timestamp": "01/Jul/1995:00:00:01 -0400", "x": [{"bytes": 1}, 2], "method": "GET",
            "url": "/é?q?", "protocol": "HTTP/1.0", "status_code": 200, "bytes": 6245}"#;
        with(text, |record| {
            assert_eq!(record.names(), Names::Classic);
            assert_eq!(
                (record.host(), record.ts(), record.tz_offset()),
                (Some("h"), Some(804_571_201_000), Some(-240))
            );
            assert_eq!((record.method(), record.protocol()), (Some("GET"), Some("HTTP/1.0")));
            assert_eq!(
                (record.path(), record.query(), record.url().as_deref()),
                (Some("/é"), Some("q?"), Some("/é?q?"))
            );
            assert_eq!((record.status(), record.bytes(), record.line_id()), (Some(200), Some(6245), None));
            assert_eq!((record.get("x"), record.get("none")), (None, None));
            assert_eq!(record.as_bytes(), text.as_bytes());
        })
        .unwrap();
    }

    #[test]
    fn one_of_ours() {
        let text = r#"{"host":"h","ts":"1995-07-01T04:00:01.250Z","tz_offset":-240,"path":"/a","query":null,"status":404,
            "bytes":null,"line_id":"00000000000000ff-7"}"#;
        with(text, |record| {
            assert_eq!(record.names(), Names::Nasalogs);
            assert_eq!((record.ts(), record.tz_offset()), (Some(804_571_201_250), Some(-240)));
            assert_eq!((record.url().as_deref(), record.query(), record.method()), (Some("/a"), None, None));
            assert_eq!(
                (record.status(), record.bytes(), record.get("bytes")),
                (Some(404), None, Some(Value::Null))
            );
            assert_eq!(record.line_id().unwrap().offset, 7);
        })
        .unwrap();
    }

    #[test]
    fn what_is_none_of_ours() {
        let deep = format!("{{\"host\":1,\"ts\":{}1{}}}", "[".repeat(40), "]".repeat(40));
        for text in [
            "",
            "{",
            "{}",
            "[1]",
            r#"{"host":"h"}"#,
            r#"{"a":{"host":"h","ts":""}}"#,
            r#" {"host":"h","ts":""}"#,
            r#"{"line_id":"7"}"#,
            r#"{"host":"h","ts":""}x"#,
            &deep,
        ] {
            assert!(with(text, |_| ()).is_none(), "{text}");
        }
        assert!(
            with(r#"{"host":1,"ts":"1995-07-01T04:00:01+00:00"}"#, |record| {
                assert_eq!(
                    (record.host(), record.ts(), record.timestamp().map(str::len)),
                    (None, None, Some(25))
                );
            })
            .is_some()
        );
    }
}
