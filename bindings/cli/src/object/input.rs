//! From what stands on a command line to sources, objects among them.

use std::path::PathBuf;

use nasalogs::Result;
use nasalogs::source::{Source, expand as expand_local};

use super::{Access, is_remote};

/// Turns arguments into sources, in the order given: as [`nasalogs::source::expand`] does it, and `s3://BUCKET/KEY`,
/// where the key may be a pattern such as `logs/*.gz`. A key that exists is taken as it is, even if it could be read as
/// a pattern.
///
/// # Errors
/// Those of [`nasalogs::source::expand`]; when the store refuses, or a key or pattern has no object.
pub fn expand(words: &[PathBuf], access: &Access) -> Result<Vec<Source>> {
    if !words.iter().any(is_remote) {
        return expand_local(words);
    }
    // The rest at once, for what must not stand there twice.
    let mut local = expand_each(words.iter().filter(|word| !is_remote(word)))?.into_iter();
    let mut sources = Vec::new();
    let mut remote = remote::Remote::new(access);
    for word in words {
        match is_remote(word) {
            true => remote.expand(word, &mut sources)?,
            false => sources.extend(local.next().unwrap_or_default()),
        }
    }
    Ok(sources)
}

/// The sources of each word.
fn expand_each<'a>(words: impl Iterator<Item = &'a PathBuf>) -> Result<Vec<Vec<Source>>> {
    let words: Vec<&PathBuf> = words.collect();
    expand_local(&words)?;
    words.into_iter().map(|word| expand_local([word])).collect()
}

#[cfg(feature = "aws")]
mod remote {
    use std::collections::HashMap;
    use std::io;
    use std::path::Path;

    use glob::{MatchOptions, Pattern};
    use nasalogs::source::Source;
    use nasalogs::{Error, ErrorKind, Result};

    use super::super::store::{Listed, Presence, Store};
    use super::super::{Access, Location};

    /// As for files: `*` stops at `/` and does not match hidden names.
    const OPTIONS: MatchOptions = MatchOptions {
        case_sensitive: true,
        require_literal_separator: true,
        require_literal_leading_dot: true,
    };

    const WILD: [char; 3] = ['*', '?', '['];

    /// The stores of a command line.
    pub(super) struct Remote<'a> {
        access: &'a Access,
        stores: HashMap<String, Store>,
    }

    impl<'a> Remote<'a> {
        pub(super) fn new(access: &'a Access) -> Self {
            Self { access, stores: HashMap::new() }
        }

        pub(super) fn expand(&mut self, word: &Path, sources: &mut Vec<Source>) -> Result<()> {
            let text = word.to_string_lossy();
            let Location::Bucket { bucket, key } = Location::parse(&text)? else { return Ok(()) };
            let store = match self.stores.get(&bucket) {
                Some(store) => store.clone(),
                None => {
                    let store = Store::open(&bucket, self.access)?;
                    self.stores.insert(bucket, store.clone());
                    store
                }
            };
            if key.is_empty() || text.ends_with('/') {
                return Err(prefix_error(&text));
            }
            match store.presence(&key)? {
                Presence::There(size) => sources.push(store.source(&key, size)?),
                Presence::Missing if key.contains(WILD) => {
                    for Listed { key, size, .. } in matches(&store, &text, &key)? {
                        sources.push(store.source(&key, size)?);
                    }
                }
                Presence::Hidden if key.contains(WILD) => {
                    for Listed { key, size, .. } in matches(&store, &text, &key)? {
                        sources.push(store.source(&key, size)?);
                    }
                }
                Presence::Hidden => {
                    return Err(Error::new(
                        ErrorKind::Io,
                        "access is denied, or there is no such object",
                    )
                    .with_file(text)
                    .with_hint(
                        "reading needs s3:GetObject; without s3:ListBucket the store does not say what is missing",
                    )
                    .with_source(io::Error::from(io::ErrorKind::PermissionDenied)));
                }
                Presence::Missing => {
                    let mut is_prefix = false;
                    // Whoever may not list is told that there is no object.
                    let _ = store.list(&format!("{key}/"), false, |_| {
                        is_prefix = true;
                        false
                    });
                    return Err(if is_prefix { prefix_error(&text) } else { missing(&text) });
                }
            }
            Ok(())
        }
    }

    /// The objects that a pattern matches, sorted by key.
    fn matches(store: &Store, text: &str, key: &str) -> Result<Vec<Listed>> {
        let pattern = Pattern::new(key).map_err(|error| {
            Error::new(ErrorKind::Options, format!("is no valid pattern: {}", error.msg))
                .with_file(text)
                .with_hint("write '[[]' for a literal '['")
        })?;
        let (prefix, rest) = key.split_at(key.find(WILD).unwrap_or(key.len()));
        let mut found = Vec::new();
        store.list(prefix, !rest.contains('/') && !rest.contains("**"), |object| {
            if pattern.matches_with(&object.key, OPTIONS) {
                found.push(object);
            }
            true
        })?;
        if found.is_empty() {
            return Err(Error::new(ErrorKind::Io, "no object matches this pattern")
                .with_file(text)
                .with_hint("check the pattern; '*' does not cross '/' and does not match hidden names")
                .with_source(io::Error::from(io::ErrorKind::NotFound)));
        }
        found.sort_by(|a, b| a.key.cmp(&b.key));
        Ok(found)
    }

    fn missing(text: &str) -> Error {
        Error::new(ErrorKind::Io, "there is no such object")
            .with_file(text)
            .with_hint("check the key: it is case-sensitive")
            .with_source(io::Error::from(io::ErrorKind::NotFound))
    }

    fn prefix_error(text: &str) -> Error {
        Error::new(ErrorKind::Io, "is not an object, but what keys begin with")
            .with_file(text)
            .with_hint(format!("pass the objects: '{}/*'", text.trim_end_matches('/')))
            .with_source(io::Error::from(io::ErrorKind::IsADirectory))
    }
}

#[cfg(not(feature = "aws"))]
mod remote {
    use std::path::Path;

    use nasalogs::Result;
    use nasalogs::source::Source;

    use super::super::{Access, location};

    pub(super) struct Remote;

    impl Remote {
        pub(super) fn new(_: &Access) -> Self {
            Self
        }

        pub(super) fn expand(&mut self, word: &Path, _: &mut Vec<Source>) -> Result<()> {
            Err(location::unsupported(&word.to_string_lossy()))
        }
    }
}
