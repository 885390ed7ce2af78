//! The table as its users have it: the same rows however it is read.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::util::pretty::pretty_format_batches;
use datafusion::prelude::{SessionConfig, SessionContext};
use nasalogs::source::Source;
use nasalogs::{ErrorKind, Extras, LogFormat, ParseOptions, StringType};
use nasalogs_datafusion::{LogTable, LogTableBuilder, register_athena};
use proptest::prelude::*;
use tokio::runtime::Runtime;

const LINE: &str = "h - - [01/Jul/1995:00:00:01 -0400] \"GET / HTTP/1.0\" 200 5\n";

/// Lines of all kinds; among them what would mean something at the beginning of a file.
const LINES: [&[u8]; 12] = [
    LINE.as_bytes(),
    b"a.example - bob [01/Jul/1995:00:00:02 -0400] \"GET /a?b=c HTTP/1.0\" 404 -\n",
    b"b.example - - [02/Jul/1995:23:59:59 +0900] \"POST /x y HTTP/1.0\" 500 99\n",
    b"c.example - - [01/Jul/1995:00:00:03 -0400] \"GET /caf\xE9 HTTP/1.0\" 302 7\n",
    b"d.example - - [01/Jul/1995:00:00:04 -0400] \"-\" - -\n",
    b"nonsense\n",
    b"\n",
    b"h - - [99/Jul/1995:00:00:01 -0400] \"GET / HTTP/1.0\" 200 5\n",
    b"\xEF\xBB\xBFmark - - [01/Jul/1995:00:00:05 -0400] \"GET / HTTP/1.0\" 200 1\n",
    b"BZh91AY&SY - - [01/Jul/1995:00:00:06 -0400] \"GET / HTTP/1.0\" 200 2\n",
    b"\xFF\xFEmark - - [01/Jul/1995:00:00:07 -0400] \"GET / HTTP/1.0\" 200 3\n",
    b"crlf - - [01/Jul/1995:00:00:08 -0400] \"GET / HTTP/1.0\" 200 4\r\n",
];

fn context(partitions: usize) -> SessionContext {
    let mut ctx = SessionContext::new_with_config(SessionConfig::new().with_target_partitions(partitions));
    register_athena(&mut ctx).unwrap();
    ctx
}

async fn ask(ctx: &SessionContext, sql: &str) -> datafusion::common::Result<Vec<RecordBatch>> {
    ctx.sql(sql).await?.collect().await
}

/// The answer's lines, sorted: a multiset of rows.
fn rows(batches: &[RecordBatch]) -> Vec<String> {
    let text = pretty_format_batches(batches).unwrap().to_string();
    let mut lines: Vec<String> = text
        .lines()
        .filter(|line| line.starts_with('|'))
        .map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "))
        .collect();
    lines.sort();
    lines
}

fn options(strings: StringType) -> ParseOptions {
    ParseOptions::new().with_format(LogFormat::common()).with_strings(strings).with_chunk(1 << 10)
}

fn open(path: &Path, piece: u64, strings: StringType) -> Arc<LogTable> {
    LogTableBuilder::new().with_options(options(strings)).with_piece(piece).open([path]).unwrap()
}

fn write(dir: &Path, name: &str, bytes: &[u8]) -> PathBuf {
    let path = dir.join(name);
    fs::write(&path, bytes).unwrap();
    path
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn any_partitioning_gives_the_same_rows(
        choice in prop::collection::vec(0..LINES.len(), 1..60),
        ended in any::<bool>(),
        piece in 1_u64..400,
        partitions in 1_usize..9,
        strings in prop::sample::select(vec![StringType::View, StringType::Compact, StringType::Utf8]),
    ) {
        // A line of the format comes first, and a mark of UTF-16 never does.
        let mut log = LINE.as_bytes().to_vec();
        choice.iter().for_each(|&index| log.extend(LINES[index]));
        if !ended {
            log.pop();
        }
        let dir = tempfile::tempdir().unwrap();
        let path = write(dir.path(), "access.log", &log);
        let whole = open(&path, u64::MAX, StringType::Utf8);
        let cut = open(&path, piece, strings);
        Runtime::new().unwrap().block_on(async {
            let one = context(1);
            one.register_table("logs", whole.clone()).unwrap();
            let many = context(partitions);
            many.register_table("logs", cut.clone()).unwrap();
            for sql in [
                "SELECT * FROM logs",
                "SELECT bytes, host FROM logs WHERE status = 200 AND host <> 'h'",
                "SELECT count(*) FROM logs",
                "SELECT path FROM logs WHERE path LIKE '/%' OR path IS NULL",
                "SELECT status, count(*), count(DISTINCT host), sum(bytes) FROM logs GROUP BY status",
            ] {
                let (expected, found) = (ask(&one, sql).await.unwrap(), ask(&many, sql).await.unwrap());
                assert_eq!(rows(&expected), rows(&found), "{sql}");
                let (expected, found) = (whole.take_summary(), cut.take_summary());
                let account = |summary: &nasalogs_datafusion::Summary| {
                    let firsts = summary.first_rejects.iter();
                    let firsts: Vec<_> = firsts.map(|first| (first.line, first.offset, first.text.clone())).collect();
                    (summary.lines, summary.rows, summary.rejects, summary.blank, summary.bytes_parsed, firsts)
                };
                assert_eq!(account(&expected), account(&found), "{sql}");
                assert_eq!(found.rows + found.rejected() + found.blank, found.lines);
            }
        });
    }

    #[test]
    fn a_condition_at_the_parser_is_the_condition_above_it(
        choice in prop::collection::vec(0..LINES.len(), 1..60),
        column in prop::sample::select(vec!["status", "bytes", "tz_offset"]),
        operator in prop::sample::select(vec!["=", "<>", "<", ">="]),
        number in prop::sample::select(vec![-240_i64, 0, 5, 200, 404, 500]),
        and in prop::sample::select(vec![
            "true", "ts >= '1995-07-02'", "method = 'GET'", "path LIKE '/a%'", "host IN ('h', 'a.example')",
            "authuser IS NULL", "NOT (query = 'b=c')", "length(path) > 1", "protocol IS NOT NULL OR status = 500",
        ]),
    ) {
        let mut log = LINE.as_bytes().to_vec();
        choice.iter().for_each(|&index| log.extend(LINES[index]));
        let dir = tempfile::tempdir().unwrap();
        let path = write(dir.path(), "access.log", &log);
        Runtime::new().unwrap().block_on(async {
            let ctx = context(3);
            ctx.register_table("logs", open(&path, 100, StringType::View)).unwrap();
            // A table in memory has no conditions pushed into it.
            ctx.sql("CREATE TABLE kept AS SELECT * FROM logs").await.unwrap().collect().await.unwrap();
            let sql = |table: &str| {
                format!("SELECT host, path, bytes FROM {table} WHERE {column} {operator} {number} AND {and}")
            };
            let (found, expected) = (ask(&ctx, &sql("logs")).await.unwrap(), ask(&ctx, &sql("kept")).await.unwrap());
            assert_eq!(rows(&found), rows(&expected), "{}", sql("logs"));
            let plan = rows(&ask(&ctx, &format!("EXPLAIN {}", sql("logs"))).await.unwrap()).join("\n");
            assert!(!plan.contains("FilterExec"), "{plan}");
        });
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn only_what_is_asked_for_is_parsed() {
    let dir = tempfile::tempdir().unwrap();
    let path = write(dir.path(), "access.log", LINE.repeat(10).as_bytes());
    let ctx = context(2);
    ctx.register_table("logs", LogTable::open(&path).unwrap()).unwrap();
    let plan = rows(&ask(&ctx, "EXPLAIN SELECT path FROM logs WHERE status = 200").await.unwrap()).join("\n");
    assert!(
        plan.contains("LogExec: partitions=1, columns=[path], parsed=[path, status], filter=status"),
        "{plan}"
    );
    let few = rows(&ask(&ctx, "EXPLAIN SELECT path FROM logs LIMIT 3").await.unwrap()).join("\n");
    assert!(few.contains("limit=3"), "{few}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bare_limit_gives_the_first_lines_and_reads_no_further() {
    let dir = tempfile::tempdir().unwrap();
    let lines: Vec<String> = (0..50_000).map(|n| LINE.replace("h -", &format!("host{n} -"))).collect();
    let path = write(dir.path(), "access.log", lines.concat().as_bytes());
    let table = LogTable::open(&path).unwrap();
    let ctx = context(4);
    ctx.register_table("logs", table.clone()).unwrap();
    let found = rows(&ask(&ctx, "SELECT host FROM logs LIMIT 3").await.unwrap());
    assert_eq!(found, ["| host |", "| host0 |", "| host1 |", "| host2 |"]);
    assert!(tokio::task::block_in_place(|| table.wait(std::time::Duration::from_secs(60))));
    assert!((1..50_000).contains(&table.summary().lines));
}

#[tokio::test(flavor = "multi_thread")]
async fn formats_that_go_together_are_one_table() {
    let dir = tempfile::tempdir().unwrap();
    let agent = LINE.replace('\n', " \"-\" \"agent\"\n");
    let paths = [
        write(dir.path(), "1.log", LINE.repeat(3).as_bytes()),
        write(dir.path(), "2.log", agent.repeat(2).as_bytes()),
        write(dir.path(), "3.log", b""),
    ];
    let table = LogTableBuilder::new().open(&paths).unwrap();
    assert_eq!(table.format(), &LogFormat::combined());
    let ctx = context(4);
    ctx.register_table("logs", table).unwrap();
    let sql = "SELECT user_agent AS a, count(*) AS n FROM logs GROUP BY user_agent";
    assert_eq!(rows(&ask(&ctx, sql).await.unwrap()), ["| a | n |", "| agent | 2 |", "| | 3 |"]);
    // Where a file has none of the columns that are asked for, its rows count all the same.
    assert_eq!(rows(&ask(&ctx, "SELECT referer FROM logs").await.unwrap()).len(), 6);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pipe_can_be_asked_once() {
    let (reader, mut writer) = std::io::pipe().unwrap();
    let wrote = std::thread::spawn(move || writer.write_all(LINE.repeat(9000).as_bytes()));
    let table = LogTableBuilder::new().open_sources(vec![Source::reader(reader).with_name("pipe")]).unwrap();
    let ctx = context(2);
    ctx.register_table("logs", table).unwrap();
    ask(&ctx, "EXPLAIN SELECT count(*) FROM logs").await.unwrap();
    assert_eq!(rows(&ask(&ctx, "SELECT count(*) AS n FROM logs").await.unwrap()), ["| 9000 |", "| n |"]);
    wrote.join().unwrap().unwrap();
    let error = ask(&ctx, "SELECT count(*) FROM logs").await.unwrap_err().to_string();
    assert!(error.contains("pipe: can be read only once"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn where_no_line_is_a_row_the_format_is_to_blame() {
    let dir = tempfile::tempdir().unwrap();
    let path = write(dir.path(), "access.log", "nonsense\n".repeat(100).as_bytes());
    assert_eq!(LogTable::open(&path).unwrap_err().kind(), ErrorKind::NoRows);
    let ctx = context(4);
    ctx.register_table("logs", open(&path, 100, StringType::View)).unwrap();
    let error = ask(&ctx, "SELECT count(*) FROM logs").await.unwrap_err().to_string();
    assert!(error.contains("none of 100 lines is a row of the format common"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn numbered_lines_keep_their_numbers() {
    let dir = tempfile::tempdir().unwrap();
    let path = write(dir.path(), "access.log", LINE.repeat(500).as_bytes());
    let mut extras = Extras::default();
    (extras.line, extras.byte_offset, extras.file) = (true, true, true);
    let options = options(StringType::View).with_extras(extras);
    let table = LogTableBuilder::new().with_options(options).with_piece(100).open([&path]).unwrap();
    let ctx = context(4);
    ctx.register_table("logs", table).unwrap();
    let sql = "SELECT max(line) AS a, max(byte_offset) AS b, count(DISTINCT file) AS c FROM logs";
    let length = LINE.len();
    assert_eq!(rows(&ask(&ctx, sql).await.unwrap())[0], format!("| 500 | {} | 1 |", 499 * length));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_query_that_is_dropped_stops_reading() {
    use futures_util::StreamExt;
    let dir = tempfile::tempdir().unwrap();
    let path = write(dir.path(), "access.log", LINE.repeat(200_000).as_bytes());
    let table = LogTable::open(&path).unwrap();
    let ctx = context(2);
    ctx.register_table("logs", table.clone()).unwrap();
    let mut stream = ctx.sql("SELECT * FROM logs").await.unwrap().execute_stream().await.unwrap();
    stream.next().await.unwrap().unwrap();
    drop(stream);
    assert!(tokio::task::block_in_place(|| table.wait(std::time::Duration::from_secs(60))));
    let lines = table.summary().lines;
    assert!(lines < 200_000, "{lines}");
}

#[tokio::test(flavor = "multi_thread")]
async fn athena_is_understood() {
    let dir = tempfile::tempdir().unwrap();
    let path = write(dir.path(), "access.log", &LINES.concat());
    let ctx = context(2);
    ctx.register_table("logs", open(&path, 100, StringType::View)).unwrap();
    for (sql, expected) in [
        ("SELECT count_if(status >= 400) FROM logs", "2"),
        ("SELECT count_if(status IS NULL) FILTER (WHERE host <> 'h') FROM logs", "1"),
        ("SELECT max(n) FROM (SELECT count_if(status = 404) OVER () AS n FROM logs)", "1"),
        (
            "SELECT min(ts + tz_offset * INTERVAL '1' MINUTE) = TIMESTAMP '1995-07-01 00:00:01Z' FROM logs",
            "true",
        ),
        ("SELECT INTERVAL '1' HOUR * 2 = INTERVAL '2' HOUR", "true"),
        ("SELECT hour(min(ts)) * 10000 + minute(min(ts)) * 100 + second(min(ts)) FROM logs", "40001"),
        ("SELECT day_of_week(DATE '1995-07-02') * 1000 + day_of_year(DATE '1995-07-02')", "7183"),
        ("SELECT approx_percentile(status, 0.5) FROM logs WHERE status = 200", "200.0"),
        ("SELECT arbitrary(status) FROM logs WHERE status = 404", "404"),
    ] {
        let found = ask(&ctx, sql).await.unwrap_or_else(|error| panic!("{sql}: {error}"));
        let expected = format!("| {expected} |");
        assert!(rows(&found).contains(&expected), "{sql}: {:?}", rows(&found));
    }
    let overflow = ask(&ctx, "SELECT 9223372036854775807 * INTERVAL '2' SECOND").await.unwrap_err();
    assert!(overflow.to_string().contains("more than an interval holds"), "{overflow}");
}
