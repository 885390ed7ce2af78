//! What every directive of Apache and every variable of nginx becomes: one row each.
//!
//! The rows are what the parsers of format strings look things up in, and what the documentation is printed from.

use super::FieldKind::{
    self, Bytes, ClfTime, EpochTime, Host, Integer, IsoTime, Millis, Query, Request, Status,
};
use super::FieldKind::{Target, Text, User};
use super::name;
use crate::schema::{self, Column, ColumnType};

/// Who writes a kind of format string.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Family {
    /// Apache's `LogFormat`, which other servers write too (lighttpd, for one).
    Apache,
    /// nginx's `log_format`.
    Nginx,
}

impl Family {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::Apache, Self::Nginx];

    /// The server's name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Apache => "apache",
            Self::Nginx => "nginx",
        }
    }

    fn rows(self) -> &'static [Row] {
        match self {
            Self::Apache => APACHE,
            Self::Nginx => NGINX,
        }
    }

    /// The row whose directive is exactly this.
    pub(super) fn row(self, directive: &str) -> Option<&'static Row> {
        self.rows().iter().find(|row| row.directive == directive && !row.is_template())
    }

    /// The row for a directive whose name the format's author chose: the longest prefix before `NAME` that fits, and
    /// the rest as that name.
    pub(super) fn template(self, directive: &str) -> Option<(&'static Row, &str)> {
        let fits = |row: &'static Row| {
            let (before, after) = row.directive.split_once(OWN)?;
            Some((row, before.len(), directive.strip_prefix(before)?.strip_suffix(after)?))
        };
        self.rows()
            .iter()
            .filter_map(fits)
            .max_by_key(|&(_, length, _)| length)
            .map(|(row, _, own)| (row, own))
    }

    /// The directives that differ from this one only in what stands between braces.
    pub(super) fn siblings(self, letter: &str) -> impl Iterator<Item = &'static str> {
        let fits = move |row: &&Row| {
            row.directive.strip_prefix("%{").is_some_and(|rest| rest.ends_with(&format!("}}{letter}")))
        };
        self.rows().iter().filter(fits).map(|row| row.directive)
    }
}

/// What stands in a row for the name that the format's author chose.
const OWN: &str = "NAME";

/// A directive and the columns it gives.
#[derive(Debug)]
pub(super) struct Row {
    /// As it is written: `%D`, `%{us}T`, `%{NAME}i`, `$request_time`, `$http_NAME`.
    pub(super) directive: &'static str,
    pub(super) kind: FieldKind,
    /// Their names and docs may say `NAME`.
    pub(super) columns: &'static [Column],
    /// Where several directives of a format claim a column of the same name, the lowest rank has it.
    pub(super) rank: u8,
    /// What the first column is called where another has its name; empty for a number behind it.
    pub(super) otherwise: &'static str,
}

/// One column of one directive of Apache, or of one variable of nginx.
///
/// ```
/// use nasalogs::format::{Family, directives};
/// let row = directives().find(|row| row.directive == "%D").unwrap();
/// assert_eq!((row.family, row.column), (Family::Apache, "duration_us"));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Directive {
    /// Whose it is.
    pub family: Family,
    /// As it is written; `NAME` stands for a name that the format's author chooses.
    pub directive: &'static str,
    /// What a line holds for it.
    pub kind: FieldKind,
    /// The column's name; `NAME` stands for that name in snake case.
    pub column: &'static str,
    /// What it is called when another directive of the format has a better claim to [`Directive::column`].
    pub otherwise: Option<&'static str>,
    /// Its type.
    pub column_type: ColumnType,
    /// Whether it can be null.
    pub nullable: bool,
    /// What it holds, its unit, and when it is null.
    pub doc: &'static str,
}

/// Every directive that is known, one item for each of its columns.
pub fn directives() -> impl Iterator<Item = Directive> {
    let rows = Family::ALL.into_iter().flat_map(|family| family.rows().iter().map(move |row| (family, row)));
    rows.flat_map(|(family, row)| {
        row.columns.iter().enumerate().map(move |(index, column)| Directive {
            family,
            directive: row.directive,
            kind: row.kind,
            column: &column.name,
            otherwise: (index == 0 && !row.otherwise.is_empty()).then_some(row.otherwise),
            column_type: column.column_type,
            nullable: column.nullable,
            doc: &column.doc,
        })
    })
}

/// Whether a row or a built-in format gives a name to a column, so that a header of that name has to take another.
fn is_taken(column: &str) -> bool {
    column == schema::VHOST_PORT.name
        || column == URL.name
        || directives().any(|row| row.column == column || row.otherwise == Some(column))
}

impl Row {
    fn is_template(&self) -> bool {
        self.directive.contains(OWN)
    }

    /// Its columns for a name that the format's author chose.
    pub(super) fn columns_for(&self, own: &str) -> Vec<Column> {
        let guard = match self.directive {
            "%{NAME}x" => "ssl",
            "$NAME" => "var",
            _ => "http",
        };
        let fill = |column: &Column| {
            if !self.is_template() {
                return column.clone();
            }
            let name = if column.name.contains(OWN) {
                name::column_name(&column.name, own, guard, is_taken)
            } else {
                column.name.to_string()
            };
            // These headers are columns of built-in formats: the same wherever they come from.
            match name.as_str() {
                "referer" => schema::REFERER,
                "user_agent" => schema::USER_AGENT,
                "x_forwarded_for" => schema::X_FORWARDED_FOR,
                _ => Column::dynamic(name, column.column_type, column.doc.replace(OWN, own)),
            }
        };
        self.columns.iter().map(fill).collect()
    }
}

/// What host and target become where a format puts nothing between them.
pub(super) const URL: Column =
    text("url", "host and target, logged with nothing between them; null when `-`");

/// [`schema::VHOST`] where it can be missing: a server of nginx need not have a name, and logs nothing then.
const SERVER: Column = text("vhost", "virtual host that served the request, as logged; null when `-`");

/// A nullable column.
const fn column(name: &'static str, column_type: ColumnType, doc: &'static str) -> Column {
    Column::new(name, column_type, true, doc)
}

const fn text(name: &'static str, doc: &'static str) -> Column {
    column(name, ColumnType::Text, doc)
}

const fn int32(name: &'static str, doc: &'static str) -> Column {
    column(name, ColumnType::Int32, doc)
}

const fn int64(name: &'static str, doc: &'static str) -> Column {
    column(name, ColumnType::Int64, doc)
}

/// `"directive" => Kind [columns]`, then, where another directive may claim the same column, `or rank "name"`.
macro_rules! rows {
    ($($directive:literal => $kind:expr, [$($column:expr),+] $(or $rank:literal $otherwise:literal)?;)+) => {
        &[$(Row {
            directive: $directive,
            kind: $kind,
            columns: &[$($column),+],
            rank: 0 $(+ $rank)?,
            otherwise: concat!("" $(, $otherwise)?),
        }),+]
    };
}

static APACHE: &[Row] = rows! {
    // Who asks, whom, and where
    "%h" => Host, [schema::HOST];
    "%{c}h" => Host, [schema::HOST] or 3 "peer_host";
    "%a" => Host, [schema::HOST] or 1 "remote_addr";
    "%{c}a" => Host, [schema::HOST] or 2 "peer_addr";
    "%l" => Text, [schema::IDENT];
    "%u" => User, [schema::AUTHUSER];
    "%v" => Host, [schema::VHOST];
    "%V" => Host, [schema::VHOST] or 1 "server_name";
    "%A" => Text, [text("local_addr", "server's own address; null when `-`")];
    "%p" => Integer, [int32("port", "canonical port of the server; null when `-`")];
    "%{canonical}p" => Integer, [int32("port", "canonical port of the server; null when `-`")];
    "%{local}p" => Integer, [int32("local_port", "server's port of the connection; null when `-`")];
    "%{remote}p" => Integer, [int32("remote_port", "client's port of the connection; null when `-`")];

    // When
    "%t" => ClfTime, [schema::TS, schema::TZ_OFFSET];
    "%{sec}t" => EpochTime(0), [schema::TS] or 1 "ts_sec";
    "%{msec}t" => EpochTime(3), [schema::TS] or 1 "ts_msec";
    "%{usec}t" => EpochTime(6), [schema::TS] or 1 "ts_usec";
    "%{msec_frac}t" => Integer, [int32("ts_msec_frac", "milliseconds of the time's second, 0 to 999; null when `-`")];
    "%{usec_frac}t" => Integer, [int32("ts_usec_frac", "microseconds of the time's second, 0 to 999999; null when `-`")];
    "%{NAME}t" => Text, [text("ts_text", "time as strftime writes it for `NAME`; null when `-`")];

    // What is asked for
    "%r" => Request, [schema::METHOD, schema::PATH, schema::QUERY, schema::PROTOCOL];
    "%m" => Text, [schema::METHOD] or 1 "request_method";
    "%U" => Text, [schema::PATH] or 1 "url_path";
    "%q" => Query, [schema::QUERY] or 1 "query_string";
    "%H" => Text, [schema::PROTOCOL] or 1 "request_protocol";
    "%{NAME}i" => Text, [text("NAME", "request header NAME; null when `-`")];
    "%{NAME}C" => Text, [text("cookie_NAME", "cookie NAME of the request; null when `-`")];
    "%{NAME}^ti" => Text, [text("trailer_NAME", "trailer NAME of the request; null when `-`")];

    // What is answered
    "%s" => Status, [schema::STATUS];
    "%b" => Bytes, [schema::BYTES];
    "%B" => Bytes, [schema::BYTES];
    "%{NAME}o" => Text, [text("response_NAME", "response header NAME; null when `-`")];
    "%{NAME}^to" => Text, [text("response_trailer_NAME", "trailer NAME of the response; null when `-`")];
    "%I" => Bytes, [int64("bytes_received", "bytes received, with the request's line and headers; null when `-`")];
    "%O" => Bytes, [int64("bytes_sent", "bytes sent, with the response's headers; null when `-`")];
    "%S" => Bytes, [int64("bytes_transferred", "bytes received and sent, with all headers; null when `-`")];

    // How long
    "%D" => Integer, [int64("duration_us", "time taken to serve the request, in microseconds; null when `-`")];
    "%T" => Integer, [int64("duration_s", "time taken to serve the request, in whole seconds; null when `-`")];
    "%{us}T" => Integer, [int64("duration_us", "time taken to serve the request, in microseconds; null when `-`")];
    "%{ms}T" => Integer, [int64("duration_ms", "time taken to serve the request, in milliseconds; null when `-`")];
    "%{s}T" => Integer, [int64("duration_s", "time taken to serve the request, in whole seconds; null when `-`")];
    "%^FB" => Integer, [int64("ttfb_us", "time to the response's first byte, in microseconds; null when `-`")];

    // By what
    "%f" => Text, [text("filename", "file that the request led to; null when `-`")];
    "%R" => Text, [text("handler", "handler that made the response; null when `-`")];
    "%k" => Integer, [int32("keepalive_requests", "requests on the connection before this one; null when `-`")];
    "%L" => Text, [text("log_id", "id of the request in the error log; null when `-`")];
    "%{c}L" => Text, [text("connection_log_id", "id of the connection in the error log; null when `-`")];
    "%P" => Integer, [int64("pid", "process that served the request; null when `-`")];
    "%{pid}P" => Integer, [int64("pid", "process that served the request; null when `-`")];
    "%{tid}P" => Integer, [int64("tid", "thread that served the request; null when `-`")];
    "%{hextid}P" => Text, [text("tid_hex", "thread that served the request, in hexadecimal; null when `-`")];
    // Its `-` is a value, which a text that can be null would lose.
    "%X" => Host, [Column::new("connection_status", ColumnType::Text, false, "connection after the response: `X` aborted before its end, `+` may be kept alive, `-` closed")];
    "%{NAME}n" => Text, [text("note_NAME", "note NAME of a module; null when `-`")];
    "%{NAME}e" => Text, [text("env_NAME", "environment variable NAME; null when `-`")];
    "%{NAME}x" => Text, [text("NAME", "variable NAME of mod_ssl; null when `-`")];
    "%{NAME}c" => Text, [text("ssl_NAME", "NAME of the TLS connection; null when `-`")];
};

static NGINX: &[Row] = rows! {
    // Who asks, whom, and where
    "$remote_addr" => Host, [schema::HOST];
    "$remote_port" => Integer, [int32("remote_port", "client's port; null when `-`")];
    "$remote_user" => User, [schema::AUTHUSER];
    "$realip_remote_port" => Integer, [int32("realip_remote_port", "port of the peer before realip replaced it; null when `-`")];
    "$proxy_protocol_port" => Integer, [int32("proxy_protocol_port", "client's port as the PROXY protocol gives it; null when `-`")];
    "$server_name" => Text, [SERVER];
    "$host" => Text, [SERVER] or 1 "request_host";
    "$server_addr" => Text, [text("local_addr", "server's own address; null when `-`")] or 1 "server_addr";
    "$server_port" => Integer, [int32("port", "port of the server that accepted the request; null when `-`")] or 1 "server_port";

    // When
    "$time_local" => ClfTime, [schema::TS, schema::TZ_OFFSET];
    "$time_iso8601" => IsoTime, [schema::TS, schema::TZ_OFFSET] or 1 "ts_iso8601";
    "$msec" => EpochTime(0), [schema::TS] or 2 "ts_msec";

    // What is asked for
    "$request" => Request, [schema::METHOD, schema::PATH, schema::QUERY, schema::PROTOCOL];
    "$request_method" => Text, [schema::METHOD] or 1 "request_method";
    "$request_uri" => Target, [schema::PATH, schema::QUERY] or 1 "request_uri";
    "$uri" => Text, [schema::PATH] or 2 "uri";
    "$document_uri" => Text, [schema::PATH] or 3 "document_uri";
    "$args" => Text, [schema::QUERY] or 2 "args";
    "$query_string" => Text, [schema::QUERY] or 3 "query_string";
    "$is_args" => Text, [text("is_args", "`?` where the target has a query; null when `-`")];
    "$server_protocol" => Text, [schema::PROTOCOL] or 1 "server_protocol";
    "$scheme" => Text, [text("scheme", "`http` or `https`; null when `-`")];
    "$request_length" => Bytes, [int64("request_length", "bytes received, with the request's line and headers; null when `-`")];
    "$http_NAME" => Text, [text("NAME", "request header NAME; null when `-`")];
    "$cookie_NAME" => Text, [text("cookie_NAME", "cookie NAME of the request; null when `-`")];
    "$arg_NAME" => Text, [text("arg_NAME", "argument NAME of the query; null when `-`")];

    // What is answered
    "$status" => Status, [schema::STATUS];
    "$body_bytes_sent" => Bytes, [schema::BYTES];
    "$bytes_sent" => Bytes, [int64("bytes_sent", "bytes sent, with the response's headers; null when `-`")];
    "$gzip_ratio" => Text, [text("gzip_ratio", "how far the response was compressed, as a decimal number; null when `-`")];
    "$request_completion" => Text, [text("request_completion", "`OK` where the request was completed; null when `-`")];
    "$sent_http_NAME" => Text, [text("response_NAME", "response header NAME; null when `-`")];
    "$sent_trailer_NAME" => Text, [text("response_trailer_NAME", "trailer NAME of the response; null when `-`")];

    // How long
    "$request_time" => Millis, [int64("request_time_ms", "time taken to serve the request, in milliseconds; null when `-`")];
    "$connection_time" => Millis, [int64("connection_time_ms", "age of the connection, in milliseconds; null when `-`")];
    "$session_time" => Millis, [int64("session_time_ms", "length of the session, in milliseconds; null when `-`")];

    // By what. Where several servers were asked, each of these is a list: `0.010, 0.020 : 0.001`.
    "$upstream_addr" => Text, [text("upstream_addr", "addresses of the servers that were asked; null when `-`")];
    "$upstream_status" => Text, [text("upstream_status", "statuses of the servers that were asked; null when `-`")];
    "$upstream_response_time" => Text, [text("upstream_response_time", "seconds until their responses were read; null when `-`")];
    "$upstream_connect_time" => Text, [text("upstream_connect_time", "seconds until they were connected; null when `-`")];
    "$upstream_header_time" => Text, [text("upstream_header_time", "seconds until their headers were read; null when `-`")];
    "$upstream_response_length" => Text, [text("upstream_response_length", "bytes of their responses; null when `-`")];
    "$upstream_bytes_received" => Text, [text("upstream_bytes_received", "bytes received from them; null when `-`")];
    "$upstream_bytes_sent" => Text, [text("upstream_bytes_sent", "bytes sent to them; null when `-`")];
    "$upstream_cache_status" => Text, [text("upstream_cache_status", "how the cache answered, as `HIT`; null when `-`")];
    "$upstream_http_NAME" => Text, [text("upstream_http_NAME", "response header NAME of the server that was asked; null when `-`")];
    "$connection" => Integer, [int64("connection", "serial number of the connection; null when `-`")];
    "$connection_requests" => Integer, [int64("connection_requests", "requests on the connection so far; null when `-`")];
    "$pid" => Integer, [int64("pid", "process that served the request; null when `-`")];
    "$pipe" => Text, [text("pipe", "`p` where the request was pipelined, else `.`; null when `-`")];
    "$request_id" => Text, [text("request_id", "id of the request, in hexadecimal; null when `-`")];
    "$ssl_NAME" => Text, [text("ssl_NAME", "NAME of the TLS connection; null when `-`")];
    "$NAME" => Text, [text("NAME", "nginx's variable NAME; null when `-`")];
};

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::LogFormat;
    use crate::format::name::is_reserved;

    #[test]
    fn every_row_is_reachable_and_well_named() {
        for row in directives() {
            assert!(!row.doc.is_empty() && !row.doc.ends_with('.'), "{}", row.directive);
            for name in std::iter::once(row.column).chain(row.otherwise) {
                let name = name.replace(OWN, "x");
                assert!(!is_reserved(&name), "{name}");
                assert!(name.starts_with(|first: char| first.is_ascii_lowercase()), "{name}");
                assert!(name.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_')), "{name}");
            }
            // What is printed is what a string of it gives.
            let format: LogFormat = row.directive.replace(OWN, "xyz").parse().unwrap();
            let column =
                format.columns().find(|column| column.name == row.column.replace(OWN, "xyz")).unwrap();
            assert_eq!(
                (column.column_type, column.nullable),
                (row.column_type, row.nullable),
                "{}",
                row.directive
            );
            assert_eq!(format.fields().next().unwrap().kind, row.kind, "{}", row.directive);
        }
    }

    #[test]
    fn no_directive_is_listed_twice() {
        for family in Family::ALL {
            for (index, row) in family.rows().iter().enumerate() {
                assert!(
                    family.rows()[index + 1..].iter().all(|other| other.directive != row.directive),
                    "{}",
                    row.directive
                );
            }
        }
    }

    #[test]
    fn columns_of_one_name_have_one_type() {
        for one in directives() {
            for other in directives().filter(|other| other.column == one.column) {
                assert_eq!(other.column_type, one.column_type, "{}", one.column);
            }
        }
    }

    #[test]
    fn nullable_columns_say_when_they_are_null() {
        for row in directives().filter(|row| row.nullable) {
            assert!(row.doc.contains("null when"), "{}: {}", row.directive, row.doc);
        }
    }
}
