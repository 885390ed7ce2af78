//! Names, places and days that an engine would refuse, or would take for something else, are refused here.

use super::{Dialect, Table};
use crate::error::{Error, ErrorKind, Result};
use crate::field::time;

impl Table {
    /// The table with a location that ends with a slash, where everything fits the dialect.
    pub(super) fn checked(&self, dialect: Dialect) -> Result<Self> {
        let plain = |text: &str| match dialect {
            Dialect::CloudFormation => without_references(text),
            _ => text.to_owned(),
        };
        check_name("database", &plain(&self.database))?;
        check_name("table", &plain(&self.name))?;
        check_location(&self.location, &plain(&self.location), dialect)?;
        if dialect != Dialect::CloudFormation || only_reference(&self.since).is_none() {
            check_day(&self.since)?;
        }
        let mut table = self.clone();
        if !table.location.ends_with('/') {
            table.location.push('/');
        }
        Ok(table)
    }
}

/// The name of the resource or parameter that `${NAME}` at the start of a text refers to, and what follows.
fn reference(text: &str) -> Option<(&str, &str)> {
    let (name, rest) = text.strip_prefix("${")?.split_once('}')?;
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b':');
    (!name.is_empty() && name.bytes().all(fits)).then_some((name, rest))
}

/// The name, if a reference is all there is.
pub(super) fn only_reference(text: &str) -> Option<&str> {
    reference(text).filter(|(_, rest)| rest.is_empty()).map(|(name, _)| name)
}

/// Whether there is a reference in it.
pub(super) fn has_reference(text: &str) -> bool {
    text.match_indices("${").any(|(at, _)| text.get(at..).and_then(reference).is_some())
}

fn without_references(text: &str) -> String {
    let mut plain = String::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        if let Some((_, after)) = reference(rest) {
            // It fits as a part of a name and of a location.
            plain.push('x');
            rest = after;
        } else {
            plain.push(first);
            rest = &rest[first.len_utf8()..];
        }
    }
    plain
}

fn check_name(what: &str, name: &str) -> Result<()> {
    let fits = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
    if (1..=255).contains(&name.len()) && name.bytes().all(fits) {
        return Ok(());
    }
    Err(Error::new(ErrorKind::Options, format!("{name:?} cannot be the name of a {what}"))
        .with_hint("Athena takes lower-case letters, digits and underscores, at most 255 of them"))
}

fn check_location(location: &str, plain: &str, dialect: Dialect) -> Result<()> {
    let refuse = |why: &str, hint: &str| {
        Err(Error::new(ErrorKind::Options, format!("the location {location:?} {why}")).with_hint(hint))
    };
    if plain.is_empty() || plain.chars().any(char::is_control) {
        return refuse("is empty or holds control characters", "name the folder in which dt=… lies");
    }
    if !dialect.is_aws() {
        return Ok(());
    }
    let Some((bucket, _)) =
        plain.strip_prefix("s3://").map(|rest| rest.split_once('/').unwrap_or((rest, "")))
    else {
        return refuse("is not in S3", "write s3://BUCKET/PREFIX/");
    };
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_');
    if bucket.is_empty() || !bucket.bytes().all(fits) {
        return refuse("names no bucket that there can be", "write s3://BUCKET/PREFIX/");
    }
    if plain.contains(['*', '?', '\'', '"', '\\', '$', '{', '}']) || plain[5..].contains("//") {
        return refuse("is no prefix of objects", "write s3://BUCKET/PREFIX/, without patterns and quotes");
    }
    Ok(())
}

fn check_day(day: &str) -> Result<()> {
    if time::days_from_date(day).is_some() {
        return Ok(());
    }
    Err(Error::new(ErrorKind::Options, format!("{day:?} is no day")).with_hint("write it as 1995-07-01"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::LogFormat;

    #[test]
    fn references() {
        assert_eq!(only_reference("${AWS::Region}"), Some("AWS::Region"));
        assert_eq!(only_reference("${A}b"), None);
        assert_eq!(without_references("s3://${Lake}/${a}-${!dt}${"), "s3://x/x-${!dt}${");
        assert!(has_reference("s3://${Lake}/") && !has_reference("s3://${!x}/"));
    }

    #[test]
    fn what_no_engine_takes_is_refused() {
        let table = || Table::new(&LogFormat::common(), "s3://lake/access");
        for (bad, says) in [
            (table().with_name("Access"), "\"Access\" cannot be the name of a table"),
            (table().with_name(""), "\"\" cannot be the name of a table"),
            (table().with_name("a;b"), "cannot be the name of a table"),
            (table().with_database("${Db}"), "cannot be the name of a database"),
            (table().with_database("x".repeat(256)), "cannot be the name of a database"),
            (table().with_since("1995-02-30"), "\"1995-02-30\" is no day"),
            (table().with_since("x"), "\"x\" is no day"),
            (table().with_since("1995-02-03T1"), "is no day"),
            (Table::new(&LogFormat::common(), "/data/lake"), "is not in S3"),
            (Table::new(&LogFormat::common(), "s3:///x"), "names no bucket"),
            (Table::new(&LogFormat::common(), "s3://lake/*"), "is no prefix"),
            (Table::new(&LogFormat::common(), "s3://lake//a"), "is no prefix"),
            (Table::new(&LogFormat::common(), "s3://lake/a'b"), "is no prefix"),
            (Table::new(&LogFormat::common(), "s3://${Lake}/a"), "names no bucket"),
            (Table::new(&LogFormat::common(), "s3://a\n"), "control characters"),
        ] {
            let error = bad.to_text(Dialect::Athena).err().unwrap();
            assert_eq!(error.kind(), ErrorKind::Options);
            assert!(error.to_string().contains(says), "{error}");
        }
        let referring = Table::new(&LogFormat::common(), "s3://${Lake}/a").with_database("${Db}");
        assert!(referring.clone().with_since("${Since}").to_text(Dialect::CloudFormation).is_ok());
        assert!(referring.with_name("${Db}-").to_text(Dialect::CloudFormation).is_err());
    }
}
