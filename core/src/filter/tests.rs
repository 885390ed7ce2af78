//! The filter against one that looks at a row after the other.

use std::sync::Arc;

use arrow::array::{
    ArrayRef, BinaryArray, BinaryViewArray, Int16Array, RecordBatch, StringArray, StringViewArray,
    TimestampMillisecondArray,
};
use proptest::prelude::*;

use super::*;

#[derive(Debug, Clone)]
struct Row {
    ts: i64,
    status: Option<i16>,
    method: Option<&'static str>,
    path: Option<&'static str>,
    host: &'static str,
}

fn row() -> impl Strategy<Value = Row> {
    let method = proptest::option::of(proptest::sample::select(vec!["GET", "get", "POST", "HEAD"]));
    let path = proptest::option::of(proptest::sample::select(vec!["/", "/a", "/a/b.gif", "/é", "*"]));
    let host =
        proptest::sample::select(vec!["192.0.2.1", "192.0.2.200", "10.0.0.1", "::1", "www.nasa.gov", "W"]);
    let status = proptest::option::of(proptest::sample::select(vec![200_i16, 204, 304, 404, 500, 503, 0]));
    (0..10_i64, status, method, path, host).prop_map(|(ts, status, method, path, host)| Row {
        ts,
        status,
        method,
        path,
        host,
    })
}

fn some<T: std::str::FromStr + std::fmt::Debug>(of: &'static [&'static str]) -> impl Strategy<Value = Vec<T>>
where
    T::Err: std::fmt::Debug,
{
    proptest::collection::vec(proptest::sample::select(of).prop_map(|text| text.parse().unwrap()), 0..3)
}

fn rules() -> impl Strategy<Value = Rules> {
    (
        some(&["200", "4xx,5xx", "-", "200-299,-", "304"]),
        some(&["GET", "get", "post", "PUT"]),
        some(&["/", "/a*", "*.gif", "/?", "*"]),
        some(&["192.0.2.0/24", "192.0.2.1", "::/0", "*.NASA.gov", "w", "1*"]),
    )
        .prop_map(|(statuses, methods, paths, hosts)| Rules { statuses, methods, paths, hosts })
}

fn filter() -> impl Strategy<Value = Filter> {
    let moment = || proptest::option::of((0..10_i64).prop_map(Moment::from_millis));
    (moment(), moment(), rules(), rules()).prop_map(|(since, until, include, exclude)| Filter {
        since,
        until,
        include,
        exclude,
    })
}

/// The definition, rule by rule.
fn is_wanted(filter: &Filter, row: &Row) -> bool {
    let at = |moment: &Moment| moment.resolve(&Zone::utc(), None).unwrap();
    let fits = |rules: &Rules| {
        [
            rules.statuses.iter().any(|statuses| statuses.matches(row.status)),
            rules.methods.iter().any(|own| row.method.is_some_and(|method| method.eq_ignore_ascii_case(own))),
            rules.paths.iter().any(|glob| row.path.is_some_and(|path| glob.matches(path.as_bytes()))),
            rules.hosts.iter().any(|rule| rule.matches(row.host.as_bytes())),
        ]
    };
    let asked = [
        !filter.include.statuses.is_empty(),
        !filter.include.methods.is_empty(),
        !filter.include.paths.is_empty(),
        !filter.include.hosts.is_empty(),
    ];
    filter.since.as_ref().is_none_or(|since| row.ts >= at(since))
        && filter.until.as_ref().is_none_or(|until| row.ts < at(until))
        && fits(&filter.include).iter().zip(asked).all(|(fits, asked)| *fits || !asked)
        && !fits(&filter.exclude).contains(&true)
}

fn batch(rows: &[Row], layout: usize) -> RecordBatch {
    let texts = |values: Vec<Option<&'static str>>| -> ArrayRef {
        let bytes = values.iter().map(|value| value.map(str::as_bytes));
        match layout {
            0 => Arc::new(StringViewArray::from(values)),
            1 => Arc::new(StringArray::from(values)),
            2 => Arc::new(bytes.collect::<BinaryArray>()),
            _ => Arc::new(bytes.collect::<BinaryViewArray>()),
        }
    };
    let ts: TimestampMillisecondArray = rows.iter().map(|row| Some(row.ts)).collect();
    let status: Int16Array = rows.iter().map(|row| row.status).collect();
    let columns: [(&str, ArrayRef, bool); 5] = [
        ("ts", Arc::new(ts.with_timezone("UTC")), false),
        ("status", Arc::new(status), true),
        ("method", texts(rows.iter().map(|row| row.method).collect()), true),
        ("path", texts(rows.iter().map(|row| row.path).collect()), true),
        ("host", texts(rows.iter().map(|row| Some(row.host)).collect()), false),
    ];
    RecordBatch::try_from_iter_with_nullable(columns).unwrap()
}

proptest! {
    #[test]
    fn rows_go_through_as_one_by_one(
        filter in filter(),
        rows in proptest::collection::vec(row(), 0..200),
        layout in 0..4_usize,
    ) {
        let batch = batch(&rows, layout);
        let sieve = filter.settle(&Zone::utc(), None).unwrap();
        let wanted: Vec<bool> = rows.iter().map(|row| is_wanted(&filter, row)).collect();
        let found: Vec<bool> = match sieve.mask(&batch).unwrap() {
            Some(mask) => mask.values().iter().collect(),
            None => vec![true; rows.len()],
        };
        prop_assert_eq!(&found, &wanted, "{}", filter);
        let count = wanted.iter().filter(|wanted| **wanted).count();
        prop_assert_eq!(sieve.apply(batch).unwrap().num_rows(), count);
    }
}

#[test]
fn says_what_was_asked() {
    let mut filter = Filter::new();
    assert!(filter.is_empty() && filter.columns().is_empty() && filter.to_string().is_empty());
    filter.since = Some("2 hours ago".parse().unwrap());
    filter.until = Some("1995-07-02".parse().unwrap());
    filter.include.statuses.push("5xx,404".parse().unwrap());
    filter.include.paths.push("/it's*".parse().unwrap());
    filter.exclude.hosts.push("10.0.0.0/8".parse().unwrap());
    assert_eq!(
        filter.to_string(),
        r"--since '2 hours ago' --until 1995-07-02 --status 5xx,404 --path '/it'\''s*' --exclude-host 10.0.0.0/8"
    );
    assert!(filter.needs_end() && filter.needs_zone());
    let columns: Vec<&str> = filter.columns().into_iter().map(|(column, _)| column).collect();
    assert_eq!(columns, ["ts", "status", "path", "host"]);
}

#[test]
fn a_column_that_is_not_there_is_named() {
    let mut filter = Filter::new();
    filter.exclude.paths.push("/a".parse().unwrap());
    let batch = batch(&[], 0).project(&[0, 1]).unwrap();
    let error = filter.check(&batch.schema(), Some("my_format")).unwrap_err().to_string();
    assert_eq!(
        error,
        "the format my_format has no column path, which --exclude-path looks at; leave --exclude-path away"
    );
    assert!(filter.settle(&Zone::utc(), None).unwrap().mask(&batch).is_err());
}
