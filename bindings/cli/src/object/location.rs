//! `s3://BUCKET/KEY` and `file:///DIR`, as they stand on a command line.

use std::ffi::OsStr;
use std::fmt;
use std::path::{Path, PathBuf};

use nasalogs::{Error, ErrorKind, Result};

/// How an address in S3 begins.
const S3: &str = "s3://";
/// How a directory begins that is written as an address.
const FILE: &str = "file://";

/// Whether a word on the command line is an address in S3, and no path.
pub fn is_remote(word: impl AsRef<OsStr>) -> bool {
    word.as_ref().as_encoded_bytes().starts_with(S3.as_bytes())
}

/// A place for objects or files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Location {
    /// In a bucket: an object's key, or what keys begin with, without a slash at either end. Empty is the whole bucket.
    Bucket {
        /// The bucket's name.
        bucket: String,
        /// The key.
        key: String,
    },
    /// A directory on a disk of this machine.
    Directory(PathBuf),
}

impl Location {
    /// Reads `s3://BUCKET[/KEY]` or `file:///DIR`.
    ///
    /// # Errors
    /// [`ErrorKind::Options`] for anything else.
    pub fn parse(text: &str) -> Result<Self> {
        if let Some(rest) = text.strip_prefix(S3) {
            let (bucket, key) = rest.split_once('/').unwrap_or((rest, ""));
            return Ok(Self::Bucket {
                bucket: checked_bucket(text, bucket)?.to_owned(),
                key: checked_key(text, key)?.to_owned(),
            });
        }
        match text.strip_prefix(FILE) {
            Some(path) if Path::new(path).is_absolute() => Ok(Self::Directory(PathBuf::from(path))),
            Some(_) => Err(refuse(text, "is no absolute path", "write file:///DIR, with three slashes")),
            None => Err(refuse(text, "is no location", "write s3://BUCKET/PREFIX or file:///DIR")),
        }
    }

    /// The same below a name, as in `PREFIX/name`.
    #[must_use]
    pub fn join(&self, name: &str) -> Self {
        match self {
            Self::Bucket { bucket, key } if key.is_empty() => {
                Self::Bucket { bucket: bucket.clone(), key: name.to_owned() }
            }
            Self::Bucket { bucket, key } => {
                Self::Bucket { bucket: bucket.clone(), key: format!("{key}/{name}") }
            }
            Self::Directory(path) => Self::Directory(path.join(name)),
        }
    }
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bucket { bucket, key } if key.is_empty() => write!(f, "{S3}{bucket}"),
            Self::Bucket { bucket, key } => write!(f, "{S3}{bucket}/{key}"),
            Self::Directory(path) => write!(f, "{}", path.display()),
        }
    }
}

/// This build knows no stores.
#[cfg(not(feature = "aws"))]
pub(crate) fn unsupported(text: &str) -> Error {
    refuse(
        text,
        "this build does not speak to S3",
        "build nasalogs-cli with the feature aws, or use local files",
    )
}

/// A bucket's name. The store has rules of its own for new ones; here is what keeps an address an address.
fn checked_bucket<'a>(text: &str, bucket: &'a str) -> Result<&'a str> {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_');
    match bucket {
        "" => Err(refuse(text, "names no bucket", "write s3://BUCKET/KEY")),
        name if !name.bytes().all(fits) => Err(refuse(
            text,
            "names a bucket that there cannot be",
            "letters, digits, '.', '-' and '_' are allowed; access points are not supported",
        )),
        name => Ok(name),
    }
}

/// A key without slashes around it.
fn checked_key<'a>(text: &str, key: &'a str) -> Result<&'a str> {
    let key = key.trim_matches('/');
    if key.split('/').any(|part| matches!(part, "." | "..")) || key.contains("//") {
        return Err(refuse(
            text,
            "has an empty part, '.' or '..' in its key",
            "such keys are possible in S3, but not read here: name the object otherwise",
        ));
    }
    if key.len() > 1024 || key.chars().any(char::is_control) {
        return Err(refuse(
            text,
            "has a key that is too long, or holds control characters",
            "a key has at most 1024 bytes",
        ));
    }
    Ok(key)
}

fn refuse(text: &str, message: &str, hint: &str) -> Error {
    Error::new(ErrorKind::Options, message).with_file(text).with_hint(hint)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_and_written() {
        let s3 = |text| Location::parse(text).unwrap();
        let bucket =
            |bucket: &str, key: &str| Location::Bucket { bucket: bucket.to_owned(), key: key.to_owned() };
        assert_eq!(s3("s3://b"), bucket("b", ""));
        assert_eq!(s3("s3://b/"), bucket("b", ""));
        assert_eq!(s3("s3://my.bucket/a/b c=ü%.gz"), bucket("my.bucket", "a/b c=ü%.gz"));
        assert_eq!(s3("s3://b/table/"), bucket("b", "table"));
        assert_eq!(s3("s3://b/table/").join("dt=1/x").to_string(), "s3://b/table/dt=1/x");
        assert_eq!(s3("s3://b").join("x").to_string(), "s3://b/x");
        assert_eq!(s3("file:///a/b"), Location::Directory(PathBuf::from("/a/b")));
        assert!(is_remote("s3://") && !is_remote("./s3://b") && !is_remote("S3://b"));
    }

    #[test]
    fn what_is_no_address_is_refused() {
        for (text, says) in [
            ("s3://", "names no bucket"),
            ("s3:///key", "names no bucket"),
            ("s3://a:b/c", "there cannot be"),
            ("s3://arn:aws:s3:::x/y", "access points"),
            ("s3://b/a//b", "empty part"),
            ("s3://b/a/../b", "'..'"),
            ("s3://b/a\nb", "control characters"),
            ("file://a/b", "three slashes"),
            ("file:a", "is no location"),
            ("https://b", "is no location"),
        ] {
            let error = Location::parse(text).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Options);
            assert!(error.to_string().contains(says), "{error}");
        }
    }
}
