use super::*;
use crate::format::Segment;
use proptest::prelude::*;

fn format(text: &str) -> LogFormat {
    text.parse().unwrap_or_else(|error| panic!("{text}: {error}"))
}

fn names(text: &str) -> Vec<String> {
    format(text).columns().map(|column| column.name.to_string()).collect()
}

fn kinds(text: &str) -> Vec<FieldKind> {
    format(text).fields().map(|field| field.kind).collect()
}

fn error(text: &str) -> (u64, String) {
    let error = parse(text).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Format);
    assert!(error.hint().is_some(), "{error}");
    (error.offset().unwrap(), error.message().to_owned())
}

#[test]
fn built_in_formats_are_what_their_strings_say() {
    for name in LogFormat::BUILT_IN {
        let known = LogFormat::built_in(name).unwrap();
        let parsed = parse(known.pattern()).unwrap();
        assert_eq!(parsed.segments(), known.segments(), "{name}");
        assert_eq!((parsed.name(), parsed.to_string()), (name, name.to_owned()));
    }
}

#[test]
fn every_directive_has_its_column() {
    use crate::schema::ColumnType::{Int32, Int64, Text, Timestamp};
    for (directive, kind, column, column_type) in [
        ("%h", FieldKind::Host, "host", Text),
        ("%{c}h", FieldKind::Host, "host", Text),
        ("%a", FieldKind::Host, "host", Text),
        ("%{c}a", FieldKind::Host, "host", Text),
        ("%A", FieldKind::Text, "local_addr", Text),
        ("%B", FieldKind::Bytes, "bytes", Int64),
        ("%b", FieldKind::Bytes, "bytes", Int64),
        ("%{JSESSIONID}C", FieldKind::Text, "cookie_jsessionid", Text),
        ("%D", FieldKind::Integer, "duration_us", Int64),
        ("%{HTTPS}e", FieldKind::Text, "env_https", Text),
        ("%f", FieldKind::Text, "filename", Text),
        ("%H", FieldKind::Text, "protocol", Text),
        ("%{Referer}i", FieldKind::Text, "referer", Text),
        ("%{User-Agent}i", FieldKind::Text, "user_agent", Text),
        ("%{User-agent}i", FieldKind::Text, "user_agent", Text),
        ("%{X-Header}i", FieldKind::Text, "x_header", Text),
        ("%{Host}i", FieldKind::Text, "http_host", Text),
        ("%k", FieldKind::Integer, "keepalive_requests", Int32),
        ("%l", FieldKind::Text, "ident", Text),
        ("%L", FieldKind::Text, "log_id", Text),
        ("%{c}L", FieldKind::Text, "connection_log_id", Text),
        ("%m", FieldKind::Text, "method", Text),
        ("%{rid}n", FieldKind::Text, "note_rid", Text),
        ("%{Content-Type}o", FieldKind::Text, "response_content_type", Text),
        ("%p", FieldKind::Integer, "port", Int32),
        ("%{canonical}p", FieldKind::Integer, "port", Int32),
        ("%{local}p", FieldKind::Integer, "local_port", Int32),
        ("%{remote}p", FieldKind::Integer, "remote_port", Int32),
        ("%P", FieldKind::Integer, "pid", Int64),
        ("%{pid}P", FieldKind::Integer, "pid", Int64),
        ("%{tid}P", FieldKind::Integer, "tid", Int64),
        ("%{hextid}P", FieldKind::Text, "tid_hex", Text),
        ("%q", FieldKind::Query, "query", Text),
        ("%r", FieldKind::Request, "method", Text),
        ("%R", FieldKind::Text, "handler", Text),
        ("%s", FieldKind::Status, "status", crate::schema::ColumnType::Int16),
        ("%>s", FieldKind::Status, "status", crate::schema::ColumnType::Int16),
        ("%<s", FieldKind::Status, "status", crate::schema::ColumnType::Int16),
        ("%t", FieldKind::ClfTime, "ts", Timestamp),
        ("%{}t", FieldKind::ClfTime, "ts", Timestamp),
        ("%{begin}t", FieldKind::ClfTime, "ts", Timestamp),
        ("%{end}t", FieldKind::ClfTime, "ts", Timestamp),
        ("%{sec}t", FieldKind::EpochTime(0), "ts", Timestamp),
        ("%{msec}t", FieldKind::EpochTime(3), "ts", Timestamp),
        ("%{usec}t", FieldKind::EpochTime(6), "ts", Timestamp),
        ("%{begin:usec}t", FieldKind::EpochTime(6), "ts", Timestamp),
        ("%{end:sec}t", FieldKind::EpochTime(0), "ts", Timestamp),
        ("%{msec_frac}t", FieldKind::Integer, "ts_msec_frac", Int32),
        ("%{usec_frac}t", FieldKind::Integer, "ts_usec_frac", Int32),
        ("%{%d/%b/%Y:%T %z}t", FieldKind::ClfTime, "ts", Timestamp),
        ("%{begin:%F}t", FieldKind::Text, "ts_text", Text),
        ("%{%H}t", FieldKind::Text, "ts_text", Text),
        ("%T", FieldKind::Integer, "duration_s", Int64),
        ("%{s}T", FieldKind::Integer, "duration_s", Int64),
        ("%{ms}T", FieldKind::Integer, "duration_ms", Int64),
        ("%{us}T", FieldKind::Integer, "duration_us", Int64),
        ("%^FB", FieldKind::Integer, "ttfb_us", Int64),
        ("%u", FieldKind::User, "authuser", Text),
        ("%U", FieldKind::Text, "path", Text),
        ("%v", FieldKind::Host, "vhost", Text),
        ("%V", FieldKind::Host, "vhost", Text),
        ("%X", FieldKind::Host, "connection_status", Text),
        ("%I", FieldKind::Bytes, "bytes_received", Int64),
        ("%O", FieldKind::Bytes, "bytes_sent", Int64),
        ("%S", FieldKind::Bytes, "bytes_transferred", Int64),
        ("%{Sum}^ti", FieldKind::Text, "trailer_sum", Text),
        ("%{Sum}^to", FieldKind::Text, "response_trailer_sum", Text),
        ("%{SSL_PROTOCOL}x", FieldKind::Text, "ssl_protocol", Text),
        ("%{cipher}c", FieldKind::Text, "ssl_cipher", Text),
        ("%z", FieldKind::Text, "directive_z", Text),
        ("%{Odd-One}M", FieldKind::Text, "directive_m_odd_one", Text),
    ] {
        let format = format(directive);
        let field = format.fields().next().unwrap();
        let first = &field.columns[0];
        assert_eq!(
            (field.kind, first.name.as_ref(), first.column_type),
            (kind, column, column_type),
            "{directive}"
        );
        assert!(format.columns().all(|column| !column.doc.is_empty() && !column.doc.contains("NAME")));
    }
}

#[test]
fn a_header_may_have_the_name_of_a_placeholder() {
    assert_eq!(names("%{NAME}i %{NAME}C"), ["name", "cookie_name"]);
}

#[test]
fn a_request_and_a_time_give_several_columns() {
    assert_eq!(
        names("%h %t \"%r\" %>s"),
        ["host", "ts", "tz_offset", "method", "path", "query", "protocol", "status"]
    );
    let brackets = format("%t");
    assert!(
        matches!(brackets.segments(), [Segment::Literal(open), Segment::Field(_), Segment::Literal(close)]
        if open == b"[" && close == b"]")
    );
}

#[test]
fn names_go_to_who_has_the_better_claim() {
    for (text, expected) in [
        ("%a %h", vec!["remote_addr", "host"]),
        ("%{c}a %a", vec!["peer_addr", "host"]),
        ("%h %a %{c}a", vec!["host", "remote_addr", "peer_addr"]),
        ("%s %>s", vec!["original_status", "status"]),
        ("%>s %<s", vec!["status", "original_status"]),
        ("%u %<u", vec!["authuser", "original_authuser"]),
        ("%D %>D", vec!["duration_us", "final_duration_us"]),
        ("%>D", vec!["duration_us"]),
        ("%V %v", vec!["server_name", "vhost"]),
        ("%m \"%r\"", vec!["request_method", "method", "path", "query", "protocol"]),
        (
            "%U %q %H %r",
            vec!["url_path", "query_string", "request_protocol", "method", "path", "query", "protocol"],
        ),
        ("%{end:msec}t %t", vec!["ts_end", "ts", "tz_offset"]),
        ("%t %{end}t", vec!["ts", "tz_offset", "ts_end", "tz_offset_end"]),
        ("%{msec}t %t", vec!["ts_msec", "ts", "tz_offset"]),
        ("%{msec_frac}t %{end:msec_frac}t", vec!["ts_msec_frac", "ts_end_msec_frac"]),
        ("%b %b %B", vec!["bytes", "bytes_2", "bytes_3"]),
        ("%D %{us}T", vec!["duration_us", "duration_us_2"]),
        ("%b %O", vec!["bytes", "bytes_sent"]),
        ("%{X}i %{x}i %{X_2}i", vec!["x", "x_2", "x_2_2"]),
    ] {
        assert_eq!(names(text), expected, "{text}");
    }
    // The client is always there under its own name, another address may not be.
    let both = format("%h %a");
    assert_eq!(both.columns().map(|column| column.nullable).collect::<Vec<_>>(), [false, true]);
}

#[test]
fn what_belongs_together_is_one_field() {
    for (text, kind, expected) in [
        ("%v:%p", FieldKind::VhostPort, vec!["vhost", "vhost_port"]),
        ("%V:%p", FieldKind::VhostPort, vec!["vhost", "vhost_port"]),
        ("%v:%{local}p", FieldKind::VhostPort, vec!["vhost", "vhost_port"]),
        ("%a:%{remote}p", FieldKind::VhostPort, vec!["host", "remote_port"]),
        ("%{sec}t.%{usec_frac}t", FieldKind::EpochTime(0), vec!["ts"]),
        ("%U%q", FieldKind::Target, vec!["path", "query"]),
        ("%{Host}i%U%q", FieldKind::Text, vec!["url"]),
        ("%V%U", FieldKind::Text, vec!["url"]),
    ] {
        assert_eq!(
            (kinds(text), names(text)),
            (vec![kind], expected.iter().map(|&name| name.into()).collect()),
            "{text}"
        );
    }
    assert_eq!(names("%{sec}t.%{msec_frac}t %{end:sec}t.%{end:msec_frac}t"), ["ts", "ts_end"]);
    assert_eq!(names("x %b \"%v:%p\""), ["bytes", "vhost", "vhost_port"]);
    assert_eq!(names("%V:%p %v"), ["server_name", "port", "vhost"]);
    assert_eq!(names("%v: %p"), ["vhost", "port"]);
    assert_eq!(names("%!200v:%p"), ["vhost", "port"]);
    assert_eq!(names("%m %U%q %H"), ["method", "path", "query", "protocol"]);
    assert_eq!(names("%r %U%q"), ["method", "path", "query", "protocol", "url_path", "query_string"]);
}

#[test]
fn conditions_make_a_field_optional() {
    assert_eq!(names("%400,501{User-agent}i"), ["user_agent"]);
    assert_eq!(names("%!200,304,302{Referer}i"), ["referer"]);
    assert_eq!(kinds("%!200h %{X}!400i %400!<s"), [FieldKind::Text, FieldKind::Text, FieldKind::Status]);
    assert!(format("%200h").columns().all(|column| column.nullable));
    // A dash is no time, and has no brackets.
    let time = format("%!200t");
    assert_eq!((time.segments().len(), time.has_time()), (1, false));
    assert_eq!(kinds("%200{msec}t"), [FieldKind::Text]);
    assert_eq!(kinds("%200{%s}t"), [FieldKind::Text]);
}

#[test]
fn times_of_strftime() {
    assert_eq!(format("%h [%{%d/%b/%Y:%H:%M:%S %z}t]").segments(), format("%h %t").segments());
    assert_eq!(format("%h %{[%d/%b/%Y:%T %z]}t").segments(), format("%h %t").segments());
    assert_eq!(names("[%{%F %T}t] %b"), ["ts_text", "bytes"]);
    assert_eq!(names("%{%F %T}t %b"), ["ts_text", "ts_text_2", "bytes"]);
    assert_eq!(kinds("%{%FT%T%z}t"), [FieldKind::IsoTime]);
}

#[test]
fn escapes_and_literals() {
    let literals = |text: &str| -> Vec<Vec<u8>> {
        format(text)
            .segments()
            .iter()
            .filter_map(|segment| match segment {
                Segment::Literal(bytes) => Some(bytes.clone()),
                Segment::Field(_) => None,
            })
            .collect()
    };
    assert_eq!(literals(r#"\"%b\" 100%%\t\\x\y é"#), [&b"\""[..], "\" 100%\t\\x\\y é".as_bytes()]);
    assert_eq!(literals(r"%b\n"), Vec::<Vec<u8>>::new());
    assert_eq!(literals("%b;\r\n\n"), [b";"]);
    assert_eq!(literals("$x %b"), [b"$x "]);
    assert_eq!(parse(r#"%h %l %u %t \"%r\" %>s %b"#).unwrap(), LogFormat::common());
}

#[test]
fn whole_lines_of_a_configuration() {
    for text in [
        r#"LogFormat "%h %l %u %t \"%r\" %>s %b \"%{Referer}i\" \"%{User-Agent}i\"" combined"#,
        "    LogFormat \"%h %l %u %t \\\"%r\\\" %>s %b \\\"%{Referer}i\\\" \\\"%{User-Agent}i\\\"\"\t combined\r\n",
        "logformat '%h %l %u %t \"%r\" %>s %b \"%{Referer}i\" \"%{User-Agent}i\"' \"my name\"",
        r#"LogFormat "%h %l %u %t \"%r\" %>s %b \"%{Referer}i\" \"%{User-Agent}i\"""#,
        r#" "%h %l %u %t \"%r\" %>s %b \"%{Referer}i\" \"%{User-Agent}i\"" "#,
    ] {
        let format = format(text);
        assert_eq!(format, LogFormat::combined(), "{text}");
        assert_eq!((format.name(), format.pattern()), ("combined", text));
    }
    assert_eq!(format("LogFormat %h%%%b agent").fields().count(), 2);
    // As it stands: the quotes are part of every line.
    assert_eq!(format(r#""%h""#).segments().len(), 3);
}

#[test]
fn errors_say_where() {
    for (text, offset, message) in [
        ("%h %", 3, "the format ends in the middle of a directive"),
        ("%h %>", 3, "the format ends in the middle of a directive"),
        ("%h %{Referer", 4, "a brace is opened and never closed"),
        ("%h %400,{x", 8, "a brace is opened and never closed"),
        ("%h % b", 4, "' ' is no directive of Apache's LogFormat"),
        ("%h é%é", 6, "'é' is no directive of Apache's LogFormat"),
        ("%h %^f", 4, "'^' is no directive of Apache's LogFormat"),
        ("%h %{ns}T", 3, "%T knows no \"ns\""),
        ("%{other}p", 0, "%p knows no \"other\""),
        ("%{x}a", 0, "%a knows no \"x\""),
        ("%h %i", 3, "%i does not say what of"),
        ("%h %{}o", 3, "%o does not say what of"),
        ("%h%l", 2, "nothing separates %h and %l"),
        ("%>s%b", 3, "nothing separates %>s and %b"),
        (r"%h\n%b", 2, "the format writes records of several lines"),
        ("%h\nx", 2, "the format writes records of several lines"),
        (r#"LogFormat "%h %l"#, 10, "the format string has no end"),
        (r#"LogFormat "%h "%r"" x y"#, 15, "something follows the format string and its name"),
        (r#"LogFormat "%h %Z %"  z"#, 17, "the format ends in the middle of a directive"),
    ] {
        assert_eq!(error(text), (offset, message.to_owned()), "{text}");
    }
    assert!(parse("%%").unwrap_err().message().contains("names no field"));
    assert!(parse("%{ns}T").unwrap_err().hint().unwrap().contains("%{ms}T"));
    assert!(parse(&"%h ".repeat(513)).unwrap_err().message().contains("more than 512"));
    assert_eq!(parse(&"%h ".repeat(512)).unwrap().fields().count(), 512);
}

#[test]
fn lines_fit_the_strings_that_write_them() {
    for (text, line) in [
        (
            "%v:%p %h %l %u %t \"%r\" %>s %O",
            "a.example:443 ::1 - - [01/Jul/1995:00:00:01 -0400] \"GET / HTTP/1.0\" 200 9",
        ),
        ("%a %m %U%q %H %s %>s %I %O %D", "192.0.2.1 GET /a?b=c HTTP/1.1 301 200 90 1234 567"),
        ("%h %{%F %T}t %X %{ms}T %k", "h 1995-07-01 00:00:01 - 12 0"),
        ("[%{%d/%b/%Y:%T %z}t] %{sec}t.%{msec_frac}t %P", "[01/Jul/1995:00:00:01 -0400] 804571201.042 4711"),
        ("%h:%{remote}p %A:%{local}p %R", "2001:db8::1:50000 192.0.2.2:80 -"),
        ("%t %400,501{User-agent}i %!200{Referer}i", "[01/Jul/1995:00:00:01 -0400] - -"),
        ("%{%FT%T%z}t %b", "1995-07-01T00:00:01-0400 1"),
        ("%{Host}i%U%q|%b", "example.org/a?b|-"),
    ] {
        assert!(format(text).fits(line.as_bytes()), "{text}: {line}");
    }
    assert!(!format("%D %b").fits(b"1.5 3"));
}

proptest! {
    #[test]
    fn any_text_is_survived(text in r#"(?s)([ -~é\n]|%[!<>]*\{?[a-zA-Z%:]{0,4}\}?[a-zA-Z^]?|LogFormat |\\.){0,20}"#) {
        if let Ok(format) = parse(&text) {
            prop_assert!(format.fields().count() > 0);
            for column in format.columns() {
                prop_assert!(column.name.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_')));
            }
        }
        let _ = text.parse::<LogFormat>();
    }
}
