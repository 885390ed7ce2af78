//! Text on its way to a terminal.

use std::io::{self, Write};

/// Writes control characters as `\xHH`: what a log holds must not move the cursor, ring the bell or rename the window.
#[derive(Debug)]
pub struct Terminal<W> {
    inner: W,
    /// The first byte of a character that may be a control character of two bytes (U+0080 to U+009F).
    held: bool,
}

const LEAD: u8 = 0xC2;

impl<W: Write> Terminal<W> {
    /// Guards a terminal.
    pub fn new(inner: W) -> Self {
        Self { inner, held: false }
    }
}

impl<W: Write> Write for Terminal<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut safe = Vec::with_capacity(bytes.len() + 16);
        for &byte in bytes {
            let escape = |safe: &mut Vec<u8>, byte: u8| safe.extend(format!("\\x{byte:02X}").bytes());
            if std::mem::take(&mut self.held) {
                if (0x80..0xA0).contains(&byte) {
                    escape(&mut safe, LEAD);
                    escape(&mut safe, byte);
                    continue;
                }
                safe.push(LEAD);
            }
            match byte {
                LEAD => self.held = true,
                b'\n' => safe.push(byte),
                0..0x20 | 0x7F => escape(&mut safe, byte),
                _ => safe.push(byte),
            }
        }
        self.inner.write_all(&safe)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn controls_are_shown_and_text_is_kept() {
        let text = "a\u{1b}[31m\u{9b}é\u{7f}\tline\nnext".as_bytes();
        for piece in 1..text.len() {
            let mut shown = Vec::new();
            let mut terminal = Terminal::new(&mut shown);
            text.chunks(piece).for_each(|piece| terminal.write_all(piece).unwrap());
            assert_eq!(String::from_utf8(shown).unwrap(), "a\\x1B[31m\\xC2\\x9Bé\\x7F\\x09line\nnext");
        }
    }
}
