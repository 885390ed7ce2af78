//! The report as Markdown, for wikis, issues and mails.

use std::fmt::Write as _;

use super::answer::{Measure, Names, Report, Row};
use super::label::{self, Clock, grouped, percent, short_size, size};

/// The report as Markdown (GitHub's, with tables). Names are code, in which nothing is a link, a tag or a picture.
///
/// ```
/// # use nasalogs::report::{Account, ReportOptions, Tally, markdown};
/// let report = Tally::new(&ReportOptions::new()).report(&Account::default(), 10);
/// assert!(markdown(&report).starts_with("# "));
/// ```
#[must_use]
pub fn markdown(report: &Report) -> String {
    let mut out = String::new();
    let clock = Clock::of(report);
    head(report, &clock, &mut out);
    if report.requests > 0 {
        rows("Top URLs", &report.urls, report.requests, &mut out);
        rows("Top hosts", &report.hosts, report.requests, &mut out);
        hours(report, &mut out);
        statuses(report, &mut out);
        names("Not found (404)", Some(&report.not_found), &mut out);
        names("Failed (5xx)", Some(&report.failed), &mut out);
        measures("Methods", &report.methods, report.requests, &mut out);
        measures("Protocols", &report.protocols, report.requests, &mut out);
        measures("File types", &report.types, report.requests, &mut out);
        table("Response sizes", "", &["size", "requests", "share"], &mut out);
        for (name, requests) in label::sizes(&report.sizes) {
            line(&[name, grouped(requests), percent(requests, report.requests)], &mut out);
        }
        names("Referrers", report.referers.as_ref(), &mut out);
        names("User agents", report.agents.as_ref(), &mut out);
    }
    quality(report, &mut out);
    out
}

/// A name as code that ends neither its cell nor itself.
fn code(name: &str) -> String {
    let name = label::name(Some(name)).replace('|', r"\x7C").replace('`', r"\x60");
    // Code that begins or ends with a blank is stripped of it.
    format!("`{}`", if name.trim().is_empty() { name.replace(' ', r"\x20") } else { name })
}

fn maybe(name: Option<&str>) -> String {
    name.map_or_else(|| "none".to_owned(), code)
}

fn head(report: &Report, clock: &Clock, out: &mut String) {
    let inputs: Vec<String> = report.inputs.iter().take(3).map(|input| code(input)).collect();
    let more = report.inputs.len().saturating_sub(3);
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    let _ = writeln!(
        out,
        "# {}{more}\n",
        if inputs.is_empty() { "Report".to_owned() } else { inputs.join(", ") }
    );
    if let Some(period) = &report.period {
        let (first, last) = (clock.long(period.first), clock.long(period.last));
        let _ = writeln!(out, "{first} to {last} ({})\n", report.zone);
    }
    if !report.filters.is_empty() {
        let _ = writeln!(out, "Only {}\n", code(&report.filters.join(" ")));
    }
    if report.requests == 0 {
        out.push_str("No requests\n");
        return;
    }
    let share = |part| format!("{} ({})", grouped(part), percent(part, report.requests));
    out.push_str("| | |\n|---|---:|\n");
    for (name, value) in [
        ("Requests", grouped(report.requests)),
        ("Unique hosts", grouped(report.unique_hosts)),
        ("Unique URLs", grouped(report.unique_urls)),
        ("Bytes", size(report.bytes)),
        ("Client errors", share(report.client_errors)),
        ("Server errors", share(report.server_errors)),
    ] {
        line(&[name.to_owned(), value], out);
    }
    if let Some(peak) = &report.peak {
        let at = |peak: &super::Peak, step| {
            format!("{} at {}", grouped(peak.requests), clock.bucket(peak.at, step))
        };
        line(&["Peak second".to_owned(), at(&peak.second, 1)], out);
        line(&["Peak minute".to_owned(), at(&peak.minute, 60)], out);
    }
    line(&["Rejected lines".to_owned(), grouped(report.lines.rejected)], out);
}

fn table(title: &str, note: &str, columns: &[&str], out: &mut String) {
    let _ = write!(out, "\n## {title}\n\n{note}|");
    for column in columns {
        let _ = write!(out, " {column} |");
    }
    out.push_str("\n|---|");
    out.push_str(&"---:|".repeat(columns.len() - 1));
    out.push('\n');
}

fn line(cells: &[String], out: &mut String) {
    let _ = writeln!(out, "| {} |", cells.join(" | "));
}

fn shown(rows: usize, total: u64) -> String {
    if rows as u64 == total { String::new() } else { format!("{rows} of {}\n\n", grouped(total)) }
}

fn rows(title: &str, names: &Names<Row>, all: u64, out: &mut String) {
    if names.rows.is_empty() {
        return;
    }
    let has_hosts = names.rows.iter().any(|row| row.hosts.is_some());
    let mut columns = vec!["name", "requests", "share", "bytes", "errors"];
    columns.extend(has_hosts.then_some("hosts"));
    table(title, &shown(names.rows.len(), names.total), &columns, out);
    for row in &names.rows {
        let mut cells = vec![
            code(&row.name),
            grouped(row.requests),
            percent(row.requests, all),
            short_size(row.bytes),
            grouped(row.errors),
        ];
        cells.extend(row.hosts.filter(|_| has_hosts).map(grouped));
        line(&cells, out);
    }
}

fn hours(report: &Report, out: &mut String) {
    table("Hourly traffic", "", &["hour", "requests", "share"], out);
    for hour in 0..24 {
        let requests = report.hours.iter().map(|day| day.get(hour).unwrap_or(&0)).sum();
        line(&[format!("{hour:02}"), grouped(requests), percent(requests, report.requests)], out);
    }
}

fn statuses(report: &Report, out: &mut String) {
    table("Status codes", "", &["status", "requests", "share", "bytes"], out);
    for row in &report.statuses {
        let code = row.status.map_or_else(|| "-".to_owned(), |status| format!("{status:03}"));
        let status = format!("{code} {}", label::phrase(row.status));
        line(
            &[status, grouped(row.requests), percent(row.requests, report.requests), short_size(row.bytes)],
            out,
        );
    }
}

fn names(title: &str, names: Option<&Names<Measure>>, out: &mut String) {
    let Some(names) = names.filter(|names| !names.rows.is_empty()) else { return };
    table(title, &shown(names.rows.len(), names.total), &["name", "requests"], out);
    for row in &names.rows {
        line(&[maybe(row.name.as_deref()), grouped(row.requests)], out);
    }
}

fn measures(title: &str, rows: &[Measure], all: u64, out: &mut String) {
    if rows.is_empty() {
        return;
    }
    table(title, "", &["name", "requests", "share", "bytes"], out);
    for row in rows {
        let name = maybe(row.name.as_deref());
        line(&[name, grouped(row.requests), percent(row.requests, all), short_size(row.bytes)], out);
    }
}

fn quality(report: &Report, out: &mut String) {
    let lines = &report.lines;
    table("Lines", "", &["lines", "rows", "rejected", "blank", "rows filtered out"], out);
    line(&[lines.lines, lines.rows, lines.rejected, lines.blank, lines.filtered].map(grouped), out);
    if !report.rejects.is_empty() {
        table("Rejected lines", "", &["reason", "lines"], out);
        for reject in &report.rejects {
            let first =
                reject.first.as_ref().map_or_else(String::new, |first| format!(", first {}", code(first)));
            line(&[format!("{}: {}{first}", code(&reject.reason), reject.says), grouped(reject.lines)], out);
        }
    }
    if !report.exact {
        out.push_str("\n## Estimates\n\n");
        for bound in &report.bounds {
            let _ = writeln!(out, "- {}: {}", bound.of, bound.says);
        }
    }
}
