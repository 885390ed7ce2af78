//! The page: one file, which asks no network for anything.
//!
//! It holds the report, and a cube where there is one, as JSON; scripts of our own draw them. What has no scripts shows the plain
//! tables that are made here.

use std::fmt::Write;
use std::sync::LazyLock;

use super::cube::{EncodedCube, deflated};
use super::label::{Clock, grouped, percent};
use super::{Report, Row};

/// In the order in which they are run: nothing is used before it is there.
const SCRIPTS: [&str; 10] = [
    include_str!("page/format.js"),
    include_str!("page/cube.js"),
    include_str!("page/filter.js"),
    include_str!("page/element.js"),
    include_str!("page/chart.js"),
    include_str!("page/brush.js"),
    include_str!("page/panel.js"),
    include_str!("page/traffic.js"),
    include_str!("page/live.js"),
    include_str!("page/main.js"),
];

static SCRIPT: LazyLock<String> = LazyLock::new(|| {
    let scripts: String = SCRIPTS.iter().map(|script| terse(script)).collect();
    // In a block of its own, so that no name is the window's; strict, as a module is.
    format!("\"use strict\";{{\n{scripts}}}")
});

/// A page of a report, and of the cube that its reader filters; without a cube nothing is filtered.
///
/// The page is one file of some 90 KB plus the data. It works from `file://` and asks no network for anything. Names are text
/// from strangers: they are never read as markup.
///
/// ```
/// use nasalogs::report::{Account, Cube, CubeOptions, ReportOptions, Tally, html};
/// # use nasalogs::{Decoder, ParseOptions};
/// # let mut decoder = Decoder::new(ParseOptions::new())?;
/// # decoder.push(b"h - - [01/Jul/1995:00:00:01 -0400] \"GET /<b> HTTP/1.0\" 404 5\n")?;
/// # decoder.finish()?;
/// # let batch = decoder.next_batch().unwrap();
/// let mut tally = Tally::new(&ReportOptions::new());
/// tally.push(&batch)?;
/// let mut cube = Cube::new(&tally, &CubeOptions::new());
/// cube.push(&batch)?;
/// let report = tally.report(&Account::default(), 10);
/// let page = html(&report, Some(&cube.encode()));
/// assert!(page.starts_with("<!doctype html>") && page.contains("/&lt;b>") && !page.contains("/<b>"));
/// # Ok::<(), nasalogs::Error>(())
/// ```
#[must_use]
pub fn html(report: &Report, cube: Option<&EncodedCube>) -> String {
    let meta =
        cube.and_then(|cube| serde_json::to_string(&cube.meta).ok()).unwrap_or_else(|| "null".to_owned());
    let cells = cube.map(|cube| base64(&deflated(&cube.data))).unwrap_or_default();
    let data = format!(
        "<script type=\"application/json\" id=\"report\">{}</script>\n\
         <script type=\"application/json\" id=\"meta\">{}</script>\n",
        inert(&report.to_json()),
        inert(&meta),
    );
    // Behind the script, which so draws the report before they are read.
    let cells = format!("<script type=\"text/plain\" id=\"cube\">{cells}</script>\n");
    let title = format!("{} · nasalogs", report.inputs.join(", "));
    page("", "", &escaped(&title), &plain(report), &data, &cells)
}

/// The page of a running server, which has no data of its own: it asks for `report.json`, `cube` and `events` beside itself. What
/// these are is said in the page, at the top of `live.js`.
#[must_use]
pub fn live_html() -> String {
    let plain = "<p>This page needs JavaScript; <a href=\"report.json\">the numbers</a> do not.</p>\n";
    page(" data-live", "; connect-src 'self'", "nasalogs", plain, "", "")
}

fn page(live: &str, connect: &str, title: &str, plain: &str, data: &str, cells: &str) -> String {
    let head = terse(include_str!("page/head.js"));
    // Names never become markup; were one to, it would still not run what it names.
    let policy = format!(
        "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; \
         form-action 'none'{connect}"
    );
    let parts = [
        ("live", live),
        ("policy", &policy),
        ("title", title),
        ("style", &terse(include_str!("page/page.css"))),
        ("head", &head),
        ("plain", plain),
        ("data", data),
        ("script", &SCRIPT),
        ("cells", cells),
    ];
    // One pass: what is put in is not looked at again.
    let template = include_str!("page/page.html");
    let mut page =
        String::with_capacity(template.len() + parts.iter().map(|(_, text)| text.len()).sum::<usize>());
    let mut pieces = template.split("{{");
    page.push_str(pieces.next().unwrap_or_default());
    for piece in pieces {
        let (name, rest) = piece.split_once("}}").expect("page.html closes what it opens");
        let (_, text) =
            parts.iter().find(|(part, _)| *part == name).expect("page.html names parts that there are");
        page.push_str(text);
        page.push_str(rest);
    }
    page
}

/// A script or style sheet without what is for its authors: comments on lines of their own, and indentation.
fn terse(source: &str) -> String {
    let mut lines = String::with_capacity(source.len());
    let mut inside = false;
    for line in source.lines().map(str::trim) {
        inside |= line.starts_with("/**");
        let is_comment = inside || line.starts_with("//");
        inside &= !line.ends_with("*/");
        if !line.is_empty() && !is_comment {
            lines.push_str(line);
            lines.push('\n');
        }
    }
    lines
}

/// JSON that can lie in a script element, whatever its strings are.
fn inert(json: &str) -> String {
    json.replace('<', "\\u003c").replace('\u{2028}', "\\u2028").replace('\u{2029}', "\\u2029")
}

/// Text as HTML, where elements and quoted attributes may be. What would turn the text around it is shown by its number.
fn escaped(text: &str) -> String {
    let mut html = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => html.push_str("&amp;"),
            '<' => html.push_str("&lt;"),
            '"' => html.push_str("&quot;"),
            '\0'..='\u{1f}'
            | '\u{7f}'..='\u{9f}'
            | '\u{200b}'..='\u{200f}'
            | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' => {
                // Writing to a string does not fail.
                let _ = write!(html, "‹U+{:04X}›", u32::from(c));
            }
            c => html.push(c),
        }
    }
    html
}

pub(super) fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for three in bytes.chunks(3) {
        let bits =
            three.iter().fold(0u32, |bits, byte| bits << 8 | u32::from(*byte)) << (8 * (3 - three.len()));
        for digit in 0..4 {
            let at = (bits >> (18 - 6 * digit) & 63) as usize;
            text.push(if digit <= three.len() { char::from(DIGITS[at]) } else { '=' });
        }
    }
    text
}

/// A table for those without scripts; its cells are HTML already.
fn table(html: &mut String, title: &str, heads: &[&str], rows: impl IntoIterator<Item = Vec<String>>) {
    let mut rows = rows.into_iter().peekable();
    if rows.peek().is_none() {
        return;
    }
    let heads: String = heads.iter().map(|head| format!("<th scope=\"col\">{head}</th>")).collect();
    let _ = writeln!(html, "<section><h2>{title}</h2><table><thead><tr>{heads}</tr></thead><tbody>");
    for row in rows {
        let mut cells = row.into_iter();
        let first = cells.next().unwrap_or_default();
        let cells: String = cells.map(|cell| format!("<td>{cell}</td>")).collect();
        let _ = writeln!(html, "<tr><th scope=\"row\">{first}</th>{cells}</tr>");
    }
    html.push_str("</tbody></table></section>\n");
}

fn plain(report: &Report) -> String {
    let clock = Clock::of(report);
    let share = |part, whole| escaped(&percent(part, whole));
    let mut html = String::new();
    let _ = writeln!(html, "<h1><bdi>{}</bdi></h1>", escaped(&report.inputs.join(", ")));
    if let Some(period) = report.period {
        let _ = writeln!(html, "<p>{} to {}</p>", clock.long(period.first), clock.long(period.last));
    }
    if !report.filters.is_empty() {
        let _ = writeln!(html, "<p>Made with <code>{}</code></p>", escaped(&report.filters.join(" ")));
    }
    let whole = report.requests;
    let mut tiles = vec![
        ("Requests", grouped(whole)),
        ("Unique hosts", grouped(report.unique_hosts)),
        ("Bytes sent", grouped(report.bytes)),
        (
            "Client errors, 4xx",
            format!("{} ({})", grouped(report.client_errors), share(report.client_errors, whole)),
        ),
        (
            "Server errors, 5xx",
            format!("{} ({})", grouped(report.server_errors), share(report.server_errors, whole)),
        ),
    ];
    if let Some(peak) = report.peak {
        tiles.push((
            "Peak per second",
            format!("{} at {}", grouped(peak.second.requests), clock.long(peak.second.at)),
        ));
        tiles.push((
            "Peak per minute",
            format!("{} at {}", grouped(peak.minute.requests), clock.long(peak.minute.at)),
        ));
    }
    let lines = report.lines;
    tiles.push(("Rejected lines", format!("{} of {}", grouped(lines.rejected), grouped(lines.lines))));
    table(
        &mut html,
        "In short",
        &["", ""],
        tiles.into_iter().map(|(name, value)| vec![name.to_owned(), value]),
    );

    let name = |name: &str| format!("<bdi>{}</bdi>", escaped(name));
    let row = |row: &Row| {
        let mut cells = vec![name(&row.name), grouped(row.requests), grouped(row.bytes)];
        cells.extend(row.hosts.map(grouped));
        cells.push(share(row.errors, row.requests));
        cells
    };
    table(
        &mut html,
        "Top URLs",
        &["URL", "Requests", "Bytes", "Hosts", "Errors"],
        report.urls.rows.iter().map(row),
    );
    table(
        &mut html,
        "Top hosts",
        &["Host", "Requests", "Bytes", "Errors"],
        report.hosts.rows.iter().map(row),
    );
    let statuses = report.statuses.iter().map(|row| {
        let status = row.status.map_or_else(|| "none".to_owned(), |status| status.to_string());
        vec![status, grouped(row.requests), share(row.requests, whole)]
    });
    table(&mut html, "Status codes", &["Status", "Requests", "Share"], statuses);
    for (title, names) in [("Not found (404)", &report.not_found), ("Server errors (5xx)", &report.failed)] {
        let rows = names
            .rows
            .iter()
            .map(|row| vec![name(row.name.as_deref().unwrap_or("(none)")), grouped(row.requests)]);
        table(&mut html, title, &["URL", "Requests"], rows);
    }
    let hours = (0..24).map(|hour| {
        let requests = report.hours.iter().filter_map(|day| day.get(hour)).sum();
        vec![format!("{hour:02}:00"), grouped(requests), share(requests, whole)]
    });
    table(
        &mut html,
        "Requests by hour of the day",
        &["Hour", "Requests", "Share"],
        hours.filter(|_| whole > 0),
    );
    let traffic = report.time.buckets.iter().map(|bucket| {
        vec![clock.long(bucket.at), grouped(bucket.requests), grouped(bucket.hosts), grouped(bucket.bytes)]
    });
    table(&mut html, "Traffic over time", &["From", "Requests", "Unique hosts", "Bytes"], traffic);
    let rejects = report.rejects.iter().map(|reject| vec![escaped(&reject.says), grouped(reject.lines)]);
    table(&mut html, "Rejected lines", &["Reason", "Lines"], rejects);
    html
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_is_as_in_rfc_4648() {
        for (bytes, text) in
            [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foobar", "Zm9vYmFy")]
        {
            assert_eq!(base64(bytes.as_bytes()), text);
        }
        assert_eq!(base64(&[0xfb, 0xff]), "+/8=");
    }

    #[test]
    fn nothing_leaves_a_script_element() {
        let json = inert("{\"a\":\"</script><!--<script>\u{2028}\"}");
        assert!(!json.contains('<') && !json.contains('\u{2028}'));
        let read: serde_json::Value = serde_json::from_str(&json).unwrap();
        assert_eq!(read["a"], "</script><!--<script>\u{2028}");
        // Nor do our own scripts, which are put in as they are.
        assert!(!SCRIPT.contains("</script") && !SCRIPT.contains("<!--"));
    }

    #[test]
    fn names_are_text() {
        assert_eq!(escaped("<a href=\"x\">&\u{202e}"), "&lt;a href=&quot;x&quot;>&amp;‹U+202E›");
    }

    #[test]
    fn the_page_is_small() {
        let page = live_html();
        assert!(page.len() < 110_000, "{} bytes", page.len());
        assert!(page.contains("* { box-sizing") && !page.contains("/**"));
        assert!(page.contains("<html lang=\"en\" data-live>") && page.contains("connect-src 'self'"));
    }
}
