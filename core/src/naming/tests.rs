//! Names of columns, and what they stand for.

use arrow::array::StringArray;

use super::*;
use crate::options::{Encoding, Extras, StringType};
use crate::source::Source;
use crate::{LogFormat, ReaderBuilder};

fn read(naming: &Naming, options: ParseOptions, log: &str) -> Result<RecordBatch> {
    let mut reader = ReaderBuilder::new()
        .with_options(naming.options(options)?)
        .open_sources(vec![Source::memory(log.as_bytes().to_vec())])?;
    let named = naming.bind(&arrow::array::RecordBatchReader::schema(&reader))?;
    let batch = named.apply(&reader.next_batch()?.expect("rows"))?;
    assert_eq!(batch.schema(), named.schema());
    Ok(batch)
}

fn line(time: &str, request: &str, rest: &str) -> String {
    format!("h - - [{time}] \"{request}\" {rest}\n")
}

fn texts(batch: &RecordBatch, name: &str) -> Vec<Option<String>> {
    let column = batch.column_by_name(name).unwrap();
    let text = arrow::compute::cast(column, &DataType::Utf8).unwrap();
    text.as_any()
        .downcast_ref::<StringArray>()
        .unwrap()
        .iter()
        .map(|value| value.map(str::to_owned))
        .collect()
}

#[test]
fn times_are_as_they_were_logged() {
    let times = [
        "01/Jul/1995:00:00:01 -0400",
        "01/Jul/1995:00:00:01 -0400",
        "30/Jun/1995:23:59:60 -0400",
        "01/Jul/1995:00:00:00 -0400",
        "01/Jul/1995:00:00:00 +0000",
        "01/Jul/1995:00:00:00 -0000",
        "30/Jun/1995:23:59:60 -0000",
        "30/Jun/1995:23:59:60 +0000",
        "01/Jul/1995:07:08:09 +0000",
        "01/Jul/1995:07:08:09 -0000",
        "31/Dec/9999:23:59:59 +0545",
    ];
    let log: String = times.iter().map(|time| line(time, "GET / HTTP/1.0", "200 1")).collect();
    for strings in [StringType::View, StringType::Utf8, StringType::Compact] {
        let options = ParseOptions::new().with_strings(strings);
        let batch = read(&Naming::new(Names::Classic), options, &log).unwrap();
        let given = texts(&batch, "timestamp");
        assert_eq!(given.iter().flatten().collect::<Vec<_>>(), times);
    }
}

#[test]
fn targets_are_whole_and_sizes_are_numbers() {
    let log =
        [("GET /a?b?c HTTP/1.0", "200 7"), ("GET /a? HTTP/1.0", "404 -"), ("GET /a", "304 0"), ("-", "- -")]
            .map(|(request, rest)| line("01/Jul/1995:00:00:01 -0400", request, rest))
            .concat();
    for (strings, encoding) in [
        (StringType::View, Encoding::Escape),
        (StringType::Utf8, Encoding::Latin1),
        (StringType::Compact, Encoding::Binary),
        (StringType::Utf8, Encoding::Binary),
    ] {
        let options = ParseOptions::new().with_strings(strings).with_encoding(encoding);
        let batch = read(&Naming::new(Names::Classic), options, &log).unwrap();
        let names: Vec<_> = batch.schema().fields().iter().map(|field| field.name().clone()).collect();
        assert_eq!(names, Names::CLASSIC);
        let url: Vec<_> = texts(&batch, "url");
        assert_eq!(url, [Some("/a?b?c"), Some("/a?"), Some("/a"), None].map(|url| url.map(str::to_owned)));
        assert_eq!(batch["bytes"].as_primitive::<Int64Type>().values(), &[7, 0, 0, 0]);
        assert_eq!(texts(&batch, "protocol")[2], None);
        assert!(batch["status_code"].is_null(3) && !batch["status_code"].is_null(0));
    }
}

#[test]
fn columns_are_chosen_by_the_names_they_have_before_they_are_renamed() {
    let log = line("01/Jul/1995:00:00:01 -0400", "GET /a?b HTTP/1.0", "200 7");
    let naming = Naming::new(Names::Classic).with_columns(["url", "ip", "line"]).with_rename("ip", "client");
    let extras = Extras { byte_offset: true, ..Extras::default() };
    let batch = read(&naming, ParseOptions::new().with_extras(extras), &log).unwrap();
    let names: Vec<_> = batch.schema().fields().iter().map(|field| field.name().clone()).collect();
    assert_eq!(names, ["url", "client", "line", "byte_offset"]);

    let naming = Naming::default().with_columns(["host", "status"]).with_rename("host", "client");
    let batch = read(&naming, ParseOptions::new(), &log).unwrap();
    assert_eq!(texts(&batch, "client"), [Some("h".to_owned())]);
    assert_eq!(batch.num_columns(), 2);
    assert!(!naming.is_plain() && Naming::default().is_plain());
}

#[test]
fn what_cannot_be_named_so_is_refused() {
    let log = line("01/Jul/1995:00:00:01 -0400", "GET /a?b HTTP/1.0", "200 7");
    let error = |naming: Naming, options: ParseOptions| {
        let error = read(&naming, options, &log).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Options);
        error.to_string()
    };
    let plain = Naming::default;
    let text = error(plain().with_rename("nothing", "x"), ParseOptions::new());
    assert!(text.contains("no column \"nothing\" to rename; there are host, ident"), "{text}");
    let text = error(plain().with_rename("host", "ident"), ParseOptions::new());
    assert!(text.contains("two columns would be called \"ident\""), "{text}");
    let text = error(plain().with_rename("host", "a").with_rename("host", "b"), ParseOptions::new());
    assert!(text.contains("\"host\" is renamed twice"), "{text}");
    let text = error(Naming::new(Names::Classic).with_columns(["host"]), ParseOptions::new());
    assert!(text.contains("no classic column \"host\"; expected some of ip, timestamp"), "{text}");
    let format: LogFormat = "%h %l %u [%{%s}t] \"%r\" %s %b".parse().unwrap_or_else(|_| LogFormat::common());
    if format.columns().all(|column| column.name != "status") {
        error(Naming::new(Names::Classic), ParseOptions::new().with_format(format));
    }
}

#[test]
fn two_columns_can_change_their_names() {
    let log = line("01/Jul/1995:00:00:01 -0400", "GET /a?b HTTP/1.0", "200 7");
    let naming = Naming::default().with_rename("host", "path").with_rename("path", "host");
    let batch = read(&naming, ParseOptions::new(), &log).unwrap();
    assert_eq!(texts(&batch, "path"), [Some("h".to_owned())]);
    assert_eq!(texts(&batch, "host"), [Some("/a".to_owned())]);
}
