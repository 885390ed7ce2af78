//! Which format a sample of lines is in.
//!
//! A line can be readable in more than one built-in format, and only one reading is right: in
//! `example.org 192.0.2.1 - - [time] …` the formats without a virtual host see a client `example.org` whose user is
//! called `- -`. So a line that begins with a virtual host and a client counts only for the formats with one, any
//! other line only for those without, and of two that fit as many lines the more specific wins.

use std::fmt;
use std::net::IpAddr;

use memchr::memmem;

use super::LogFormat;
use crate::chunk::start_of_text;
use crate::decoder::SAMPLE;
use crate::error::{Error, ErrorKind, Result};
use crate::field::text::escape_control;

/// The built-in formats, the more specific first.
const ORDER: [&str; 5] = ["nginx_main", "vhost_combined", "combined", "vhost_common", "common"];

/// How many lines are looked at.
const MOST_LINES: usize = 256;

/// How much of a line an error shows, in bytes.
const SHOWN: usize = 200;

/// What detection found, and how sure it is. Its text says so in one line.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Detection {
    /// The format.
    pub format: LogFormat,
    /// The share of the lines looked at that fit it, from 0 to 1; 0 when there were none.
    pub confidence: f64,
    /// How many lines that are not blank were looked at.
    pub lines: usize,
    /// How many of them fit.
    pub fits: usize,
    /// How many lines read well in each built-in format, in the order in which they are preferred.
    pub candidates: Vec<(LogFormat, usize)>,
}

impl fmt::Display for Detection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.lines == 0 {
            return write!(f, "{}: there is no line to tell by", self.format);
        }
        // Rounded down: not every line fits where it does not say 100.
        let percent = (self.confidence * 100.0).floor();
        write!(f, "{}: {} of {} lines fit ({percent} %)", self.format, self.fits, self.lines)?;
        let others = self.candidates.iter().filter(|(format, fits)| *fits > 0 && *format != self.format);
        for (index, (format, fits)) in others.enumerate() {
            write!(f, "{} {format}: {fits}", if index == 0 { "; others:" } else { "," })?;
        }
        Ok(())
    }
}

impl LogFormat {
    /// Finds the built-in format of a sample of a log's beginning, the more specific first.
    ///
    /// Up to 256 lines that are not blank are looked at, spread over the sample; its last line is left out if it has
    /// no end, since it may be cut. A sample without lines is taken for `common`, with confidence 0.
    ///
    /// ```
    /// use nasalogs::LogFormat;
    /// let found = LogFormat::detect(b"example.org:80 192.0.2.1 - - [01/Jul/1995:00:00:01 -0400] \"GET / HTTP/1.0\" 200 1\n")?;
    /// assert_eq!(found.format, LogFormat::vhost_common());
    /// assert_eq!(found.to_string(), "vhost_common: 1 of 1 lines fit (100 %)");
    /// # Ok::<(), nasalogs::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`ErrorKind::NoRows`] when lines were seen and none fits any format;
    /// [`ErrorKind::Encoding`] when the sample is UTF-16 or, as NUL bytes show, no text.
    pub fn detect(sample: &[u8]) -> Result<Detection> {
        let from = start_of_text(sample)?;
        decide(&sample[from..], LogFormat::fits)
    }

    /// The format that is detected in the beginning of a log; `common` where none fits, so that each line is judged by
    /// itself.
    ///
    /// ```
    /// use nasalogs::LogFormat;
    /// assert_eq!(LogFormat::detect_or_common(b"nonsense\n"), LogFormat::common());
    /// ```
    #[must_use]
    pub fn detect_or_common(log: &[u8]) -> Self {
        let sample = &log[..log.len().min(SAMPLE)];
        Self::detect(sample).map_or_else(|_| Self::common(), |detection| detection.format)
    }
}

/// Detection, given what it means that a line fits.
fn decide(sample: &[u8], fits: impl Fn(&LogFormat, &[u8]) -> bool) -> Result<Detection> {
    let lines = lines(sample);
    let mut candidates: Vec<(LogFormat, usize)> =
        ORDER.into_iter().filter_map(LogFormat::built_in).map(|format| (format, 0)).collect();
    for line in &lines {
        let vhost = begins_with_vhost(line);
        for (format, count) in &mut candidates {
            *count += usize::from(vhost == format.has_vhost() && is_whole(format, line, &fits));
        }
    }
    if lines.is_empty() {
        return Ok(Detection { format: LogFormat::common(), confidence: 0.0, lines: 0, fits: 0, candidates });
    }
    // The first of the best: `max_by_key` would take the last.
    let best = candidates.iter().map(|&(_, count)| count).max().unwrap_or(0);
    match candidates.iter().find(|&&(_, count)| count == best && best > 0) {
        Some((format, _)) => Ok(Detection {
            format: format.clone(),
            confidence: best as f64 / lines.len() as f64,
            lines: lines.len(),
            fits: best,
            candidates,
        }),
        None => Err(unknown(&lines, fits)),
    }
}

impl LogFormat {
    fn has_vhost(&self) -> bool {
        self.name().starts_with("vhost")
    }
}

/// The lines to look at, without their ends.
fn lines(sample: &[u8]) -> Vec<&[u8]> {
    let sample = sample.strip_prefix(b"\xef\xbb\xbf").unwrap_or(sample);
    let is_blank = |line: &&[u8]| line.iter().all(|&byte| byte == b' ');
    let mut all: Vec<&[u8]> = sample.split(|&byte| byte == b'\n').collect();
    // What follows the last line end: a cut line, unless it is all there is.
    let cut = all.pop().unwrap_or_default();
    for line in &mut all {
        *line = line.strip_suffix(b"\r").unwrap_or(line);
    }
    all.retain(|line| !is_blank(line));
    if all.is_empty() {
        all = vec![cut.strip_suffix(b"\r").unwrap_or(cut)];
        all.retain(|line| !is_blank(line));
    }
    let count = all.len();
    if count > MOST_LINES {
        all = (0..MOST_LINES).map(|index| all[index * count / MOST_LINES]).collect();
    }
    all
}

/// Whether a line fits, and no beginning of it does: a user agent can hold anything, also `" rt=0.003 uct="-`, which
/// is no user agent but more fields. The servers that log one put a backslash before a quote in it.
fn is_whole(format: &LogFormat, line: &[u8], fits: impl Fn(&LogFormat, &[u8]) -> bool) -> bool {
    /// How many quotes are taken for the last one.
    const TRIES: usize = 16;
    let is_escaped =
        |quote: usize| line[..quote].iter().rev().take_while(|&&byte| byte == b'\\').count() % 2 == 1;
    fits(format, line)
        && !memmem::rfind_iter(line, b"\" ")
            .filter(|&quote| !is_escaped(quote))
            .take(TRIES)
            .any(|quote| fits(format, &line[..=quote]))
}

/// Whether what stands before the time is a virtual host, a client, an identity and a user, rather than a client,
/// an identity and a user whose name holds blanks.
fn begins_with_vhost(line: &[u8]) -> bool {
    let Some(time) = memmem::find(line, b" [") else { return false };
    let words: Vec<&[u8]> = line[..time].splitn(4, |&byte| byte == b' ').collect();
    let [vhost, client, ident, _user] = words[..] else { return false };
    // A client is always logged; an identity hardly ever is, so a dash here is one, and this is no virtual host.
    if vhost.is_empty() || matches!(client, b"" | b"-") {
        return false;
    }
    has_port(vhost) || ident == b"-" || is_address(client) || is_domain(client)
}

/// Whether it is `name:port`, and not only an IPv6 address.
fn has_port(word: &[u8]) -> bool {
    let Some(colon) = memchr::memrchr(b':', word) else { return false };
    let (name, port) = (&word[..colon], &word[colon + 1..]);
    let is_number = (1..=5).contains(&port.len()) && port.iter().all(u8::is_ascii_digit);
    is_number && !name.is_empty() && !is_address(word)
}

fn is_address(word: &[u8]) -> bool {
    let word = word.strip_prefix(b"[").and_then(|inner| inner.strip_suffix(b"]")).unwrap_or(word);
    std::str::from_utf8(word).is_ok_and(|text| text.parse::<IpAddr>().is_ok())
}

/// Whether it is a host's name of more than one part.
fn is_domain(word: &[u8]) -> bool {
    let is_part = |part: &[u8]| {
        !part.is_empty()
            && part.iter().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
    };
    word.contains(&b'.') && word.strip_suffix(b".").unwrap_or(word).split(|&byte| byte == b'.').all(is_part)
}

/// The error for lines that are in no built-in format: what was expected, what was seen, and what to pass.
fn unknown(lines: &[&[u8]], fits: impl Fn(&LogFormat, &[u8]) -> bool) -> Error {
    let first = lines.first().copied().unwrap_or_default();
    if first.contains(&0) {
        let message = format!("the input is no text: its first line holds NUL bytes: {}", shown(first));
        return Error::new(ErrorKind::Encoding, message)
            .with_hint("unpack it; if it is UTF-16, convert it: iconv -f UTF-16LE -t UTF-8");
    }
    let message = format!(
        "none of {} is in a built-in format; expected, as in {}: host ident user [dd/Mon/yyyy:HH:MM:SS +hhmm] \"request\" status bytes; the first line is: {}",
        match lines.len() {
            1 => "1 line".to_owned(),
            count => format!("{count} lines"),
        },
        LogFormat::common(),
        shown(first)
    );
    Error::new(ErrorKind::NoRows, message)
        .with_hint(guess(first, fits).unwrap_or_else(LogFormat::how_to_name))
}

/// The beginning of a line, safe to print.
pub(crate) fn shown(line: &[u8]) -> String {
    if line.len() <= SHOWN {
        return escape_control(line);
    }
    // Not within a character: what was text stays text.
    let end = (SHOWN - 3..=SHOWN).rev().find(|&end| line[end] & 0xC0 != 0x80).unwrap_or(SHOWN);
    escape_control(&line[..end]) + "…"
}

/// What an unknown line resembles, and what to do about it.
fn guess(line: &[u8], fits: impl Fn(&LogFormat, &[u8]) -> bool) -> Option<String> {
    /// How many beginnings of a line are tried.
    const TRIES: usize = 128;
    if line.starts_with(b"{") {
        return Some("it looks like JSON: pass the log_format or LogFormat string that wrote it".to_owned());
    }
    if line.starts_with(b"#") {
        let hint = "it begins with a comment, as W3C extended logs do; ";
        return Some(hint.to_owned() + &LogFormat::how_to_name());
    }
    let vhost = begins_with_vhost(line);
    let formats = ORDER.into_iter().filter_map(LogFormat::built_in);
    // A format ends with a word or with a quote: whatever follows it begins with a blank.
    formats.filter(|format| format.has_vhost() == vhost).find_map(|format| {
        let end = memchr::memchr_iter(b' ', line).take(TRIES).find(|&end| fits(&format, &line[..end]))?;
        Some(format!(
            "it begins as {format} does, then comes `{}`: pass that format and what follows it, as '{} …'",
            shown(&line[end..]),
            format.pattern()
        ))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const TIME: &str = "[01/Jul/1995:00:00:01 -0400]";

    /// The end of a line in each of the five, after what stands before the time.
    fn line(before: &str, tail: &str) -> String {
        format!("{before} {TIME} \"GET / HTTP/1.0\" 200 1{tail}\n")
    }

    fn detect(lines: &[String]) -> Detection {
        LogFormat::detect(lines.concat().as_bytes()).unwrap()
    }

    fn name(lines: &[String]) -> String {
        detect(lines).format.name().to_owned()
    }

    const COMBINED: &str = " \"-\" \"Mozilla/5.0 (X11)\"";
    const MAIN: &str = " \"-\" \"Mozilla/5.0 (X11)\" \"192.0.2.9, 192.0.2.8\"";

    #[test]
    fn each_built_in_format_is_found() {
        for (before, tail, expected) in [
            ("192.0.2.1 - -", "", "common"),
            ("192.0.2.1 - -", COMBINED, "combined"),
            ("192.0.2.1 - -", MAIN, "nginx_main"),
            ("example.org:443 192.0.2.1 - -", "", "vhost_common"),
            ("example.org:443 192.0.2.1 - -", COMBINED, "vhost_combined"),
        ] {
            let found = detect(&[line(before, tail), line(before, tail)]);
            assert_eq!(found.format.name(), expected);
            assert_eq!((found.lines, found.fits, found.confidence), (2, 2, 1.0));
        }
    }

    #[test]
    fn a_virtual_host_is_told_from_a_client() {
        for (before, vhost) in [
            ("192.0.2.1 - -", false),
            ("alyssa.p - -", false),
            ("192.0.2.1 - frank", false),
            ("192.0.2.1 - John Smith", false),
            ("2001:db8::1 - -", false),
            ("::1 bob John Smith", false),
            ("client bob John Smith", false),
            ("192.0.2.1 - - -", false),
            ("192.0.2.1 bob -", false),
            ("example.org 192.0.2.1 - -", true),
            ("example.org:80 192.0.2.1 - -", true),
            ("example.org:80 client bob frank", true),
            ("localhost 127.0.0.1 - -", true),
            ("localhost ::1 - frank", true),
            ("192.0.2.7 192.0.2.1 - -", true),
            ("[2001:db8::1]:443 2001:db8::2 - -", true),
            ("www client - John Smith", true),
            ("example.org pipe1.nyc.example.net ident John Smith", true),
            ("- 192.0.2.1 - -", true),
        ] {
            assert_eq!(begins_with_vhost(line(before, "").as_bytes()), vhost, "{before}");
        }
        assert!(!begins_with_vhost(b"a b c d"));
        assert!(!begins_with_vhost(b" ["));
    }

    #[test]
    fn the_largest_share_wins() {
        let mut lines = vec![line("192.0.2.1 - -", ""); 7];
        lines.extend(vec![line("192.0.2.1 - -", COMBINED); 13]);
        lines.push("nonsense\n".to_owned());
        let found = detect(&lines);
        assert_eq!((found.format.name(), found.lines, found.fits), ("combined", 21, 13));
        assert_eq!(found.to_string(), "combined: 13 of 21 lines fit (61 %); others: common: 7");
        let counts: Vec<(&str, usize)> =
            found.candidates.iter().map(|(format, fits)| (format.name(), *fits)).collect();
        assert_eq!(
            counts,
            [("nginx_main", 0), ("vhost_combined", 0), ("combined", 13), ("vhost_common", 0), ("common", 7)]
        );
    }

    #[test]
    fn the_more_specific_wins_a_tie() {
        assert_eq!(name(&[line("192.0.2.1 - -", ""), line("192.0.2.1 - -", COMBINED)]), "combined");
        let everything_fits = decide(b"192.0.2.1 - - [x\n", |_, _| true).unwrap();
        assert_eq!(everything_fits.format.name(), "nginx_main");
    }

    #[test]
    fn quotes_within_a_request_or_an_agent_change_nothing() {
        let text = line("192.0.2.1 - -", r#" "-" "a \" rt=1 \"b\" c""#);
        assert_eq!(name(&[text]), "combined");
        let text = line("192.0.2.1 - -", COMBINED).replace("GET / ", "GET /\"x\" y ");
        assert_eq!(name(&[text]), "combined");
        let text = line("192.0.2.1 - -", "").replace("GET / ", "GET /\"x\" 200 1 ");
        assert_eq!(name(&[text]), "common");
    }

    #[test]
    fn a_few_odd_virtual_hosts_do_not_turn_a_log_around() {
        let mut lines = vec![line("example.org 192.0.2.1 - -", ""); 19];
        lines.push(line("odd bob John Smith", ""));
        let found = detect(&lines);
        assert_eq!((found.format.name(), found.fits), ("vhost_common", 19));
    }

    #[test]
    fn lines_without_text_are_no_lines() {
        for sample in ["", "\n", "\n \n  \r\n", " ", "\r", "\u{feff}", "\u{feff}\r\n"] {
            let found = LogFormat::detect(sample.as_bytes()).unwrap();
            assert_eq!(
                (found.format.name(), found.lines, found.confidence),
                ("common", 0, 0.0),
                "{sample:?}"
            );
            assert_eq!(found.to_string(), "common: there is no line to tell by");
        }
    }

    #[test]
    fn a_cut_last_line_is_left_out_unless_it_is_alone() {
        let whole = line("192.0.2.1 - -", COMBINED);
        let found = LogFormat::detect(format!("{whole}{}", &whole[..40]).as_bytes()).unwrap();
        assert_eq!((found.lines, found.fits), (1, 1));
        let found = LogFormat::detect(format!("\n\n{}", whole.trim_end()).as_bytes()).unwrap();
        assert_eq!((found.lines, found.format.name()), (1, "combined"));
    }

    #[test]
    fn line_ends_and_marks_are_not_data() {
        let text = format!("\u{feff}{}", line("192.0.2.1 - -", "").replace('\n', "\r\n"));
        assert_eq!(lines(text.as_bytes()), [line("192.0.2.1 - -", "").trim_end().as_bytes()]);
        let found = LogFormat::detect(text.as_bytes()).unwrap();
        assert_eq!((found.format.name(), found.lines), ("common", 1));
    }

    #[test]
    fn lines_are_spread_over_the_sample() {
        let text: String = (0..10_000).map(|index| format!("{index}\n")).collect();
        let looked_at = lines(text.as_bytes());
        assert_eq!(looked_at.len(), MOST_LINES);
        assert_eq!((looked_at[0], looked_at[MOST_LINES / 2]), (&b"0"[..], &b"5000"[..]));
    }

    fn error(text: &[u8]) -> String {
        let error = LogFormat::detect(text).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NoRows);
        error.to_string()
    }

    #[test]
    fn an_unknown_format_says_what_was_seen_and_what_to_pass() {
        let text = error(b"\x1b[31mhello\n");
        assert!(text.contains(r"the first line is: \x1B[31mhello"), "{text}");
        assert!(text.contains("none of 1 line "), "{text}");
        assert!(text.contains("pass one of common, combined"), "{text}");
        let text = error(&[b"\xc3\xa9".repeat(300), b"\n\n\nx\n".to_vec()].concat());
        assert!(text.contains(&format!("{}…", "é".repeat(SHOWN / 2))), "{text}");
        assert!(text.contains("none of 2 lines "), "{text}");
        assert!(error(b"{\"a\":1}\n").contains("JSON"));
        assert!(error(b"#Version: 1.0\n").contains("W3C"));
    }

    #[test]
    fn what_is_no_text_is_called_so() {
        let error = LogFormat::detect(b"\x7fELF\x02\0\0\n\x01\n").unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Encoding);
        let text = error.to_string();
        assert!(text.contains(r"holds NUL bytes: \x7FELF\x02\x00\x00; unpack it"), "{text}");
        // After a crash a log can begin with NUL bytes; the lines that follow tell what it is.
        let torn = [&[0; 100][..], line("192.0.2.1 - -", "").repeat(2).as_bytes()].concat();
        assert_eq!(LogFormat::detect(&torn).unwrap().fits, 2);
    }

    #[test]
    fn a_known_beginning_is_recognised() {
        let text = error(line("192.0.2.1 - -", &format!("{COMBINED} rt=0.003 uct=\"-\"")).as_bytes());
        assert!(text.contains(r#"it begins as combined does, then comes ` rt=0.003 uct="-"`"#), "{text}");
        assert!(text.contains(r#"as '%h %l %u %t "%r" %>s %b "%{Referer}i" "%{User-Agent}i" …'"#), "{text}");
        let text = error(line("192.0.2.1 - -", &format!("{COMBINED} a=\"b\" c=\"d\"")).as_bytes());
        assert!(text.contains(r#"it begins as combined does, then comes ` a="b" c="d"`"#), "{text}");
        let text = error(line("192.0.2.1 - -", &format!("{MAIN} 0.003")).as_bytes());
        assert!(text.contains("it begins as nginx_main does, then comes ` 0.003`"), "{text}");
        let text = error(line("192.0.2.1 - -", " 1234").as_bytes());
        assert!(text.contains("it begins as common does, then comes ` 1234`"), "{text}");
    }

    proptest! {
        #[test]
        fn any_bytes_are_survived(sample in proptest::collection::vec(any::<u8>(), 0..2000)) {
            let _ = decide(&sample, |format, line| line.len() % 2 == format.name().len() % 2);
            let _ = LogFormat::detect(&sample);
        }
    }
}
