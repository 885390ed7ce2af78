//! `--dry-run`: what each form of records would take, and cost.

use std::ops::Range;
use std::time::Duration;

use nasalogs::delivery::cost::{Estimate, Prices, Tally};
use nasalogs::delivery::{Rate, ShardMap};
use nasalogs::envelope::{EncodeOptions, RecordForm, SourceId};
use nasalogs::{LogFormat, Result};
use serde::Serialize;

use super::args::Args;
use super::key::Key;
use super::line::{Fate, LineDestination, SourceLine};
use super::packer::Packer;
use super::plan;
use super::report::Delivered;
use crate::number::{grouped, size};

const FORMS: [RecordForm; 4] = [RecordForm::Raw, RecordForm::Ndjson, RecordForm::Kpl, RecordForm::Block];

/// Packs lines in every form, and counts.
pub(super) struct DryRun {
    forms: Vec<Form>,
    format: LogFormat,
    wanted: RecordForm,
    /// Where none were said, those of the list.
    prices: Option<Prices>,
    traffic: Traffic,
    done: bool,
}

struct Form {
    form: RecordForm,
    packer: Packer,
    tally: Tally,
}

/// When the lines were logged.
#[derive(Debug, Default)]
struct Traffic {
    lines: u64,
    /// The first and the latest time, in milliseconds.
    times: Option<(i64, i64)>,
    /// The minute that is going on, and how many lines it has so far.
    minute: (i64, u64),
    /// Lines of the busiest minute.
    busiest: u64,
}

/// What the forms take.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Estimates {
    /// From the first line to the last, by the log's times.
    log_seconds: f64,
    lines: u64,
    busiest_minute_lines: u64,
    shard_hour_usd: f64,
    million_put_units_usd: f64,
    /// When the list was read, where these are its prices.
    prices_as_of: Option<&'static str>,
    forms: Vec<Row>,
}

/// What a form takes.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Row {
    records_form: &'static str,
    lines: u64,
    records: u64,
    requests: u64,
    bytes: u64,
    lines_per_shard_second: f64,
    shard_seconds: f64,
    /// For the busiest minute.
    shards: u64,
    monthly_usd: f64,
}

const MINUTE_MS: i64 = 60_000;

impl Traffic {
    fn add(&mut self, time: Option<i64>) {
        self.lines += 1;
        let Some(time) = time else { return };
        let (first, latest) = self.times.unwrap_or((time, time));
        self.times = Some((first.min(time), latest.max(time)));
        let minute = time.div_euclid(MINUTE_MS);
        // What comes late counts for the minute in which it came.
        if self.minute.1 == 0 || minute > self.minute.0 {
            self.minute = (minute, 0);
        }
        self.minute.1 += 1;
        self.busiest = self.busiest.max(self.minute.1);
    }

    /// From the first line to the last, at least a second.
    fn span(&self) -> Duration {
        let (first, latest) = self.times.unwrap_or((0, 0));
        Duration::from_millis(u64::try_from(latest.saturating_sub(first)).unwrap_or(0).max(1000))
    }

    /// How long all lines would take if all the time were as busy as the busiest minute.
    fn busiest_span(&self) -> Duration {
        let lines_per_second = self.busiest as f64 / self.span().as_secs_f64().min(60.0);
        if lines_per_second > 0.0 {
            Duration::from_secs_f64((self.lines as f64 / lines_per_second).max(1e-3))
        } else {
            self.span()
        }
    }
}

impl DryRun {
    /// # Errors
    /// As [`Key::new`] has them.
    pub(super) fn new(args: &Args, format: &LogFormat) -> Result<Self> {
        let key = Key::new(&args.partition_key, Some(format))?;
        let form = |form| {
            let options = EncodeOptions::new(form)
                .with_format(format.clone())
                .with_names(args.json_names)
                .with_max_record(args.max_record_size);
            let packer = Packer::new(options, form, key.clone(), ShardMap::even(1), Duration::MAX);
            Form { form, packer, tally: Tally::new(&plan::delivery_options(args)) }
        };
        Ok(Self {
            forms: FORMS.map(form).into(),
            format: format.clone(),
            wanted: args.form(),
            prices: args.prices,
            traffic: Traffic::default(),
            done: false,
        })
    }

    /// What was counted.
    fn estimates(&self) -> Estimates {
        let prices = self.prices.unwrap_or_default();
        let row = |form: &Form| {
            let mean: Estimate = form.tally.estimate(self.traffic.span(), Rate::SHARD, &prices);
            let busiest = form.tally.estimate(self.traffic.busiest_span(), Rate::SHARD, &prices);
            Row {
                records_form: form.form.as_str(),
                lines: mean.lines,
                records: mean.records,
                requests: mean.requests,
                bytes: mean.bytes,
                lines_per_shard_second: mean.lines_per_shard_second,
                shard_seconds: mean.shard_seconds,
                shards: busiest.shards,
                monthly_usd: busiest.monthly_shards + mean.monthly_puts,
            }
        };
        Estimates {
            log_seconds: self.traffic.span().as_secs_f64(),
            lines: self.traffic.lines,
            busiest_minute_lines: self.traffic.busiest,
            shard_hour_usd: prices.shard_hour,
            million_put_units_usd: prices.million_put_units,
            prices_as_of: self.prices.is_none().then_some(Prices::AS_OF),
            forms: self.forms.iter().map(row).collect(),
        }
    }
}

impl Estimates {
    /// For people: a table, and what it stands on.
    pub(super) fn to_text(&self) -> String {
        let head = [
            "records",
            "count",
            "requests",
            "size",
            "lines per shard-second",
            "shard-seconds",
            "shards",
            "USD a month",
        ];
        let mut table = vec![head.map(str::to_owned)];
        for row in &self.forms {
            table.push([
                row.records_form.to_owned(),
                grouped(row.records),
                grouped(row.requests),
                size(row.bytes),
                grouped(row.lines_per_shard_second.round() as u64),
                format!("{:.1}", row.shard_seconds),
                grouped(row.shards),
                format!("{:.2}", row.monthly_usd),
            ]);
        }
        let widths: Vec<usize> =
            (0..head.len()).map(|at| table.iter().map(|row| row[at].len()).max().unwrap_or(0)).collect();
        let mut text = String::new();
        for row in table {
            let cell = |(at, cell): (usize, &String)| match at {
                0 => format!("{cell:<width$}", width = widths[0]),
                _ => format!("{cell:>width$}", width = widths[at]),
            };
            text.push_str(&row.iter().enumerate().map(cell).collect::<Vec<_>>().join("  "));
            text.push('\n');
        }
        text.push_str(&format!(
            "\n{} lines in {:.0} s of log, {:.1} a second; {} in the busiest minute, for which the shards are.\n\
             Records are as full as they get; of a log that is followed, one holds what came within a tenth of a second.\n\
             Provisioned shards, ${} a shard-hour, ${} a million PUT units of 25 KB, 730 hours; {}.\n",
            grouped(self.lines),
            self.log_seconds,
            self.lines as f64 / self.log_seconds,
            grouped(self.busiest_minute_lines),
            self.shard_hour_usd,
            self.million_put_units_usd,
            match self.prices_as_of {
                Some(date) =>
                    format!("the list prices of us-east-1 as of {date}: --prices HOUR,MILLION has yours"),
                None => "your prices".to_owned(),
            },
        ));
        text
    }
}

impl Form {
    fn count(&mut self) {
        while let Some(record) = self.packer.next_record() {
            self.tally.add_record(&record);
        }
    }
}

impl LineDestination for DryRun {
    fn begin(&mut self, _source: SourceId, _offset: u64) {}

    fn has_room(&self) -> bool {
        true
    }

    fn take(&mut self, line: &SourceLine<'_>) -> Result<Fate> {
        self.traffic.add(self.format.parse_line(line.bytes).ok().and_then(|record| record.ts()));
        // Of a blank line there is no object; whatever carries lines carries it too.
        let is_blank = line.bytes.iter().all(|byte| *byte == b' ');
        let is_left_out = |form: RecordForm| is_blank && form == RecordForm::Ndjson;
        let mut fate = if is_left_out(self.wanted) { Fate::Blank } else { Fate::Taken };
        for form in &mut self.forms {
            if is_left_out(form.form) {
                continue;
            }
            if let Err(refusal) = form.packer.push(Duration::ZERO, line)
                && form.form == self.wanted
            {
                fate = Fate::Rejected(refusal.reason());
            }
            form.count();
        }
        Ok(fate)
    }

    fn skip(&mut self, _source: SourceId, _bytes: Range<u64>) {}

    fn work(&mut self, _longest: Duration) -> Result<()> {
        Ok(())
    }

    fn due(&self) -> Option<Duration> {
        None
    }

    fn drain(&mut self) -> Result<()> {
        for form in &mut self.forms {
            form.packer.flush();
            form.count();
        }
        self.done = true;
        Ok(())
    }

    fn is_empty(&self) -> bool {
        self.done
    }

    fn acknowledged(&self, _source: SourceId) -> Option<u64> {
        None
    }

    fn delivered(&self) -> Delivered {
        Delivered { dry_run: Some(self.estimates()), ..Delivered::default() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shards_are_for_the_busiest_minute() {
        let mut traffic = Traffic::default();
        for second in 0..3600 {
            // Ten lines a second, and for one minute a hundred.
            for _ in 0..if (600..660).contains(&second) { 100 } else { 10 } {
                traffic.add(Some(second * 1000));
            }
        }
        traffic.add(Some(0));
        traffic.add(None);
        assert_eq!((traffic.lines, traffic.busiest, traffic.span().as_secs()), (41_402, 6000, 3599));
        assert!((traffic.busiest_span().as_secs_f64() - 414.02).abs() < 0.01);
        assert_eq!(Traffic::default().busiest_span(), Duration::from_secs(1));
    }
}
