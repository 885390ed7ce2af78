//! The numbers as Prometheus reads them.

use std::fmt::Write;

use nasalogs::report::Report;

/// What is known beside the report.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct State {
    /// Bytes that are there and were not read.
    pub(super) unread: u64,
    /// Bytes of memory of the counting.
    pub(super) memory: u64,
    /// Seconds since 1970.
    pub(super) now: i64,
}

const CLASSES: [&str; 6] = ["other", "1xx", "2xx", "3xx", "4xx", "5xx"];

/// All but the readers.
pub(super) fn text(report: &Report, state: &State) -> String {
    let mut text = String::new();
    let mut classes = [0; 6];
    for bucket in &report.time.buckets {
        classes.iter_mut().zip(bucket.classes).for_each(|(sum, requests)| *sum += requests);
    }
    let classes =
        CLASSES.iter().zip(classes).map(|(class, requests)| (format!("{{class=\"{class}\"}}"), requests));
    family(&mut text, "requests_total", "counter", "Requests by the class of their status.", classes);
    family(
        &mut text,
        "response_bytes_total",
        "counter",
        "Bytes of the responses' bodies.",
        [(String::new(), report.bytes)],
    );
    family(
        &mut text,
        "lines_total",
        "counter",
        "Lines that were read.",
        [(String::new(), report.lines.lines)],
    );
    let filtered = [(String::new(), report.lines.filtered)];
    family(&mut text, "filtered_requests_total", "counter", "Requests that the filters left out.", filtered);
    let rejects =
        report.rejects.iter().map(|rejected| (format!("{{reason=\"{}\"}}", rejected.reason), rejected.lines));
    family(&mut text, "rejected_lines_total", "counter", "Lines that were rejected, by reason.", rejects);
    let lag = report.period.map(|period| (String::new(), state.now - period.last));
    family(&mut text, "lag_seconds", "gauge", "Seconds since the last request, by its own time.", lag);
    family(
        &mut text,
        "unread_bytes",
        "gauge",
        "Bytes of the inputs that were not read yet.",
        [(String::new(), state.unread)],
    );
    family(
        &mut text,
        "memory_bytes",
        "gauge",
        "Memory that the counting takes.",
        [(String::new(), state.memory)],
    );
    let exact = [(String::new(), u8::from(report.exact))];
    family(&mut text, "exact", "gauge", "1 while every number is exact, 0 when some are estimates.", exact);
    text
}

/// How many pages are open.
pub(super) fn readers(readers: usize) -> String {
    let mut text = String::new();
    family(&mut text, "readers", "gauge", "Pages that are open.", [(String::new(), readers)]);
    text
}

fn family<N: std::fmt::Display>(
    text: &mut String,
    name: &str,
    kind: &str,
    help: &str,
    samples: impl IntoIterator<Item = (String, N)>,
) {
    // Writing to a string does not fail.
    let _ = writeln!(text, "# HELP nasalogs_{name} {help}\n# TYPE nasalogs_{name} {kind}");
    for (labels, value) in samples {
        let _ = writeln!(text, "nasalogs_{name}{labels} {value}");
    }
}
