//! Patterns of text.

use std::fmt;
use std::str::FromStr;

use crate::error::{Error, ErrorKind};

/// A pattern that a whole text has to match: `*` is any run of characters, `/` among them, `?` is one character, `[a-z]`
/// one of some, `[!a-z]` one that is none of them. `[*]` is a star.
///
/// ```
/// use nasalogs::filter::Glob;
/// let glob: Glob = "/images/*.gif".parse()?;
/// assert!(glob.matches(b"/images/launch/a.gif"));
/// assert!(!glob.matches(b"/images/a.gif?x"));
/// # Ok::<(), nasalogs::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Glob {
    text: String,
    tokens: Vec<Token>,
    fold: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Token {
    /// One byte of the pattern; lower case where case does not count.
    Byte(u8),
    /// One character.
    One,
    /// One character of some ranges, or of none of them.
    Class { ranges: Vec<(char, char)>, inverted: bool },
    /// Any run of characters.
    Any,
}

impl Glob {
    /// The same pattern for texts whose case does not count (ASCII's, as in names of hosts).
    #[must_use]
    pub fn ignoring_case(mut self) -> Self {
        self.fold = true;
        for token in &mut self.tokens {
            if let Token::Byte(byte) = token {
                byte.make_ascii_lowercase();
            }
        }
        self
    }

    /// Whether a text matches. A byte that is not UTF-8 is a character.
    #[must_use]
    pub fn matches(&self, text: &[u8]) -> bool {
        let (mut token, mut at) = (0, 0);
        // Where to go on after a mismatch: behind the last star, one byte later in the text. Only the last one has to
        // be tried again, so the time is bounded by the product of the lengths.
        let mut star: Option<(usize, usize)> = None;
        loop {
            let step = match self.tokens.get(token) {
                Some(Token::Any) => {
                    if token + 1 == self.tokens.len() {
                        return true;
                    }
                    star = Some((token + 1, at));
                    token += 1;
                    continue;
                }
                Some(Token::Byte(byte)) => {
                    let same = text.get(at).is_some_and(|own| match self.fold {
                        true => own.to_ascii_lowercase() == *byte,
                        false => own == byte,
                    });
                    usize::from(same)
                }
                Some(Token::One) => character(&text[at..]).map_or(0, |(_, length)| length),
                Some(Token::Class { ranges, inverted }) => self.class(ranges, *inverted, &text[at..]),
                None if at == text.len() => return true,
                None => 0,
            };
            if step > 0 {
                (token, at) = (token + 1, at + step);
                continue;
            }
            let Some((behind, from)) = star.as_mut() else { return false };
            // A star takes whole characters.
            let Some((_, length)) = character(&text[*from..]) else { return false };
            *from += length;
            (token, at) = (*behind, *from);
        }
    }

    /// The length of the character that is of the class; 0 where there is none.
    fn class(&self, ranges: &[(char, char)], inverted: bool, text: &[u8]) -> usize {
        let Some((found, length)) = character(text) else { return 0 };
        let is_in = |found: char| ranges.iter().any(|(low, high)| (*low..=*high).contains(&found));
        let is_in = found.is_some_and(|found| {
            is_in(found)
                || (self.fold && (is_in(found.to_ascii_lowercase()) || is_in(found.to_ascii_uppercase())))
        });
        if is_in == inverted { 0 } else { length }
    }
}

/// The first character of a text and its length; the character is missing where the byte is not UTF-8.
fn character(text: &[u8]) -> Option<(Option<char>, usize)> {
    let first = *text.first()?;
    if first.is_ascii() {
        return Some((Some(char::from(first)), 1));
    }
    let chunk = text[..text.len().min(4)].utf8_chunks().next()?;
    Some(chunk.valid().chars().next().map_or((None, 1), |found| (Some(found), found.len_utf8())))
}

impl FromStr for Glob {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let invalid = |what: &str| {
            Error::new(ErrorKind::Options, format!("{text:?} is no pattern: {what}"))
                .with_hint("write [[] for a literal [")
        };
        if text.is_empty() {
            return Err(invalid("it is empty"));
        }
        let mut tokens = Vec::new();
        let mut rest = text.chars();
        while let Some(next) = rest.next() {
            match next {
                '*' if tokens.last() == Some(&Token::Any) => {}
                '*' => tokens.push(Token::Any),
                '?' => tokens.push(Token::One),
                '[' => {
                    let (class, length) =
                        class(rest.as_str()).ok_or_else(|| invalid("a [ has no ] that ends it"))?;
                    tokens.push(class);
                    rest = rest.as_str()[length..].chars();
                }
                other => tokens.extend(other.encode_utf8(&mut [0; 4]).bytes().map(Token::Byte)),
            }
        }
        Ok(Self { text: text.to_owned(), tokens, fold: false })
    }
}

/// What stands between `[` and `]`, and the bytes that were used. As shells have it, a `]` that comes first is one of
/// the characters.
fn class(text: &str) -> Option<(Token, usize)> {
    let inverted = text.starts_with(['!', '^']);
    let body = &text[usize::from(inverted)..];
    let first = body.chars().next()?;
    let end = first.len_utf8() + body[first.len_utf8()..].find(']')?;
    let mut ranges = Vec::new();
    let mut characters = body[..end].chars().peekable();
    while let Some(low) = characters.next() {
        let mut ahead = characters.clone();
        match (ahead.next(), ahead.next()) {
            (Some('-'), Some(high)) => {
                ranges.push((low, high));
                characters = ahead;
            }
            _ => ranges.push((low, low)),
        }
    }
    Some((Token::Class { ranges, inverted }, usize::from(inverted) + end + 1))
}

impl fmt::Display for Glob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn matches(glob: &str, text: &str) -> bool {
        glob.parse::<Glob>().unwrap().matches(text.as_bytes())
    }

    #[test]
    fn stars_marks_and_classes() {
        for (glob, yes, no) in [
            ("/", &["/"][..], &["", "//", "/a"][..]),
            ("/a*", &["/a", "/ab", "/a/b/c"], &["/b", "a"]),
            ("*.gif", &["/x.gif", ".gif", "/a.gif/b.gif"], &["/x.gift", "/x.GIF"]),
            ("/*/x", &["/a/x", "//x", "/a/b/x"], &["/x", "/a/x/"]),
            ("*a*b*c*", &["abc", "xaybzc", "aabbcc"], &["acb", "ab"]),
            ("/?", &["/a", "/é"], &["/", "/ab"]),
            ("/[a-c0-9_]", &["/a", "/5", "/_"], &["/d", "/", "/ab"]),
            ("/[!a-c]", &["/d", "/é"], &["/a", "/"]),
            ("/[é-ü]", &["/ö"], &["/a"]),
            ("[*]", &["*"], &["a"]),
            ("[[]", &["["], &["]"]),
            ("[]a]", &["]", "a"], &["b"]),
            ("[a-]", &["-", "a"], &["b"]),
            ("*", &["", "anything"], &[]),
        ] {
            yes.iter().for_each(|text| assert!(matches(glob, text), "{glob} {text}"));
            no.iter().for_each(|text| assert!(!matches(glob, text), "{glob} {text}"));
        }
        for glob in ["", "[", "[]", "/[a", "[!"] {
            assert!(glob.parse::<Glob>().is_err(), "{glob}");
        }
        assert!("/?x".parse::<Glob>().unwrap().matches(b"/\xFFx"));
        let host = "*.NASA.[g]ov".parse::<Glob>().unwrap().ignoring_case();
        assert!(host.matches(b"www.nasa.GOV") && !host.matches(b"www.nasa.com"));
    }

    #[test]
    fn many_stars_come_to_an_end() {
        let glob: Glob = format!("{}b", "*a".repeat(50)).parse().unwrap();
        assert!(!glob.matches("a".repeat(5_000).as_bytes()));
    }

    proptest! {
        /// The library's own matcher, on what both call a pattern.
        #[test]
        fn as_the_library_has_it(glob in "[ab*?/]{1,8}", text in "[ab/é]{0,10}") {
            prop_assume!(!glob.contains("**"));
            let library = glob::Pattern::new(&glob).unwrap();
            prop_assert_eq!(matches(&glob, &text), library.matches(&text));
        }
    }
}
