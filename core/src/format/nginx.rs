//! nginx `log_format` strings: `$remote_addr - $remote_user [$time_local] "$request" $status $body_bytes_sent`.
//!
//! A variable is a `$` and a name, in braces or not; everything else stands in every line. What each becomes is a row
//! of the table; any other is text named after itself. nginx writes a `-` between `$remote_addr` and `$remote_user`
//! where Apache writes the identity: it is read as that, so that both servers' combined logs have the same columns.
//! `$server_name:$server_port`, `$uri$is_args$args` and `$host$request_uri` are one field each, as they are logged.

use nom::branch::alt;
use nom::bytes::complete::{is_not, tag, take_while1};
use nom::character::complete::{char, multispace0, multispace1};
use nom::combinator::{all_consuming, map, opt};
use nom::multi::many1;
use nom::sequence::{delimited, preceded, terminated};
use nom::{Offset, Parser};

use super::LogFormat;
use super::draft::{Claim, Draft, Parsed, escape, quoted};
use super::table::Family;
use crate::error::{Error, ErrorKind, Result};

/// Whether a text is a directive of a configuration, not only the string.
pub(super) fn is_directive(text: &str) -> bool {
    keyword(text).is_ok()
}

pub(super) fn parse(text: &str) -> Result<LogFormat> {
    let mut draft = Draft::new(text);
    for piece in pieces(text)? {
        let end = text.offset(piece) + piece.len();
        let mut rest = piece;
        while !rest.is_empty() {
            let at = end - rest.len();
            let (after, token) = token(rest).map_err(|_| no_variable(rest, at))?;
            match token {
                Token::Text(text) => draft.literal(at, text.as_bytes())?,
                Token::Byte(byte) => draft.literal(at, &[byte])?,
                Token::Variable(name) => draft.field(claim(at, name))?,
            }
            rest = after;
        }
    }
    draft.finish()
}

fn keyword(text: &str) -> Parsed<'_, &str> {
    preceded(multispace0, terminated(tag("log_format"), multispace1)).parse(text)
}

/// A word without quotes.
fn word(input: &str) -> Parsed<'_, &str> {
    is_not(" \t\r\n;'\"").parse(input)
}

/// The strings that make up the format: what was given, or the arguments of a `log_format` directive.
fn pieces(text: &str) -> Result<Vec<&str>> {
    let Ok((arguments, _)) = keyword(text) else { return Ok(vec![text]) };
    let method =
        preceded(multispace1, preceded(tag("escape="), alt((tag("default"), tag("json"), tag("none")))));
    let piece = preceded(multispace0, alt((quoted, word)));
    let end = (multispace0, opt(char(';')), multispace0);
    // How values are escaped changes nothing: they are kept as logged.
    let directive = preceded((alt((quoted, word)), opt(method), multispace1), terminated(many1(piece), end));
    match all_consuming(directive).parse(arguments) {
        Ok((_, pieces)) => Ok(pieces),
        Err(nom::Err::Error(fault) | nom::Err::Failure(fault)) => Err(fault_at(
            text.offset(fault.input),
            "the log_format directive cannot be read from here on",
        )
        .with_hint(
            "pass one directive, as: log_format main '$remote_addr [$time_local] \"$request\" $status';",
        )),
        Err(nom::Err::Incomplete(_)) => Err(fault_at(text.len(), "the log_format directive is not complete")),
    }
}

fn fault_at(at: usize, message: &str) -> Error {
    Error::new(ErrorKind::Format, message).with_offset(at as u64)
}

enum Token<'a> {
    Text(&'a str),
    Byte(u8),
    Variable(&'a str),
}

fn token(input: &str) -> Parsed<'_, Token<'_>> {
    alt((
        map(is_not("$\\"), Token::Text),
        map(variable, Token::Variable),
        map(escape, Token::Byte),
        map(tag("\\"), Token::Text),
    ))
    .parse(input)
}

fn variable(input: &str) -> Parsed<'_, &str> {
    let name = || take_while1(|character: char| character.is_ascii_alphanumeric() || character == '_');
    preceded(char('$'), alt((delimited(char('{'), name(), char('}')), name()))).parse(input)
}

/// What is wrong with a text that begins with `$` and is no variable.
fn no_variable(rest: &str, at: usize) -> Error {
    if rest.starts_with("${") {
        fault_at(at, "a variable in braces has no name, or no closing brace")
            .with_hint("write it as ${status}")
    } else {
        fault_at(at, "a $ with no variable's name behind it").with_hint(
            "a dollar sign itself cannot be written in a log_format: leave it out, or name the variable",
        )
    }
}

fn claim(at: usize, name: &str) -> Claim {
    // nginx's names are lower case, and it looks them up so.
    let directive = format!("${}", name.to_ascii_lowercase());
    if let Some(row) = Family::Nginx.row(&directive) {
        return Claim::new(at, &directive, row, "");
    }
    let (row, own) = Family::Nginx.template(&directive).expect("the last row takes any name");
    Claim::new(at, &directive, row, own)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::{FieldKind, Segment};
    use proptest::prelude::*;

    const COMBINED: &str = r#"$remote_addr - $remote_user [$time_local] "$request" $status $body_bytes_sent "$http_referer" "$http_user_agent""#;

    fn format(text: &str) -> LogFormat {
        text.parse().unwrap_or_else(|error| panic!("{text}: {error}"))
    }

    fn names(text: &str) -> Vec<String> {
        format(text).columns().map(|column| column.name.to_string()).collect()
    }

    #[test]
    fn stock_formats_are_the_built_in_ones() {
        assert_eq!(format(COMBINED), LogFormat::combined());
        assert_eq!(format(COMBINED).name(), "combined");
        let main = format!("{COMBINED} \"$http_x_forwarded_for\"");
        assert_eq!((format(&main), format(&main).name()), (LogFormat::nginx_main(), "nginx_main"));
        let vhost = format!("$host:$server_port {COMBINED}");
        assert_eq!(format(&vhost), LogFormat::vhost_combined());
        let braces = COMBINED.replace("$status", "${status}").replace("$request\"", "${REQUEST}\"");
        assert_eq!(format(&braces), LogFormat::combined());
    }

    #[test]
    fn every_variable_has_its_column() {
        use crate::schema::ColumnType::{Int16, Int32, Int64, Text, Timestamp};
        for (variable, kind, column, column_type) in [
            ("remote_addr", FieldKind::Host, "host", Text),
            ("remote_port", FieldKind::Integer, "remote_port", Int32),
            ("remote_user", FieldKind::User, "authuser", Text),
            ("time_local", FieldKind::ClfTime, "ts", Timestamp),
            ("time_iso8601", FieldKind::IsoTime, "ts", Timestamp),
            ("msec", FieldKind::EpochTime(0), "ts", Timestamp),
            ("request", FieldKind::Request, "method", Text),
            ("request_method", FieldKind::Text, "method", Text),
            ("request_uri", FieldKind::Target, "path", Text),
            ("uri", FieldKind::Text, "path", Text),
            ("document_uri", FieldKind::Text, "path", Text),
            ("args", FieldKind::Text, "query", Text),
            ("query_string", FieldKind::Text, "query", Text),
            ("server_protocol", FieldKind::Text, "protocol", Text),
            ("status", FieldKind::Status, "status", Int16),
            ("body_bytes_sent", FieldKind::Bytes, "bytes", Int64),
            ("bytes_sent", FieldKind::Bytes, "bytes_sent", Int64),
            ("request_length", FieldKind::Bytes, "request_length", Int64),
            ("request_time", FieldKind::Millis, "request_time_ms", Int64),
            ("connection_time", FieldKind::Millis, "connection_time_ms", Int64),
            ("session_time", FieldKind::Millis, "session_time_ms", Int64),
            ("upstream_response_time", FieldKind::Text, "upstream_response_time", Text),
            ("upstream_status", FieldKind::Text, "upstream_status", Text),
            ("upstream_http_x_id", FieldKind::Text, "upstream_http_x_id", Text),
            ("http_referer", FieldKind::Text, "referer", Text),
            ("http_user_agent", FieldKind::Text, "user_agent", Text),
            ("http_x_forwarded_for", FieldKind::Text, "x_forwarded_for", Text),
            ("http_host", FieldKind::Text, "http_host", Text),
            ("http_date", FieldKind::Text, "date_", Text),
            ("http_", FieldKind::Text, "http", Text),
            ("sent_http_content_type", FieldKind::Text, "response_content_type", Text),
            ("sent_trailer_x", FieldKind::Text, "response_trailer_x", Text),
            ("cookie_sid", FieldKind::Text, "cookie_sid", Text),
            ("arg_q", FieldKind::Text, "arg_q", Text),
            ("host", FieldKind::Text, "vhost", Text),
            ("server_name", FieldKind::Text, "vhost", Text),
            ("server_addr", FieldKind::Text, "local_addr", Text),
            ("server_port", FieldKind::Integer, "port", Int32),
            ("connection", FieldKind::Integer, "connection", Int64),
            ("connection_requests", FieldKind::Integer, "connection_requests", Int64),
            ("pid", FieldKind::Integer, "pid", Int64),
            ("pipe", FieldKind::Text, "pipe", Text),
            ("scheme", FieldKind::Text, "scheme", Text),
            ("ssl_protocol", FieldKind::Text, "ssl_protocol", Text),
            ("ssl_client_s_dn", FieldKind::Text, "ssl_client_s_dn", Text),
            ("gzip_ratio", FieldKind::Text, "gzip_ratio", Text),
            ("request_id", FieldKind::Text, "request_id", Text),
            ("geoip_country_code", FieldKind::Text, "geoip_country_code", Text),
            ("my_own", FieldKind::Text, "my_own", Text),
            ("bytes", FieldKind::Text, "var_bytes", Text),
            ("user", FieldKind::Text, "user_", Text),
            ("1", FieldKind::Text, "var_1", Text),
            ("_", FieldKind::Text, "var", Text),
        ] {
            let format = format(&format!("${variable}"));
            let field = format.fields().next().unwrap();
            let first = &field.columns[0];
            assert_eq!(
                (field.kind, first.name.as_ref(), first.column_type),
                (kind, column, column_type),
                "{variable}"
            );
            assert!(format.columns().all(|column| !column.doc.is_empty() && !column.doc.contains("NAME")));
        }
    }

    #[test]
    fn names_go_to_who_has_the_better_claim() {
        for (text, expected) in [
            ("$host $server_name", vec!["request_host", "vhost"]),
            ("$msec [$time_local]", vec!["ts_msec", "ts", "tz_offset"]),
            ("$time_iso8601 $msec", vec!["ts", "tz_offset", "ts_msec"]),
            ("$time_iso8601 [$time_local]", vec!["ts_iso8601", "tz_offset", "ts", "tz_offset_2"]),
            ("$uri $request_uri", vec!["uri", "path", "query"]),
            ("$args $query_string", vec!["query", "query_string"]),
            (
                "\"$request\" $request_method $args",
                vec!["method", "path", "query", "protocol", "request_method", "args"],
            ),
        ] {
            assert_eq!(names(text), expected, "{text}");
        }
    }

    #[test]
    fn what_belongs_together_is_one_field() {
        for (text, expected) in [
            ("$server_name:$server_port", vec!["vhost", "vhost_port"]),
            ("$remote_addr:$remote_port", vec!["host", "remote_port"]),
            ("$uri$is_args$args", vec!["path", "query"]),
            ("$request_uri", vec!["path", "query"]),
            ("$host$request_uri", vec!["url"]),
            ("$scheme://$host$uri$is_args$args", vec!["scheme", "url"]),
            ("https://$http_host$request_uri", vec!["url"]),
        ] {
            assert_eq!(names(text), expected, "{text}");
        }
    }

    #[test]
    fn the_dash_of_an_identity_is_one_between_client_and_user() {
        assert_eq!(
            names("$remote_addr - $remote_user [$time_local]"),
            ["host", "ident", "authuser", "ts", "tz_offset"]
        );
        assert_eq!(names("$remote_addr $remote_user"), ["host", "authuser"]);
        assert_eq!(names("$http_x_forwarded_for - $remote_user"), ["x_forwarded_for", "authuser"]);
        assert_eq!(names("$remote_addr - $status"), ["host", "status"]);
    }

    #[test]
    fn json_is_literals_and_fields() {
        let text = r#"log_format json escape=json '{"time":"$time_iso8601","client":"$remote_addr",' '"status":$status,"rt":$request_time}';"#;
        assert_eq!(names(text), ["ts", "tz_offset", "host", "status", "request_time_ms"]);
        let format = format(text);
        assert_eq!(format.segments()[0], Segment::Literal(br#"{"time":""#.to_vec()));
        assert_eq!(format.segments().last(), Some(&Segment::Literal(b"}".to_vec())));
    }

    #[test]
    fn whole_directives_of_a_configuration() {
        let main = r#"
            log_format  main  '$remote_addr - $remote_user [$time_local] "$request" '
                              '$status $body_bytes_sent "$http_referer" '
                              '"$http_user_agent" "$http_x_forwarded_for"';
        "#;
        assert_eq!(format(main), LogFormat::nginx_main());
        for text in [
            format!("log_format combined '{COMBINED}'"),
            format!("log_format\tcombined\nescape=default '{COMBINED}' ;"),
            format!("log_format combined escape=none \"{}\";", COMBINED.replace('"', "\\\"")),
            COMBINED.replace('"', "\\\""),
            format!("{COMBINED}\n"),
        ] {
            assert_eq!(format(&text), LogFormat::combined(), "{text}");
        }
        assert_eq!(names("log_format x $status;"), ["status"]);
    }

    #[test]
    fn the_sign_that_a_string_holds_says_whose_it_is() {
        assert_eq!(names("$status at 100% $request_time"), ["status", "request_time_ms"]);
        assert_eq!(names("%h costs $5 and %b"), ["host", "bytes"]);
        assert_eq!(names("log_format x '$status %h %b';"), ["status"]);
        assert_eq!(names("LogFormat \"%h $status $uri\" x"), ["host"]);
        // Its own error, not a reading of its directives as literals.
        let error = "%h %{Referer $status".parse::<LogFormat>().unwrap_err();
        assert_eq!(error.offset(), Some(4));
    }

    #[test]
    fn errors_say_where() {
        for (text, offset, message) in [
            ("$status $", 8, "a $ with no variable's name behind it"),
            ("$status $-", 8, "a $ with no variable's name behind it"),
            ("é$ $status", 2, "a $ with no variable's name behind it"),
            ("$status ${uri", 8, "a variable in braces has no name, or no closing brace"),
            ("${}", 0, "a variable in braces has no name, or no closing brace"),
            ("$status$bytes_sent", 7, "nothing separates $status and $bytes_sent"),
            ("$status\n$uri", 7, "the format writes records of several lines"),
            ("log_format x '$status", 13, "the log_format directive cannot be read from here on"),
            (
                "log_format x '$status'; log_format",
                24,
                "the log_format directive cannot be read from here on",
            ),
            ("log_format x '$status ' '$'", 25, "a $ with no variable's name behind it"),
        ] {
            let error = parse(text).unwrap_err();
            assert_eq!(
                (error.kind(), error.offset(), error.message()),
                (ErrorKind::Format, Some(offset), message),
                "{text}"
            );
            assert!(error.hint().is_some(), "{text}");
        }
        assert!(parse("log_format x 'y';").is_err());
        assert!(parse("log_format x;").is_err());
    }

    #[test]
    fn lines_fit_the_strings_that_write_them() {
        for (text, line) in [
            (
                r#"$remote_addr - $remote_user [$time_local] "$request" $status $body_bytes_sent rt=$request_time uct="$upstream_connect_time""#,
                r#"192.0.2.1 - john [01/Jul/1995:00:00:01 -0400] "GET / HTTP/1.1" 200 5 rt=0.042 uct="0.001, 0.002""#,
            ),
            (
                r#"{"t":"$time_iso8601","c":"$remote_addr","s":$status,"u":"$http_user_agent"}"#,
                r#"{"t":"1995-07-01T00:00:01-04:00","c":"::1","s":404,"u":"a \"b\""}"#,
            ),
            (
                "$msec $scheme://$host$request_uri $pipe $gzip_ratio",
                "804571201.042 https://example.org/a?b . -",
            ),
            ("$server_name $remote_addr $uri$is_args$args $server_protocol", " 192.0.2.1 /a?b HTTP/2.0"),
            ("$host:$server_port $connection $connection_requests", "example.org:443 17 3"),
        ] {
            assert!(format(text).fits(line.as_bytes()), "{text}: {line}");
        }
        assert!(!format("$request_time $status").fits(b"1s 200"));
    }

    proptest! {
        #[test]
        fn any_text_is_survived(text in r#"(?s)([ -~é\n]|\$\{?[a-z_0-9]{0,6}\}?|log_format |\\.){0,20}"#) {
            if let Ok(format) = parse(&text) {
                prop_assert!(format.fields().count() > 0);
                for column in format.columns() {
                    prop_assert!(column.name.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_')));
                }
            }
            let _ = text.parse::<LogFormat>();
        }

        #[test]
        fn any_unicode_is_survived(text in any::<String>()) {
            let _ = parse(&text);
            let _ = text.parse::<LogFormat>();
            let _ = format!("%{text}$").parse::<LogFormat>();
        }
    }
}
