//! JSON objects, one for each line that is a row.

use std::collections::VecDeque;
use std::io::Write;

use bytes::Bytes;

use super::encode::{Line, Refusal, extend, follows};
use super::option::EncodeOptions;
use super::record::{LineId, Span, StreamRecord};
use crate::field::date::{DAY_MS, TimeFormatter};
use crate::field::time::civil_from_days;
use crate::format::LogFormat;
use crate::naming::Names;
use crate::parse::line::LineParser;
use crate::record::{Record, Value};
use crate::reject::RejectReason;

/// Fills records with objects.
#[derive(Debug)]
pub(super) struct ObjectBuilder {
    options: EncodeOptions,
    writer: ObjectWriter,
    text: Vec<u8>,
    object: Vec<u8>,
    key: String,
    span: Option<Span>,
}

impl ObjectBuilder {
    pub(super) fn new(options: &EncodeOptions) -> Self {
        Self {
            writer: ObjectWriter::new(&options.format, options.names),
            options: options.clone(),
            text: Vec::new(),
            object: Vec::new(),
            key: String::new(),
            span: None,
        }
    }

    pub(super) fn span(&self) -> Option<Span> {
        self.span
    }

    pub(super) fn push(
        &mut self,
        line: &Line<'_>,
        ready: &mut VecDeque<StreamRecord>,
    ) -> Result<(), Refusal> {
        self.object.clear();
        self.writer.write(line, &mut self.object).map_err(Refusal::NoRow)?;
        let next = self.span.map_or(0, |span| span.end);
        let fits = self.text.len() + self.object.len() + self.key.len() <= self.options.max_record;
        if !fits || !follows(self.span, line, next) {
            ready.extend(self.finish());
        }
        if self.span.is_none() {
            self.key = line.key.map_or_else(|| line.id.to_string(), str::to_owned);
            let (size, limit) = (self.object.len() + self.key.len(), self.options.max_record);
            if size > limit {
                return Err(Refusal::Oversize { size, limit });
            }
        }
        self.text.extend_from_slice(&self.object);
        extend(&mut self.span, line);
        if self.span.is_some_and(|span| span.lines >= self.options.max_objects as u64) {
            ready.extend(self.finish());
        }
        Ok(())
    }

    pub(super) fn finish(&mut self) -> Option<StreamRecord> {
        let span = self.span.take()?;
        let data = Bytes::copy_from_slice(&self.text);
        self.text.clear();
        Some(StreamRecord {
            data,
            partition_key: std::mem::take(&mut self.key),
            explicit_hash_key: self.options.shard.as_ref().map(|range| *range.start()),
            span,
        })
    }
}

/// Writes a line as an object.
#[derive(Debug)]
struct ObjectWriter {
    format: LogFormat,
    parser: LineParser,
    names: Names,
    /// Before each value: the comma or brace, the key, the colon.
    leads: Vec<String>,
    time: TimeFormatter,
}

impl ObjectWriter {
    fn new(format: &LogFormat, names: Names) -> Self {
        let leads = format.columns().enumerate().map(|(number, column)| {
            let key = serde_json::Value::from(column.name.as_ref());
            format!("{}{key}:", if number == 0 { '{' } else { ',' })
        });
        Self {
            format: format.clone(),
            parser: LineParser::new(format),
            names,
            leads: leads.collect(),
            time: TimeFormatter::new(),
        }
    }

    fn write(&mut self, line: &Line<'_>, out: &mut Vec<u8>) -> Result<(), RejectReason> {
        if LineParser::is_blank(line.bytes) {
            return Err(RejectReason::MissingField);
        }
        let record = Record::read(&self.format, &self.parser, line.bytes)?;
        match self.names {
            Names::Nasalogs => self.columns(&record, out),
            Names::Classic => classic(&record, out),
        }
        line_id(line.id, out);
        Ok(())
    }

    fn columns(&mut self, record: &Record<'_>, out: &mut Vec<u8>) {
        for ((_, value), lead) in record.values().zip(&self.leads) {
            out.extend_from_slice(lead.as_bytes());
            match value {
                Value::Timestamp(millis) => string(self.time.format(millis), out),
                value => plain(value, out),
            }
        }
    }
}

/// What classic consumers expect: every key, and a number of bytes.
fn classic(record: &Record<'_>, out: &mut Vec<u8>) {
    let [mut host, mut ts, mut zone, mut method, mut path, mut query, mut protocol, mut status, mut bytes] =
        [Value::Null; 9];
    // To ask for one after the other would take the request apart for each.
    for (column, value) in record.values() {
        let place = match &*column.name {
            "host" => &mut host,
            "ts" => &mut ts,
            "tz_offset" => &mut zone,
            "method" => &mut method,
            "path" => &mut path,
            "query" => &mut query,
            "protocol" => &mut protocol,
            "status" => &mut status,
            "bytes" => &mut bytes,
            _ => continue,
        };
        *place = value;
    }
    out.extend_from_slice(b"{\"ip\":");
    plain(host, out);
    out.extend_from_slice(b",\"timestamp\":");
    match (record.clf_time(), ts.as_int()) {
        (Some(logged), _) => plain(Value::Text(logged), out),
        (None, Some(millis)) => string(&clf(millis, zone.as_int().unwrap_or(0)), out),
        (None, None) => plain(Value::Null, out),
    }
    out.extend_from_slice(b",\"method\":");
    plain(method, out);
    out.extend_from_slice(b",\"url\":");
    match (path.as_bytes(), query.as_bytes()) {
        (Some(path), Some(query)) => plain(Value::Text(&[path, b"?", query].concat()), out),
        _ => plain(path, out),
    }
    out.extend_from_slice(b",\"protocol\":");
    plain(protocol, out);
    out.extend_from_slice(b",\"status_code\":");
    plain(status, out);
    out.extend_from_slice(b",\"bytes\":");
    plain(Value::Int(bytes.as_int().unwrap_or(0)), out);
}

/// A time as Common Log Format writes it, for formats that log it otherwise.
fn clf(millis: i64, tz_offset: i64) -> String {
    const MONTHS: [&str; 12] =
        ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let local = millis.saturating_add(tz_offset * 60_000);
    let (year, month, day) = civil_from_days(local.div_euclid(DAY_MS));
    let second = local.rem_euclid(DAY_MS) / 1000;
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    let (sign, zone) = (if tz_offset < 0 { '-' } else { '+' }, tz_offset.abs());
    let month = MONTHS[month as usize - 1];
    format!(
        "{day:02}/{month}/{year:04}:{hour:02}:{minute:02}:{second:02} {sign}{:02}{:02}",
        zone / 60,
        zone % 60
    )
}

fn line_id(id: LineId, out: &mut Vec<u8>) {
    writeln!(out, ",\"line_id\":\"{id}\"}}").expect("memory takes everything");
}

fn plain(value: Value<'_>, out: &mut Vec<u8>) {
    match (value, value.as_text()) {
        (_, Some(text)) => string(&text, out),
        (Value::Int(number) | Value::Timestamp(number), _) => {
            write!(out, "{number}").expect("memory takes everything");
        }
        _ => out.extend_from_slice(b"null"),
    }
}

fn string(text: &str, out: &mut Vec<u8>) {
    serde_json::to_writer(out, text).expect("memory takes everything, and text is JSON");
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::envelope::SourceId;

    fn object(format: &LogFormat, names: Names, bytes: &[u8]) -> Result<String, RejectReason> {
        let mut writer = ObjectWriter::new(format, names);
        let mut out = Vec::new();
        let id = LineId { source: SourceId(0xAB), offset: 9 };
        writer.write(&Line { bytes, id, end: 10 + bytes.len() as u64, key: None }, &mut out)?;
        Ok(String::from_utf8(out).unwrap())
    }

    const ODD: &[u8] = b"h\"\\ - - [01/Jul/1995:00:00:01 -0400] \"GET /a\xE9?q\x01=\xC3\xA9 HTTP/1.0\" 304 -";

    #[test]
    fn our_names() {
        assert_eq!(
            object(&LogFormat::common(), Names::Nasalogs, ODD).unwrap(),
            concat!(
                r#"{"host":"h\"\\","ident":null,"authuser":null,"ts":"1995-07-01T04:00:01.000Z","tz_offset":-240,"#,
                r#""method":"GET","path":"/a\\xE9","query":"q\u0001=é","protocol":"HTTP/1.0","status":304,"#,
                r#""bytes":null,"line_id":"00000000000000ab-9"}"#,
                "\n"
            )
        );
    }

    #[test]
    fn classic_names() {
        assert_eq!(
            object(&LogFormat::common(), Names::Classic, ODD).unwrap(),
            concat!(
                r#"{"ip":"h\"\\","timestamp":"01/Jul/1995:00:00:01 -0400","method":"GET","url":"/a\\xE9?q\u0001=é","#,
                r#""protocol":"HTTP/1.0","status_code":304,"bytes":0,"line_id":"00000000000000ab-9"}"#,
                "\n"
            )
        );
    }

    #[test]
    fn a_time_that_was_logged_otherwise() {
        let nginx: LogFormat = "$remote_addr $time_iso8601 $status".parse().unwrap();
        let text = object(&nginx, Names::Classic, b"h 1995-12-31T23:59:59+05:30 200").unwrap();
        assert!(
            text.contains(r#""timestamp":"31/Dec/1995:23:59:59 +0530","method":null,"url":null"#),
            "{text}"
        );
        assert_eq!(clf(-1, -210), "31/Dec/1969:20:29:59 -0330");
    }

    #[test]
    fn what_is_no_row() {
        let object = |line| object(&LogFormat::common(), Names::Nasalogs, line);
        assert_eq!(object(b"nonsense"), Err(RejectReason::MissingField));
        assert_eq!(object(b"  "), Err(RejectReason::MissingField));
    }

    /// `convert` and `stream` write the same objects, but for the identity.
    #[cfg(feature = "ndjson")]
    #[test]
    fn as_the_sink_writes_it() {
        use crate::sink::{self, Output, OutputFormat, SinkOptions};
        use crate::{Decoder, ParseOptions};
        let log = b"v:80 h - \"\" [29/Feb/1904:00:00:01 +0130] \"GET /a?b HTTP/1.0\" 200 5 \"r\xFF\" \"-\"\n";
        let format = LogFormat::built_in("vhost_combined").unwrap();
        let mut decoder = Decoder::new(ParseOptions::new().with_format(format.clone())).unwrap();
        assert_eq!(decoder.push(log).unwrap(), log.len());
        decoder.finish().unwrap();
        let batch = decoder.next_batch().unwrap();
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("rows.ndjson");
        let options = SinkOptions::new(OutputFormat::Ndjson);
        let mut sink = sink::create(Output::file(&path), batch.schema(), &options).unwrap();
        sink.write(&batch).unwrap();
        sink.finish().unwrap();
        let theirs = std::fs::read_to_string(path).unwrap();
        let ours = object(&format, Names::Nasalogs, &log[..log.len() - 1]).unwrap();
        let (columns, _) = ours.split_once(",\"line_id\"").unwrap();
        assert_eq!(format!("{columns}}}\n"), theirs);
    }
}
