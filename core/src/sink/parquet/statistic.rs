//! Smallest and largest values.

use parquet::data_type::ByteArray;
use parquet::file::statistics::{Statistics, ValueStatistics};

/// Texts are cut to this many bytes in statistics: enough to prune by, and a log line can be a megabyte.
const TEXT_LIMIT: usize = 64;

/// The smallest and the largest integer seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Bounds {
    pub(super) min: i64,
    pub(super) max: i64,
}

impl Bounds {
    pub(super) const EMPTY: Self = Self { min: i64::MAX, max: i64::MIN };

    pub(super) fn is_empty(&self) -> bool {
        self.min > self.max
    }

    pub(super) fn join(&mut self, other: Self) {
        self.min = self.min.min(other.min);
        self.max = self.max.max(other.max);
    }

    pub(super) fn get(self) -> Option<(i64, i64)> {
        (!self.is_empty()).then_some((self.min, self.max))
    }
}

/// The smallest and the largest string seen, in the order of their bytes.
#[derive(Debug, Default)]
pub(super) struct TextBounds {
    bounds: Option<(Vec<u8>, Vec<u8>)>,
    // The first eight bytes of both, which settle nearly every comparison.
    heads: (u64, u64),
}

impl TextBounds {
    #[inline]
    pub(super) fn add(&mut self, text: &[u8]) {
        let head = head(text);
        if self.bounds.is_none() || head <= self.heads.0 || head >= self.heads.1 {
            self.compare(text, head);
        }
    }

    fn compare(&mut self, text: &[u8], head: u64) {
        match &mut self.bounds {
            None => {
                self.bounds = Some((text.to_vec(), text.to_vec()));
                self.heads = (head, head);
            }
            Some((min, max)) => {
                if text < min.as_slice() {
                    *min = text.to_vec();
                    self.heads.0 = head;
                }
                if text > max.as_slice() {
                    *max = text.to_vec();
                    self.heads.1 = head;
                }
            }
        }
    }

    pub(super) fn statistics(self, utf8: bool, nulls: u64) -> Statistics {
        let Some((min, max)) = self.bounds else {
            return Statistics::byte_array(None, None, None, Some(nulls), false);
        };
        let (min, min_exact) = cut_down(min, utf8);
        let (max, max_exact) = match cut_up(max, utf8) {
            (Some(max), exact) => (Some(max), exact),
            (None, _) => (None, false),
        };
        ValueStatistics::new(Some(ByteArray::from(min)), max.map(ByteArray::from), None, Some(nulls), false)
            .with_min_is_exact(min_exact)
            .with_max_is_exact(max_exact)
            .into()
    }
}

/// The first eight bytes as a number that sorts as they do.
#[inline]
fn head(text: &[u8]) -> u64 {
    match text.first_chunk::<8>() {
        Some(head) => u64::from_be_bytes(*head),
        None => {
            let mut head = [0; 8];
            head[..text.len()].copy_from_slice(text);
            u64::from_be_bytes(head)
        }
    }
}

/// A bound that is not above the text, and whether it is the text.
fn cut_down(mut text: Vec<u8>, utf8: bool) -> (Vec<u8>, bool) {
    if text.len() <= TEXT_LIMIT {
        return (text, true);
    }
    text.truncate(boundary(&text, TEXT_LIMIT, utf8));
    (text, false)
}

/// A bound that is not below the text, and whether it is the text; none where everything that could be raised is at
/// its top.
fn cut_up(mut text: Vec<u8>, utf8: bool) -> (Option<Vec<u8>>, bool) {
    if text.len() <= TEXT_LIMIT {
        return (Some(text), true);
    }
    let mut end = boundary(&text, TEXT_LIMIT, utf8);
    while end > 0 {
        text.truncate(end);
        // Only ASCII is raised in UTF-8: the next character always exists and has one byte.
        let top = if utf8 { 0x7E } else { 0xFE };
        let last = &mut text[end - 1];
        if *last <= top {
            *last += 1;
            return (Some(text), false);
        }
        end = boundary(&text, end - 1, utf8);
    }
    (None, false)
}

/// The last place up to `limit` at which a text can be cut.
fn boundary(text: &[u8], limit: usize, utf8: bool) -> usize {
    let mut end = limit;
    while utf8 && end > 0 && text.get(end).is_some_and(|byte| byte & 0xC0 == 0x80) {
        end -= 1;
    }
    end
}
