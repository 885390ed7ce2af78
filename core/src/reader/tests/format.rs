//! Which format each input is in, and what that makes of the columns.

use super::*;

fn names(reader: &Reader) -> Vec<(String, bool)> {
    reader.schema().fields().iter().map(|field| (field.name().clone(), field.is_nullable())).collect()
}

/// The values of a text column, in order.
fn texts(given: &Given, column: &str) -> Vec<Option<String>> {
    let columns =
        given.batches.iter().map(|batch| batch.column_by_name(column).unwrap().as_string_view().clone());
    columns
        .flat_map(|column| column.iter().map(|text| text.map(ToOwned::to_owned)).collect::<Vec<_>>())
        .collect()
}

#[test]
fn inputs_in_formats_that_contain_one_another_have_the_columns_of_the_widest() {
    for sources in [
        [("a", COMMON), ("b", COMBINED), ("c", MAIN)],
        [("c", MAIN), ("b", COMBINED), ("a", COMMON)],
        [("b", COMBINED), ("c", MAIN), ("a", COMMON)],
    ] {
        let reader = ReaderBuilder::new()
            .open_sources(sources.iter().map(|(name, text)| memory(name, text)).collect())
            .unwrap();
        let expected = ParseOptions::new().schema(&LogFormat::nginx_main()).unwrap();
        assert_eq!(reader.schema(), expected);
        let given = drain(reader);
        assert_eq!((given.rows(), given.kind()), (3, None));
        assert_eq!(given.summary.format, Some(LogFormat::nginx_main()));
        let detected: Vec<_> = given
            .summary
            .detections
            .iter()
            .map(|(name, detection)| (name.as_deref().unwrap(), detection.format.name()))
            .collect();
        for (name, format) in [("a", "common"), ("b", "combined"), ("c", "nginx_main")] {
            assert!(detected.contains(&(name, format)), "{detected:?}");
        }
        for (agent, (name, _)) in texts(&given, "user_agent").iter().zip(sources) {
            assert_eq!(agent.is_some(), name != "a", "{name}");
        }
        assert_eq!(texts(&given, "host"), vec![Some("h".to_owned()); 3]);
    }
}

#[test]
fn a_column_that_some_inputs_lack_can_be_null() {
    let vhost = format!("example.org:80 {COMMON}");
    let sources = || vec![memory("a", &vhost), memory("b", COMMON)];
    let options = ParseOptions::new().with_columns(["host", "vhost", "ts", "line"]);
    let reader = ReaderBuilder::new().with_options(options.clone()).open_sources(sources()).unwrap();
    let expected = [("host", false), ("vhost", true), ("ts", false), ("line", false)];
    assert_eq!(names(&reader), expected.map(|(name, nullable)| (name.to_owned(), nullable)));
    assert_eq!(texts(&drain(reader), "vhost"), [Some("example.org".to_owned()), None]);
    let alone =
        ReaderBuilder::new().with_options(options).open_sources(sources().drain(..1).collect()).unwrap();
    assert!(names(&alone).iter().all(|(_, nullable)| !nullable));
}

#[test]
fn formats_that_do_not_go_together_are_named_with_their_inputs() {
    let vhost = format!("example.org:80 {COMMON}");
    let error = open_error(vec![memory("x", COMMON), memory("a.log", COMBINED), memory("b.log", &vhost)]);
    assert_eq!(error.kind(), ErrorKind::Format);
    assert_eq!(
        error.to_string(),
        "b.log is in the format vhost_common and a.log in combined, which has no column vhost; \
         read them in two runs, or force one format"
    );
    // A forced format is not looked at: what does not fit is a reject.
    let options = ParseOptions::new().with_format(LogFormat::combined());
    let given = read(
        ReaderBuilder::new().with_options(options),
        vec![memory("a", COMBINED), memory("b", &vhost), memory("c", COMMON)],
    );
    assert_eq!((given.rows(), given.summary.rejected, given.kind()), (1, 2, None));
    assert!(given.summary.detections.is_empty());
}

#[test]
fn an_input_in_no_known_format_is_accounted_for_beside_others() {
    for sources in [
        [("a", "x y\n\nz"), ("b", COMBINED), ("c", COMMON)],
        [("b", COMBINED), ("c", COMMON), ("a", "x y\n\nz")],
        // Binary too.
        [("b", COMBINED), ("a", "\x7fELF\0\0\n\nz"), ("c", COMMON)],
    ] {
        let (rejects, on_reject) = collector();
        let sources = sources.map(|(name, text)| memory(name, text)).into();
        let given = read(ReaderBuilder::new().with_rejects(on_reject), sources);
        assert_eq!((given.rows(), given.kind(), given.summary.blank), (2, None, 1));
        assert_eq!(given.summary.format, Some(LogFormat::combined()));
        let rejects = rejects.lock().unwrap();
        let places: Vec<_> = rejects.iter().map(|reject| (reject.file.as_deref(), reject.line)).collect();
        assert_eq!(places, [(Some("a"), 1), (Some("a"), 3)]);
    }
}

#[test]
fn inputs_in_no_known_format_at_all_are_an_error_before_anything_is_read() {
    let error = open_error(vec![memory("a", "\n"), memory("b.log", "x\x1by\n"), memory("c", "z")]);
    assert_eq!(error.kind(), ErrorKind::NoRows);
    let text = error.to_string();
    assert!(text.starts_with("b.log: none of 1 line is in a built-in format; expected"), "{text}");
    assert!(text.contains("the first line is: x\\x1By; pass one of common,"), "{text}");
    let error = open_error(vec![memory("a", "\x7fELF\0\0\n")]);
    assert_eq!(error.kind(), ErrorKind::Encoding);
    assert!(error.to_string().contains("the input is no text"), "{error}");
    // UTF-16 can only be an error later on: so it is one now.
    let error = open_error(vec![memory("a", COMMON), memory("b", b"\xFF\xFEh\0")]);
    assert_eq!((error.kind(), error.file()), (ErrorKind::Encoding, Some("b")));
}

#[test]
fn an_input_without_a_final_newline_is_detected_by_all_of_its_lines() {
    let given = read(ReaderBuilder::new(), vec![memory("a", format!("nonsense\n{}", COMBINED.trim_end()))]);
    assert_eq!((given.rows(), given.summary.rejected), (1, 1));
    let mut decoder = crate::Decoder::new(ParseOptions::new()).unwrap();
    decoder.push(format!("nonsense\n{}", COMBINED.trim_end()).as_bytes()).unwrap();
    decoder.finish().unwrap();
    assert_eq!(decoder.counts().rows, 1);
}

#[test]
fn inputs_without_lines_are_an_empty_table() {
    let schema = ParseOptions::new().schema(&LogFormat::common()).unwrap();
    for texts in [&[][..], &[""], &["", "\n \r\n"], &["\u{feff}"], &["\u{feff}\n", ""]] {
        let sources: Vec<_> = texts.iter().map(|text| memory("a", text)).collect();
        let reader = ReaderBuilder::new().open_sources(sources).unwrap();
        assert_eq!(reader.schema(), schema);
        let given = drain(reader);
        assert_eq!((given.rows(), given.kind()), (0, None));
        assert_eq!((given.summary.files, given.summary.lines), (texts.len() as u64, given.summary.blank));
    }
    // Beside others, they are in whatever format those are in.
    let given = read(ReaderBuilder::new(), vec![memory("a", "\n"), memory("b", COMBINED), memory("c", "")]);
    assert_eq!(given.summary.format, Some(LogFormat::combined()));
    assert_eq!((given.kind(), given.summary.lines, given.summary.detections.len()), (None, 2, 1));
}

#[test]
fn lines_of_which_none_is_a_row_are_an_error_that_helps() {
    let long = "é".repeat(3000);
    let options = ParseOptions::new().with_format(LogFormat::combined());
    let builder = || ReaderBuilder::new().with_options(options.clone());
    let given = read(builder(), vec![memory("empty", ""), memory("a.log", format!("\n{long}\n{COMMON}"))]);
    assert_eq!(given.kind(), Some(ErrorKind::NoRows));
    let text = given.text();
    assert!(
        text.starts_with(
            "a.log:2: none of 2 lines is a row of the format combined; the first is missing_field"
        ),
        "{text}"
    );
    assert!(text.contains("ééé…"), "{text}");
    assert!(text.contains("pass one of common, combined"), "{text}");
    assert!(text.len() < 1000, "{text}");
    // What is wrong is the format, not the number of rejects.
    let builder = builder().with_max_rejects(MaxRejects::Share(0.1));
    assert_eq!(read(builder, vec![memory("a", COMMON)]).kind(), Some(ErrorKind::NoRows));
}

#[test]
fn options_are_checked_before_anything_is_read() {
    for columns in [&["user_agent"][..], &["host", "host"], &[]] {
        let options = ParseOptions::new().with_columns(columns.iter().copied());
        let error =
            ReaderBuilder::new().with_options(options).open_sources(vec![memory("a", COMMON)]).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Options, "{columns:?}");
    }
}

#[test]
fn a_long_first_line_hides_no_format() {
    let log = format!("{}\n{}", "a".repeat(300_000), COMMON.repeat(20));
    let given = drain(ReaderBuilder::new().open_sources(vec![memory("long", &log)]).unwrap());
    assert_eq!(given.summary.format, Some(LogFormat::common()));
    assert_eq!((given.rows(), given.summary.rejected), (20, 1));
}

#[test]
fn the_layout_of_strings_can_be_chosen_after_opening() {
    let open = || {
        let sources = vec![memory("a", COMBINED), memory("b", COMMON)];
        ReaderBuilder::new().open_sources(sources).unwrap()
    };
    let read = |reader: Reader| {
        let schema = arrow::array::RecordBatchReader::schema(&reader);
        let batches: Vec<_> = reader.map(Result::unwrap).collect();
        arrow::compute::concat_batches(&schema, &batches).unwrap()
    };
    let views = read(open());
    let plain = read(open().with_strings(StringType::Utf8).unwrap());
    assert_eq!((views.num_rows(), plain.num_rows()), (2, 2));
    let expected = ParseOptions::new().with_strings(StringType::Utf8).schema(&LogFormat::combined()).unwrap();
    for (index, column) in plain.columns().iter().enumerate() {
        assert_eq!(column.data_type(), expected.field(index).data_type());
        assert_eq!(&arrow::compute::cast(&views.columns()[index], column.data_type()).unwrap(), column);
    }
    let mut begun = open();
    begun.next_batch().unwrap();
    assert_eq!(begun.with_strings(StringType::Utf8).unwrap_err().kind(), ErrorKind::Options);
}
