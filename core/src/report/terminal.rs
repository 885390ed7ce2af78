//! The report on a terminal.

mod pen;

use std::fmt::Write as _;

use unicode_width::UnicodeWidthStr;

use super::answer::{Bucket, Measure, Names, Peak, Report, Row};
use pen::{Ink, Pen, left, right};

use super::label::{self, Clock, cut, grouped, percent, short_size, size};

/// What the terminal can show.
///
/// ```
/// let options = nasalogs::report::TerminalOptions::new().with_width(100).with_colour(true).with_unicode(true);
/// assert_eq!(options.width, 100);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct TerminalOptions {
    /// Columns: 80 unless set; at least 50 are used, and at most 160.
    pub width: usize,
    /// Whether there are colours.
    pub colour: bool,
    /// Whether bars may be drawn with other characters than ASCII's. Names are what they are.
    pub unicode: bool,
}

impl TerminalOptions {
    /// What every place can show: 80 columns, no colour, ASCII.
    #[must_use]
    pub const fn new() -> Self {
        Self { width: 80, colour: false, unicode: false }
    }

    /// Sets the columns.
    #[must_use]
    pub const fn with_width(mut self, columns: usize) -> Self {
        self.width = columns;
        self
    }

    /// Chooses whether there are colours.
    #[must_use]
    pub const fn with_colour(mut self, colour: bool) -> Self {
        self.colour = colour;
        self
    }

    /// Chooses whether bars are drawn with block characters.
    #[must_use]
    pub const fn with_unicode(mut self, unicode: bool) -> Self {
        self.unicode = unicode;
        self
    }
}

impl Default for TerminalOptions {
    fn default() -> Self {
        Self::new()
    }
}

/// The report as text for a terminal: no line is wider than it, and nothing from a log can command it.
///
/// ```
/// # use nasalogs::report::{Account, ReportOptions, Tally, TerminalOptions, terminal};
/// let report = Tally::new(&ReportOptions::new()).report(&Account::default(), 10);
/// assert!(terminal(&report, &TerminalOptions::new()).contains("No requests"));
/// ```
#[must_use]
pub fn terminal(report: &Report, options: &TerminalOptions) -> String {
    let pen = Pen { options: *options, width: options.width.clamp(50, 160), out: String::new() };
    let mut view = View { clock: Clock::of(report), report, pen };
    view.head();
    if report.requests > 0 {
        view.tiles();
        view.traffic();
        view.rows("Top URLs", &report.urls);
        view.rows("Top hosts", &report.hosts);
        view.hours();
        view.statuses();
        let not_found = report.statuses.iter().find(|row| row.status == Some(404));
        view.names("Not found (404)", Some(&report.not_found), not_found.map_or(0, |row| row.requests));
        view.names("Failed (5xx)", Some(&report.failed), report.server_errors);
        view.measures("Methods", &report.methods);
        view.measures("Protocols", &report.protocols);
        view.measures("File types", &report.types);
        view.sizes();
        view.week();
        view.names("Referrers", report.referers.as_ref(), report.requests);
        view.names("User agents", report.agents.as_ref(), report.requests);
    }
    view.quality();
    view.pen.out
}

struct View<'a> {
    report: &'a Report,
    clock: Clock,
    pen: Pen,
}

impl View<'_> {
    fn head(&mut self) {
        let (report, pen) = (self.report, &mut self.pen);
        let inputs = match &report.inputs[..] {
            [] => "nothing".to_owned(),
            [one] => label::name(Some(one)),
            [first, rest @ ..] => {
                format!("{} and {} more", label::name(Some(first)), grouped(rest.len() as u64))
            }
        };
        let inputs = cut(&inputs, pen.width, pen.ellipsis());
        let line = pen.ink(&inputs, Ink::Bold);
        pen.line(&line);
        let mut facts = Vec::new();
        if let Some(period) = &report.period {
            let zone = label::name(Some(&report.zone));
            let (first, last) = (self.clock.long(period.first), self.clock.long(period.last));
            facts.push(format!("{first} to {last} ({zone})"));
        }
        if let Some(format) = &report.format {
            facts.push(format!("format {}", label::name(Some(format))));
        }
        if !report.filters.is_empty() {
            facts.push(format!("only {}", label::name(Some(&report.filters.join(" ")))));
        }
        for fact in facts {
            let line = pen.ink(&cut(&fact, pen.width, pen.ellipsis()), Ink::Dim);
            pen.line(&line);
        }
        if report.requests == 0 {
            pen.out.push('\n');
            pen.line("No requests");
        }
    }

    fn tiles(&mut self) {
        let report = self.report;
        let share = |part: u64| format!("{} ({})", grouped(part), percent(part, report.requests));
        let mut tiles = vec![
            ("Requests", grouped(report.requests), false),
            ("Unique hosts", grouped(report.unique_hosts), false),
            ("Unique URLs", grouped(report.unique_urls), false),
            ("Bytes", size(report.bytes), false),
            ("Client errors", share(report.client_errors), report.client_errors > 0),
            ("Server errors", share(report.server_errors), report.server_errors > 0),
        ];
        if let Some(peaks) = &report.peak {
            let peak = |peak: &Peak, step| {
                format!("{} at {}", grouped(peak.requests), self.clock.bucket(peak.at, step))
            };
            tiles.push(("Peak second", peak(&peaks.second, 1), false));
            tiles.push(("Peak minute", peak(&peaks.minute, 60), false));
        }
        tiles.push(("Rejected lines", grouped(report.lines.rejected), report.lines.rejected > 0));
        const LABEL: usize = 15;
        // Read down, then on to the right: as many columns as there is room for.
        let widths = |lines: usize| -> Vec<usize> {
            let widest = |tiles: &[(_, String, _)]| tiles.iter().map(|(_, value, _)| value.width()).max();
            tiles.chunks(lines).map(|tiles| widest(tiles).unwrap_or(0)).collect()
        };
        let fits = |widths: &Vec<usize>| {
            widths.iter().map(|width| LABEL + width + 3).sum::<usize>() < self.pen.width
        };
        let lines = (3..tiles.len()).find(|lines| fits(&widths(*lines))).unwrap_or(tiles.len());
        let widths = widths(lines);
        self.pen.out.push('\n');
        for line in 0..lines {
            let mut text = String::from("  ");
            for (column, width) in widths.iter().enumerate() {
                if let Some((name, value, bad)) = tiles.get(column * lines + line) {
                    let pad = " ".repeat(width + 3 - value.width());
                    let value = self.pen.ink(value, if *bad { Ink::Bad } else { Ink::Bold });
                    let _ = write!(text, "{}{value}{pad}", self.pen.ink(&left(name, LABEL), Ink::Dim));
                }
            }
            self.pen.line(&text);
        }
    }

    fn traffic(&mut self) {
        let time = &self.report.time;
        let (Some(first), Some(last)) = (time.buckets.first(), time.buckets.last()) else { return };
        let step = time.step.max(1);
        // Where clocks change, a day has an hour more or less.
        let place = |bucket: &Bucket| usize::try_from((bucket.at - first.at + step / 2) / step).unwrap_or(0);
        let count = place(last) + 1;
        let room = self.pen.width - 2;
        let each = (room / count).clamp(1, 8);
        let columns = (count * each).min(room);
        let mean = |value: &dyn Fn(&Bucket) -> u64| {
            let mut sums = vec![(0.0, 0.0_f64); columns];
            for bucket in &time.buckets {
                let at = place(bucket);
                let (from, to) =
                    (at * columns / count, ((at + 1) * columns / count).max(at * columns / count + 1));
                for sum in &mut sums[from..to.min(columns)] {
                    sum.0 += value(bucket) as f64;
                }
            }
            // Columns that stand for more buckets than others are not higher for it.
            for at in 0..count {
                sums[(at * columns / count).min(columns - 1)].1 += 1.0;
            }
            sums.into_iter().map(|(sum, number)| sum / number.max(1.0)).collect::<Vec<f64>>()
        };
        let busiest =
            time.buckets.iter().max_by_key(|bucket| (bucket.requests, std::cmp::Reverse(bucket.at)));
        let unit = label::step(step);
        let note = busiest.map_or_else(String::new, |busiest| {
            let at = self.clock.bucket(busiest.at, step);
            format!("by {unit}, at most {} at {at}", grouped(busiest.requests))
        });
        self.pen.heading("Traffic", &note);
        for row in self.pen.chart(&mean(&|bucket| bucket.requests), 4) {
            let row = self.pen.ink(&row, Ink::Bar);
            self.pen.line(&format!("  {row}"));
        }
        let errors = |bucket: &Bucket| bucket.classes[4] + bucket.classes[5];
        let most = time.buckets.iter().map(errors).max().unwrap_or(0);
        let (from, to) = (self.clock.bucket(first.at, step), self.clock.bucket(last.at, step));
        let gap = columns.saturating_sub(from.width() + to.width());
        let axis = if count == 1 {
            from
        } else if gap > 0 {
            format!("{from}{}{to}", " ".repeat(gap))
        } else {
            format!("{from} to {to}")
        };
        let axis = self.pen.ink(&axis, Ink::Dim);
        self.pen.line(&format!("  {axis}"));
        if most > 0 {
            for row in self.pen.chart(&mean(&errors), 1) {
                let row = self.pen.ink(&row, Ink::Bad);
                self.pen.line(&format!("  {row}"));
            }
            let note = format!("errors (4xx and 5xx), at most {} by {unit}", grouped(most));
            let note = self.pen.ink(&cut(&note, room, self.pen.ellipsis()), Ink::Dim);
            self.pen.line(&format!("  {note}"));
        }
    }

    /// Names with all that is known of them, as much of it as there is room for.
    fn rows(&mut self, title: &str, names: &Names<Row>) {
        if names.rows.is_empty() {
            return;
        }
        let all = self.report.requests;
        let most = names.rows.iter().map(|row| row.requests).max().unwrap_or(0);
        let has_hosts = names.rows.iter().any(|row| row.hosts.is_some());
        let texts: Vec<String> = names.rows.iter().map(|row| label::name(Some(&row.name))).collect();
        // What comes first stays longest.
        let mut room = self.pen.width - 2;
        let longest = texts.iter().map(|text| text.width()).max().unwrap_or(0);
        let least = longest.min(self.pen.width / 2).max(8);
        let mut fits = |width: usize, wanted: bool| {
            let fits = wanted && room >= least + width;
            room -= if fits { width } else { 0 };
            fits
        };
        let count = fits(11, true);
        let share = fits(7, true);
        let bytes = fits(11, true);
        let bar = fits(12, true);
        let errors = fits(9, true);
        let hosts = fits(9, has_hosts);
        let name = longest.clamp(least.min(room), room);
        let bar_width = if bar { (11 + room - name).min(30) } else { 0 };
        let mut head = left("", name + 2);
        for (shown, width, title) in [
            (count, 11, "requests"),
            (share, 7, "share"),
            (bytes, 11, "bytes"),
            (errors, 9, "errors"),
            (hosts, 9, "hosts"),
        ] {
            if shown {
                head.push_str(&right(title, width));
            }
        }
        self.heading_of(title, names.rows.len(), names.total);
        let head = self.pen.ink(&head, Ink::Dim);
        self.pen.line(&head);
        for (row, text) in names.rows.iter().zip(&texts) {
            let mut line = format!("  {}", left(&cut(text, name, self.pen.ellipsis()), name));
            for (shown, width, value) in [
                (count, 11, grouped(row.requests)),
                (share, 7, percent(row.requests, all)),
                (bytes, 11, short_size(row.bytes)),
            ] {
                if shown {
                    line.push_str(&right(&value, width));
                }
            }
            if errors {
                let value = right(&grouped(row.errors), 9);
                line.push_str(&if row.errors > 0 { self.pen.ink(&value, Ink::Bad) } else { value });
            }
            if hosts {
                line.push_str(&right(&row.hosts.map(grouped).unwrap_or_default(), 9));
            }
            if bar {
                let bar = self.pen.bar(row.requests, most, bar_width);
                let _ = write!(line, " {}", self.pen.ink(&bar, Ink::Bar));
            }
            self.pen.line(&line);
        }
    }

    fn heading_of(&mut self, title: &str, shown: usize, total: u64) {
        let note =
            if shown as u64 == total { String::new() } else { format!("{shown} of {}", grouped(total)) };
        self.pen.heading(title, &note);
    }

    /// Lines of a name, a number, a share and a bar.
    fn bars(&mut self, lines: &[(String, u64)], of: u64) {
        let most = lines.iter().map(|(_, requests)| *requests).max().unwrap_or(0);
        let longest = lines.iter().map(|(name, _)| name.width()).max().unwrap_or(0);
        // A number, a share, and a bar that can be compared.
        let room = self.pen.width - 2 - 11 - 7;
        let name = longest.clamp(8, room.saturating_sub(12).max(20).min(room));
        let bar = room.saturating_sub(name + 1).min(40);
        for (text, requests) in lines {
            let text = left(&cut(text, name, self.pen.ellipsis()), name);
            let (count, share) = (right(&grouped(*requests), 11), right(&percent(*requests, of), 7));
            let bar = self.pen.ink(&self.pen.bar(*requests, most, bar), Ink::Bar);
            self.pen.line(&format!("  {text}{count}{share} {bar}"));
        }
    }

    /// Two columns of hours: the day at a glance.
    fn hours(&mut self) {
        let hours: Vec<u64> = (0..24)
            .map(|hour| self.report.hours.iter().map(|day| day.get(hour).unwrap_or(&0)).sum())
            .collect();
        let most = hours.iter().copied().max().unwrap_or(0);
        self.pen.heading("Hourly traffic", "requests by hour of the day");
        let half = (self.pen.width - 2) / 2;
        let bar = half.saturating_sub(2 + 11 + 2).min(40);
        for hour in 0..12 {
            let cell = |hour: usize| {
                let text = self.pen.bar(hours[hour], most, bar);
                let pad = " ".repeat(bar.saturating_sub(text.width()) + 1);
                let count = right(&grouped(hours[hour]), 11);
                format!("{hour:02}{count} {}{pad}", self.pen.ink(&text, Ink::Bar))
            };
            let line = format!("  {}{}", cell(hour), cell(hour + 12));
            self.pen.line(&line);
        }
    }

    fn statuses(&mut self) {
        self.pen.heading("Status codes", "");
        let lines: Vec<(String, u64)> = self
            .report
            .statuses
            .iter()
            .map(|row| {
                let code = row.status.map_or_else(|| "-".to_owned(), |status| format!("{status:03}"));
                (format!("{} {}", left(&code, 3), label::phrase(row.status)), row.requests)
            })
            .collect();
        self.bars(&lines, self.report.requests);
    }

    fn names(&mut self, title: &str, names: Option<&Names<Measure>>, of: u64) {
        let Some(names) = names.filter(|names| !names.rows.is_empty()) else { return };
        self.heading_of(title, names.rows.len(), names.total);
        let lines: Vec<(String, u64)> =
            names.rows.iter().map(|row| (label::name(row.name.as_deref()), row.requests)).collect();
        self.bars(&lines, of);
    }

    fn measures(&mut self, title: &str, rows: &[Measure]) {
        /// Enough to see what there is; `--json` has all.
        const MOST: usize = 8;
        if rows.is_empty() {
            return;
        }
        let shown = rows.len().min(MOST);
        self.heading_of(title, shown, rows.len() as u64);
        let lines: Vec<(String, u64)> =
            rows[..shown].iter().map(|row| (label::name(row.name.as_deref()), row.requests)).collect();
        self.bars(&lines, self.report.requests);
    }

    fn sizes(&mut self) {
        let lines = label::sizes(&self.report.sizes);
        if !lines.is_empty() {
            self.pen.heading("Response sizes", "");
            self.bars(&lines, self.report.requests);
        }
    }

    /// A week by hours, in shades.
    fn week(&mut self) {
        const UNICODE: [char; 5] = [' ', '░', '▒', '▓', '█'];
        const ASCII: [char; 5] = [' ', '.', ':', '+', '#'];
        let shades = if self.pen.options.unicode { UNICODE } else { ASCII };
        let most = self.report.hours.iter().flatten().copied().max().unwrap_or(0);
        let cell = ((self.pen.width - 6) / 24).clamp(1, 3);
        self.pen.heading("Week", &format!("requests by weekday and hour, at most {}", grouped(most)));
        for (day, hours) in self.report.hours.iter().enumerate() {
            let row: String = hours
                .iter()
                .flat_map(|requests| {
                    let shade = if *requests == 0 {
                        0
                    } else {
                        1 + (requests.saturating_sub(1) * 4 / most.max(1)) as usize
                    };
                    std::iter::repeat_n(shades[shade.min(4)], cell)
                })
                .collect();
            let row = self.pen.ink(&row, Ink::Bar);
            self.pen.line(&format!("  {} {row}", label::weekday(day)));
        }
        let axis: String = (0..24).step_by(6).map(|hour| left(&format!("{hour:02}"), 6 * cell)).collect();
        let axis = self.pen.ink(&axis, Ink::Dim);
        self.pen.line(&format!("      {axis}"));
    }

    /// What became of every line, and how good the numbers are.
    fn quality(&mut self) {
        let report = self.report;
        let lines = &report.lines;
        self.pen.heading("Lines", "");
        let mut text = format!(
            "{} lines = {} rows + {} rejected + {} blank",
            grouped(lines.lines),
            grouped(lines.rows),
            grouped(lines.rejected),
            grouped(lines.blank)
        );
        if lines.filtered > 0 {
            let _ = write!(text, "; {} rows filtered out", grouped(lines.filtered));
        }
        self.wrapped(&text);
        for reject in &report.rejects {
            let first = reject
                .first
                .as_ref()
                .map_or_else(String::new, |first| format!(" (first {})", label::name(Some(first))));
            let text = format!("{} {}: {}{first}", grouped(reject.lines), reject.reason, reject.says);
            self.wrapped(&text);
        }
        if !report.exact {
            self.pen.heading("Estimates", "memory was bounded");
            for bound in &report.bounds {
                self.wrapped(&format!("{}: {}", bound.of, bound.says));
            }
        }
    }

    /// A text of words over as many lines as it needs.
    fn wrapped(&mut self, text: &str) {
        let room = self.pen.width - 4;
        let mut line = String::new();
        let mut indent = "  ";
        for word in text.split(' ') {
            let word = cut(word, room, self.pen.ellipsis());
            if !line.is_empty() && line.width() + 1 + word.width() > room {
                self.pen.line(&format!("{indent}{line}"));
                line.clear();
                indent = "    ";
            }
            if !line.is_empty() {
                line.push(' ');
            }
            line.push_str(&word);
        }
        self.pen.line(&format!("{indent}{line}"));
    }
}

#[cfg(test)]
mod tests;
