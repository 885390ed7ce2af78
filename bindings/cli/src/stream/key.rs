//! Which partition key a line has.

use std::borrow::Cow;
use std::fmt::Write;

use nasalogs::{Error, ErrorKind, LogFormat, Result, Value};

/// What decides on the shard of a line.
#[derive(Debug, Clone)]
pub(super) enum Key {
    /// Nothing in it: the id of the line, which is as good as chance.
    Random,
    /// The value of a column.
    Column(LogFormat, String),
}

impl Key {
    /// A key by its name: `random`, or a column of the format.
    ///
    /// # Errors
    /// [`ErrorKind::Options`] when there is no such column.
    pub(super) fn new(name: &str, format: Option<&LogFormat>) -> Result<Self> {
        let Some(format) = format.filter(|_| name != "random") else { return Ok(Self::Random) };
        if format.columns().any(|column| column.name == name) {
            return Ok(Self::Column(format.clone(), name.to_owned()));
        }
        let names: Vec<&str> = format.columns().map(|column| column.name.as_ref()).collect();
        Err(Error::new(
            ErrorKind::Options,
            format!("the format {format} has no column '{name}' for --partition-key"),
        )
        .with_hint(format!("pass random or one of {}", names.join(", "))))
    }

    /// Whether every line has the id as its key.
    pub(super) fn is_random(&self) -> bool {
        matches!(self, Self::Random)
    }

    /// The key of a line, if it was chosen: a line that is no row has none, and goes anywhere.
    pub(super) fn of<'a>(&self, line: &'a [u8]) -> Option<Cow<'a, str>> {
        let Self::Column(format, name) = self else { return None };
        let value = format.parse_line(line).ok()?.get(name)?;
        Some(match value {
            Value::Null => Cow::Borrowed("-"),
            Value::Int(number) | Value::Timestamp(number) => {
                let mut text = String::new();
                let _ = write!(text, "{number}");
                Cow::Owned(text)
            }
            Value::Text(_) => value.as_text()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_of_a_line() {
        let format = LogFormat::common();
        let line = br#"h.example - - [01/Jul/1995:00:00:01 -0400] "GET /a HTTP/1.0" 200 5"#;
        let key = |name| Key::new(name, Some(&format)).unwrap().of(line).map(Cow::into_owned);
        assert_eq!(key("random"), None);
        assert_eq!((key("host").as_deref(), key("status").as_deref()), (Some("h.example"), Some("200")));
        assert_eq!((key("authuser").as_deref(), key("path").as_deref()), (Some("-"), Some("/a")));
        assert_eq!(Key::new("host", Some(&format)).unwrap().of(b"nonsense"), None);
        assert!(Key::new("hots", Some(&format)).unwrap_err().hint().unwrap().contains("host"));
    }
}
