//! Bytes to text, whatever the bytes are.

const HEX: &[u8; 16] = b"0123456789ABCDEF";

/// Appends one byte as `\xHH`.
fn push_escape(out: &mut String, byte: u8) {
    out.push_str("\\x");
    out.push(HEX[usize::from(byte >> 4)] as char);
    out.push(HEX[usize::from(byte & 15)] as char);
}

/// Appends bytes as text, each byte that is not part of a valid UTF-8 sequence as `\xHH`.
pub fn escape_invalid_into(bytes: &[u8], out: &mut String) {
    for chunk in bytes.utf8_chunks() {
        out.push_str(chunk.valid());
        for &byte in chunk.invalid() {
            push_escape(out, byte);
        }
    }
}

/// Bytes as text, each byte that is not part of a valid UTF-8 sequence as `\xHH`.
///
/// ```
/// assert_eq!(nasalogs::field::text::escape_invalid(b"caf\xe9 caf\xc3\xa9"), r"caf\xE9 café");
/// ```
#[must_use]
pub fn escape_invalid(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len() + 8);
    escape_invalid_into(bytes, &mut out);
    out
}

/// Whether a character turns the direction of the text around it (Unicode Standard Annex 9), so that what is shown is
/// not what is there.
fn is_bidi_control(character: char) -> bool {
    matches!(character, '\u{61C}' | '\u{200E}' | '\u{200F}' | '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}')
}

/// Bytes as text that is safe on a terminal: also control characters (C0, DEL and C1), and those that turn the
/// direction of text around, as `\xHH` for each byte.
///
/// ```
/// assert_eq!(nasalogs::field::text::escape_control(b"\x1b[31mred\xff\xc2\x9b"), r"\x1B[31mred\xFF\xC2\x9B");
/// ```
#[must_use]
pub fn escape_control(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len() + 8);
    for chunk in bytes.utf8_chunks() {
        for character in chunk.valid().chars() {
            if character.is_control() || is_bidi_control(character) {
                let mut buffer = [0; 4];
                for &byte in character.encode_utf8(&mut buffer).as_bytes() {
                    push_escape(&mut out, byte);
                }
            } else {
                out.push(character);
            }
        }
        for &byte in chunk.invalid() {
            push_escape(&mut out, byte);
        }
    }
    out
}

/// Appends bytes as text, each byte being the character of Latin-1 with that number.
pub fn latin1_into(bytes: &[u8], out: &mut String) {
    out.extend(bytes.iter().map(|&byte| char::from(byte)));
}
