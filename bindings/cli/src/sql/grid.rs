//! Answers as columns of text.

use std::time::Instant;

use nasalogs::Result;
use nasalogs::arrow::array::{Array, RecordBatch};
use nasalogs::arrow::buffer::NullBuffer;
use nasalogs::arrow::datatypes::SchemaRef;
use nasalogs::arrow::util::display::{ArrayFormatter, FormatOptions};
use nasalogs::field::text::escape_control;
use nasalogs::sink::{BatchSink, Finished};
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

use crate::number::counted;
use crate::output::Output;

/// The widths of columns are those of so many rows; what is wider behind them sticks out, or is cut on a terminal.
const LOOKED_AT: usize = 1000;

/// How wide columns are at most where there is no terminal.
const WIDEST: usize = 200;
/// How much is written at a time, in bytes.
const PIECE: usize = 1 << 16;
/// No column is made narrower than this, or than its widest value.
const NARROW: usize = 8;

const DIM: &str = "\x1b[2m";
const RESET: &str = "\x1b[0m";

/// A value as it is shown; none for null.
type Cell = Option<String>;

/// Writes a table.
pub struct Grid {
    out: Output,
    names: Vec<String>,
    /// Numbers end in one column.
    right: Vec<bool>,
    /// Rows whose widths are still looked at.
    waiting: Vec<Vec<Cell>>,
    layout: Option<Layout>,
    /// How wide the terminal is, if it is one.
    terminal: Option<usize>,
    colour: bool,
    rows: u64,
    bytes: u64,
    /// When the question was asked, where that is said.
    begun: Option<Instant>,
}

/// How rows are laid out.
enum Layout {
    /// A line for each, of columns so wide.
    Rows(Vec<usize>),
    /// A line for each value.
    Records,
}

impl Grid {
    /// Begins it.
    pub fn new(out: Output, schema: &SchemaRef, shown: bool, begun: Option<Instant>) -> Self {
        let width = || terminal_size::terminal_size().map_or(80, |(width, _)| usize::from(width.0));
        let is_set = |name| std::env::var_os(name).is_some_and(|value| !value.is_empty());
        Self {
            out,
            names: schema.fields().iter().map(|field| escape_control(field.name().as_bytes())).collect(),
            right: schema.fields().iter().map(|field| field.data_type().is_numeric()).collect(),
            waiting: Vec::new(),
            layout: None,
            terminal: shown.then(width),
            colour: shown && !is_set("NO_COLOR"),
            rows: 0,
            bytes: 0,
            begun,
        }
    }

    fn put(&mut self, text: &str) -> Result<()> {
        self.bytes += text.len() as u64;
        self.out.write(text.as_bytes())
    }

    /// Lays out what was looked at, and writes it.
    fn settle(&mut self) -> Result<()> {
        let layout = self.lay_out();
        if let Layout::Rows(widths) = &layout {
            let mut text = String::new();
            let names = self.names.iter().map(|name| Some(name.clone())).collect::<Vec<Cell>>();
            self.line(&mut text, &names, widths, false);
            let rules: Vec<String> = widths.iter().map(|width| "-".repeat(width + 2)).collect();
            text.push_str(&rules.join("+"));
            text.push('\n');
            self.put(&text)?;
        }
        self.layout = Some(layout);
        let waiting = std::mem::take(&mut self.waiting);
        self.write_rows(&waiting)
    }

    fn lay_out(&self) -> Layout {
        let mut widths: Vec<usize> = self.names.iter().map(|name| name.width()).collect();
        for row in &self.waiting {
            for (width, cell) in widths.iter_mut().zip(row) {
                *width = shown(cell).split('\n').map(|line| line.width()).fold(*width, usize::max);
            }
        }
        let Some(terminal) = self.terminal else {
            // What is wider sticks out: one long value does not pad all others.
            return Layout::Rows(widths.into_iter().map(|width| width.min(WIDEST)).collect());
        };
        let total = |widths: &[usize]| widths.iter().map(|width| width + 3).sum::<usize>().saturating_sub(1);
        while total(&widths) > terminal {
            match widths.iter_mut().max() {
                Some(widest) if *widest > NARROW => *widest -= 1,
                _ => return Layout::Records,
            }
        }
        Layout::Rows(widths)
    }

    fn write_rows(&mut self, rows: &[Vec<Cell>]) -> Result<()> {
        let mut text = String::new();
        for row in rows {
            self.rows += 1;
            match &self.layout {
                Some(Layout::Rows(widths)) => self.line(&mut text, row, widths, true),
                _ => self.record(&mut text, row),
            }
            if text.len() > PIECE {
                self.put(&text)?;
                text.clear();
            }
        }
        self.put(&text)
    }

    /// A row in columns; a value of several lines makes it as high.
    fn line(&self, text: &mut String, row: &[Cell], widths: &[usize], values: bool) {
        let lines: Vec<Vec<&str>> = row.iter().map(|cell| shown(cell).split('\n').collect()).collect();
        let height = lines.iter().map(Vec::len).max().unwrap_or(1);
        for number in 0..height {
            for (index, (cell, width)) in row.iter().zip(widths).enumerate() {
                text.push_str(if index > 0 { " | " } else { " " });
                let piece = lines[index].get(number).copied().unwrap_or("");
                let value = if self.terminal.is_some() { cut(piece, *width) } else { piece.to_owned() };
                let space = " ".repeat(width.saturating_sub(value.width()));
                let is_right = values && self.right[index] && cell.is_some();
                let value =
                    if cell.is_none() && self.colour { format!("{DIM}{value}{RESET}") } else { value };
                match (is_right, index + 1 == widths.len()) {
                    (true, _) => text.extend([space.as_str(), value.as_str()]),
                    (false, true) => text.push_str(&value),
                    (false, false) => text.extend([value.as_str(), space.as_str()]),
                }
            }
            text.truncate(text.trim_end_matches(' ').len());
            text.push('\n');
        }
    }

    /// A row as lines.
    fn record(&self, text: &mut String, row: &[Cell]) {
        let width = self.names.iter().map(|name| name.width()).max().unwrap_or(0);
        let head = format!("-[ {} ]", self.rows);
        text.push_str(&format!("{head}{}\n", "-".repeat((width + 12).saturating_sub(head.len()))));
        for (name, cell) in self.names.iter().zip(row) {
            let space = " ".repeat(width - name.width());
            let value = match (cell, self.colour) {
                (None, true) => format!("{DIM}NULL{RESET}"),
                _ => shown(cell).replace('\n', &format!("\n{} | ", " ".repeat(width))),
            };
            text.push_str(&format!("{name}{space} | {value}\n"));
        }
    }
}

impl BatchSink for Grid {
    fn write(&mut self, batch: &RecordBatch) -> Result<()> {
        let rows = cells(batch)?;
        if self.layout.is_some() {
            return self.write_rows(&rows);
        }
        self.waiting.extend(rows);
        if self.waiting.len() >= LOOKED_AT { self.settle() } else { Ok(()) }
    }

    fn finish(mut self: Box<Self>) -> Result<Finished> {
        if self.layout.is_none() {
            self.settle()?;
        }
        let rows = counted(self.rows, "row");
        let text = match self.begun {
            Some(begun) => format!("({rows}, {:.2} s)\n", begun.elapsed().as_secs_f64()),
            None => format!("({rows})\n"),
        };
        self.put(&text)?;
        let mut finished = Finished::default();
        finished.bytes = self.bytes;
        self.out.finish()?;
        Ok(finished)
    }
}

fn harmless(text: &str) -> String {
    escape_control(text.as_bytes())
}

fn shown(cell: &Cell) -> &str {
    cell.as_deref().unwrap_or("NULL")
}

/// The values of a batch, by rows; harmless for a terminal.
fn cells(batch: &RecordBatch) -> Result<Vec<Vec<Cell>>> {
    let options = FormatOptions::new()
        .with_timestamp_format(Some("%Y-%m-%d %H:%M:%S%.f"))
        .with_timestamp_tz_format(Some("%Y-%m-%dT%H:%M:%S%.fZ"));
    let columns = batch
        .columns()
        .iter()
        // A column without a type has no bits for its nulls.
        .map(|column| ArrayFormatter::try_new(column, &options).map(|text| (column.logical_nulls(), text)))
        .collect::<Result<Vec<_>, _>>()?;
    let cell = |nulls: Option<&NullBuffer>, text: &ArrayFormatter<'_>, row: usize| -> Result<Cell> {
        if nulls.is_some_and(|nulls| nulls.is_null(row)) {
            return Ok(None);
        }
        let value = text.value(row).try_to_string()?;
        Ok(Some(value.trim_end_matches('\n').split('\n').map(harmless).collect::<Vec<_>>().join("\n")))
    };
    (0..batch.num_rows())
        .map(|row| columns.iter().map(|(nulls, text)| cell(nulls.as_ref(), text, row)).collect())
        .collect()
}

/// No wider than so many columns.
fn cut(text: &str, width: usize) -> String {
    if text.width() <= width {
        return text.to_owned();
    }
    let mut room = width.saturating_sub(1);
    let mut short = String::new();
    for letter in text.chars() {
        let own = letter.width().unwrap_or(0);
        if own > room {
            break;
        }
        room -= own;
        short.push(letter);
    }
    short.push('…');
    short
}
