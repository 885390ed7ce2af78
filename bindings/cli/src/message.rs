//! What is said on standard error. Whatever comes from a log or a file's name is made harmless for terminals first.

use std::io::{self, IsTerminal, Write};

use nasalogs::field::text::escape_control;

const RED: &str = "\x1b[1;31m";
const CYAN: &str = "\x1b[36m";
const RESET: &str = "\x1b[0m";

/// A failure: `nasalogs: what: where`.
pub fn error(text: &str) {
    line("nasalogs:", RED, text);
}

/// What to do about it, on a line of its own.
pub fn hint(text: &str) {
    line("hint:", CYAN, text);
}

/// A line without a mark.
pub fn note(text: &str) {
    write(&format!("{}\n", harmless(text)));
}

fn line(mark: &str, colour: &str, text: &str) {
    let text = harmless(text);
    if has_colour(&io::stderr()) {
        write(&format!("{colour}{mark}{RESET} {text}\n"));
    } else {
        write(&format!("{mark} {text}\n"));
    }
}

/// Where standard error is closed there is nobody to tell.
fn write(text: &str) {
    let _ = io::stderr().lock().write_all(text.as_bytes());
}

/// Line feeds are ours; anything else that a terminal would obey is shown instead.
fn harmless(text: &str) -> String {
    text.split('\n').map(|line| escape_control(line.as_bytes())).collect::<Vec<_>>().join("\n")
}

/// Whether a stream is coloured: see <https://no-color.org>.
pub fn has_colour(stream: &impl IsTerminal) -> bool {
    let is_set = |name| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    stream.is_terminal() && !is_set("NO_COLOR") && std::env::var_os("TERM").is_none_or(|term| term != "dumb")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_terminal_is_never_commanded() {
        assert_eq!(harmless("a\x1b[2Jb\nc\u{9b}d"), "a\\x1B[2Jb\nc\\xC2\\x9Bd");
    }
}
