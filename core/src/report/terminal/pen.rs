//! What writes on a terminal, and knows how wide things are.

use unicode_width::UnicodeWidthStr;

use super::TerminalOptions;
use crate::report::label::cut;

#[derive(Clone, Copy)]
pub(super) enum Ink {
    Bold,
    Dim,
    Bar,
    Bad,
}

/// What writes, and knows how wide things are.
pub(super) struct Pen {
    pub(super) options: TerminalOptions,
    pub(super) width: usize,
    pub(super) out: String,
}

impl Pen {
    pub(super) fn ink(&self, text: &str, ink: Ink) -> String {
        if !self.options.colour || text.trim().is_empty() {
            return text.to_owned();
        }
        let code = match ink {
            Ink::Bold => "1",
            Ink::Dim => "2",
            Ink::Bar => "36",
            Ink::Bad => "31",
        };
        format!("\x1b[{code}m{text}\x1b[0m")
    }

    pub(super) fn ellipsis(&self) -> &'static str {
        if self.options.unicode { "…" } else { "..." }
    }

    /// A line as it is, without blanks at its end.
    pub(super) fn line(&mut self, text: &str) {
        self.out.push_str(text.trim_end());
        self.out.push('\n');
    }

    pub(super) fn heading(&mut self, title: &str, note: &str) {
        let room = self.width.saturating_sub(title.width() + 2);
        let note = cut(note, room, self.ellipsis());
        let text = format!("{}  {}", self.ink(title, Ink::Bold), self.ink(&note, Ink::Dim));
        self.out.push('\n');
        self.line(&text);
    }

    /// A bar of so many columns at most.
    pub(super) fn bar(&self, part: u64, most: u64, width: usize) -> String {
        let share = if most == 0 { 0.0 } else { part as f64 / most as f64 };
        if !self.options.unicode {
            let length = (share * width as f64).round() as usize;
            // What is there is seen.
            return "#".repeat(length.max(usize::from(part > 0 && width > 0)));
        }
        const PARTS: [&str; 8] = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"];
        let eighths = (share * width as f64 * 8.0).round() as usize;
        let eighths = eighths.max(usize::from(part > 0 && width > 0));
        format!("{}{}", "█".repeat(eighths / 8), PARTS[eighths % 8])
    }

    /// Columns of so many lines at most, for values that come one after the other.
    pub(super) fn chart(&self, values: &[f64], lines: usize) -> Vec<String> {
        const UNICODE: [char; 9] = [' ', '▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
        const ASCII: [char; 9] = [' ', '.', '.', '.', ':', ':', ':', '#', '#'];
        let characters = if self.options.unicode { UNICODE } else { ASCII };
        let most = values.iter().copied().fold(0.0, f64::max);
        let height = |value: f64| {
            let eighths = (value / most * (lines * 8) as f64).round() as usize;
            if value > 0.0 { eighths.max(1) } else { 0 }
        };
        let heights: Vec<usize> = values.iter().map(|value| height(*value)).collect();
        let row = |line: usize| {
            heights
                .iter()
                .map(|height| characters[height.saturating_sub(line * 8).min(8)])
                .collect::<String>()
        };
        (0..lines).rev().map(row).collect()
    }
}

/// Text to the right of a column.
pub(super) fn right(text: &str, width: usize) -> String {
    format!("{}{text}", " ".repeat(width.saturating_sub(text.width())))
}

/// Text to the left of a column.
pub(super) fn left(text: &str, width: usize) -> String {
    format!("{text}{}", " ".repeat(width.saturating_sub(text.width())))
}
