//! Integers as logs write them.

/// A size: 1 to 19 digits that fit a signed 64-bit integer. No sign, no blank, no point.
///
/// ```
/// use nasalogs::field::number::bytes;
/// assert_eq!(bytes(b"6245"), Some(6245));
/// assert_eq!(bytes(b"9223372036854775807"), Some(i64::MAX));
/// assert_eq!(bytes(b"9223372036854775808"), None);
/// assert_eq!(bytes(b"-5"), None);
/// ```
#[must_use]
pub fn bytes(text: &[u8]) -> Option<i64> {
    if text.is_empty() || text.len() > 19 {
        return None;
    }
    text.iter().try_fold(0i64, |value, byte| {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            return None;
        }
        value.checked_mul(10)?.checked_add(i64::from(digit))
    })
}

/// A signed decimal integer: an optional `-`, then what [`bytes()`] accepts.
#[must_use]
pub fn integer(text: &[u8]) -> Option<i64> {
    match text.strip_prefix(b"-") {
        Some(digits) => bytes(digits).map(|value| -value),
        None => bytes(text),
    }
}

/// A status: exactly three digits.
///
/// ```
/// use nasalogs::field::number::status;
/// assert_eq!((status(b"404"), status(b"000"), status(b"4o4"), status(b"40")), (Some(404), Some(0), None, None));
/// ```
#[must_use]
pub fn status(text: &[u8]) -> Option<i16> {
    let [a, b, c] = *text else { return None };
    let [a, b, c] = [a, b, c].map(|byte| i16::from(byte.wrapping_sub(b'0')));
    (a <= 9 && b <= 9 && c <= 9).then_some(a * 100 + b * 10 + c)
}

/// A decimal number of seconds, as an integer of 1/10^`digits` seconds; further digits are dropped, not rounded.
///
/// ```
/// use nasalogs::field::number::decimal;
/// assert_eq!(decimal(b"0.042", 3), Some(42));
/// assert_eq!(decimal(b"12", 3), Some(12_000));
/// assert_eq!(decimal(b"1.23456", 3), Some(1_234));
/// assert_eq!(decimal(b"1.", 3), None);
/// ```
#[must_use]
pub fn decimal(text: &[u8], digits: u32) -> Option<i64> {
    let unit = 10i64.checked_pow(digits)?;
    let (whole, fraction) = match memchr::memchr(b'.', text) {
        Some(point) => (&text[..point], Some(&text[point + 1..])),
        None => (text, None),
    };
    let mut value = bytes(whole)?.checked_mul(unit)?;
    if let Some(fraction) = fraction {
        if fraction.is_empty() || fraction.len() > 19 || !fraction.iter().all(u8::is_ascii_digit) {
            return None;
        }
        let mut place = unit;
        for digit in fraction.iter().take(digits as usize) {
            place /= 10;
            value = value.checked_add(i64::from(digit - b'0') * place)?;
        }
    }
    Some(value)
}

const ONES: u64 = 0x0101_0101_0101_0101;
const HIGHS: u64 = ONES << 7;

/// What [`bytes()`] gives for the first `len` (1 to 8) of eight bytes, in a handful of instructions.
///
/// The digits are shifted to the high end of the word, so that the missing ones are leading zeros, then added up in
/// pairs, fours and eight.
#[inline(always)]
pub(crate) fn short_digits(word: u64, len: u32) -> Option<i64> {
    debug_assert!((1..=8).contains(&len));
    let digits = (word ^ (ONES * u64::from(b'0'))) << (64 - 8 * len);
    // A digit is at most 9: adding 0x76 sets the high bit of anything above.
    if (digits | (digits & !HIGHS).wrapping_add(ONES * 0x76)) & HIGHS != 0 {
        return None;
    }
    let pairs = (digits.wrapping_mul(10) + (digits >> 8)) & 0x00FF_00FF_00FF_00FF;
    let fours = (pairs.wrapping_mul(100) + (pairs >> 16)) & 0x0000_FFFF_0000_FFFF;
    let eight = fours.wrapping_mul(10_000).wrapping_add(fours >> 32) & 0xFFFF_FFFF;
    Some(eight as i64)
}

/// What [`status`] gives for the first three of four bytes.
#[inline(always)]
pub(crate) fn three_digits(word: u32) -> Option<i16> {
    let digits = (word ^ 0x0030_3030) & 0x00FF_FFFF;
    if (digits | digits.wrapping_add(0x0076_7676)) & 0x0080_8080 != 0 {
        return None;
    }
    // The second byte of the product is the first digit times ten, and the second.
    let tens = digits.wrapping_mul(10) + (digits >> 8);
    Some(((tens & 0xFF) * 10 + (digits >> 16)) as i16)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_size_is_digits_that_fit() {
        for bad in [
            &b""[..],
            b"-",
            b"-1",
            b"+1",
            b" 1",
            b"1 ",
            b"1.5",
            b"0x10",
            b"00000000000000000000",
            b"99999999999999999999",
        ] {
            assert_eq!(bytes(bad), None, "{}", String::from_utf8_lossy(bad));
        }
        assert_eq!(bytes(b"0000000000000000007"), Some(7));
        assert_eq!(integer(b"-9223372036854775807"), Some(-i64::MAX));
    }

    #[test]
    fn status_is_three_digits() {
        for bad in [&b""[..], b"-", b"20", b"2000", b"-20", b"2 0", b"2\xb00"] {
            assert_eq!(status(bad), None);
        }
        assert_eq!(status(b"999"), Some(999));
    }

    proptest! {
        #[test]
        fn three_digits_equals_status(text in proptest::array::uniform4(prop_oneof![9 => b'0'..=b'9', 1 => any::<u8>()])) {
            prop_assert_eq!(three_digits(u32::from_le_bytes(text)), status(&text[..3]));
        }

        #[test]
        fn short_digits_equals_bytes(text in proptest::collection::vec(prop_oneof![9 => b'0'..=b'9', 1 => any::<u8>()], 1..=8), tail in any::<u64>()) {
            let mut word = tail.to_le_bytes();
            word[..text.len()].copy_from_slice(&text);
            prop_assert_eq!(short_digits(u64::from_le_bytes(word), text.len() as u32), bytes(&text));
        }
    }
}
