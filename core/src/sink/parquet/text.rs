//! The values of a text or binary column: a dictionary where it pays, plain otherwise.

use std::ops::Range;

use parquet::basic::Encoding;
use parquet::file::statistics::Statistics;

use super::dictionary::Dictionary;
use super::page::take_plain;
use super::rle;
use super::source::{BLOCK, Block, Source};
use super::statistic::TextBounds;
use super::trial::{Tally, Trial};

/// A larger dictionary ends the row group, or is given up for the rest of its chunk if it does not pay: it has outgrown
/// the caches, and memory is bounded.
const MAX_DICTIONARY_BYTES: usize = 4 << 20;
/// The same, in strings.
const MAX_DICTIONARY_LEN: usize = 1 << 18;
/// A row group with so many values may end for the sake of a dictionary.
const OUTGROWN: usize = 1 << 17;
/// A dictionary must make this much less of the values, in percent: plain ones compress better.
const PAYS: usize = 75;

/// The values of the open page, and the dictionary of the chunk.
pub(super) struct Text {
    utf8: bool,
    dictionary: Dictionary,
    /// Whether values still go to the dictionary.
    interning: bool,
    /// Whether a page of this chunk refers to the dictionary.
    referred: bool,
    trial: Trial,
    outgrown: bool,
    ids: Vec<u32>,
    plain: Vec<u8>,
    /// The string that ended the last block, if it is short, and its id.
    last: (u128, u32),
    /// What the chunk's values take in plain encoding.
    plain_bytes: usize,
    values: usize,
    bounds: TextBounds,
}

/// So many of the same short string are a run.
const RUN: usize = 8;
/// No view has this length.
const NO_VIEW: u128 = u128::MAX;

impl Text {
    pub(super) fn new(utf8: bool) -> Self {
        Self {
            utf8,
            dictionary: Dictionary::new(),
            interning: true,
            referred: false,
            trial: Trial::default(),
            outgrown: false,
            ids: Vec::new(),
            plain: Vec::new(),
            last: (NO_VIEW, 0),
            plain_bytes: 0,
            values: 0,
            bounds: TextBounds::default(),
        }
    }

    pub(super) fn is_utf8(&self) -> bool {
        self.utf8
    }

    /// How many bytes it occupies.
    pub(super) fn memory(&self) -> usize {
        self.dictionary.memory() + self.ids.capacity() * 4 + self.plain.capacity()
    }

    /// Roughly how many bytes the open page has.
    pub(super) fn page_bytes(&self) -> usize {
        self.plain.len() + self.ids.len() * 2
    }

    /// Appends values that are not null; some may stay in the block until it is flushed.
    pub(super) fn append<'a, S: Source>(
        &mut self,
        source: &'a S,
        range: Range<usize>,
        block: &mut Block<'a>,
    ) {
        self.values += range.len();
        if !self.interning {
            for at in range {
                self.push_plain(source.bytes(at));
            }
            return;
        }
        let mut at = range.start;
        while at < range.end {
            let mut room = BLOCK - block.len();
            let run = if room == BLOCK { source.run(at..range.end, self.last.0) } else { 0 };
            if run >= RUN {
                self.ids.resize(self.ids.len() + run, self.last.1);
                at += run;
                // No more is looked up than what interrupts the run; it probably goes on.
                room = RUN;
            }
            let part = at..(at + room).min(range.end);
            at = part.end;
            source.load(part, block);
            if run >= RUN || block.len() == BLOCK {
                self.flush(block);
            }
        }
    }

    /// Takes what is in the block.
    #[inline(always)]
    pub(super) fn flush(&mut self, block: &mut Block<'_>) {
        let Some(last) = block.len().checked_sub(1) else { return };
        self.dictionary.intern(block, &mut self.ids);
        if let (Some(view), Some(&id)) = (block.view(last), self.ids.last()) {
            self.last = (view, id);
        }
        block.clear();
    }

    /// Counts the bytes of values to come.
    pub(super) fn announce(&mut self, bytes: usize, values: usize) {
        self.plain_bytes += bytes + 4 * values;
    }

    #[inline]
    fn push_plain(&mut self, bytes: &[u8]) {
        self.plain.extend_from_slice(&(bytes.len() as u32).to_le_bytes());
        self.plain.extend_from_slice(bytes);
        self.bounds.add(bytes);
    }

    /// Looks at the dictionary from time to time, and at the chunk's end; true if it has to be given up, which needs a
    /// new page.
    pub(super) fn review(&mut self, end: bool) -> bool {
        if !self.interning {
            return false;
        }
        let tally = Tally {
            values: self.values,
            distinct: self.dictionary.len(),
            dictionary: self.dictionary.page_bytes(),
            plain: self.plain_bytes,
        };
        let full = tally.dictionary > MAX_DICTIONARY_BYTES || tally.distinct > MAX_DICTIONARY_LEN;
        let pays = match self.trial.look(tally, end) {
            Some(second_half) => second_half.pays(PAYS),
            None if full => tally.pays(PAYS),
            None => return false,
        };
        if !pays && !self.referred {
            self.unfold();
            return false;
        }
        self.outgrown =
            full && pays && tally.values >= OUTGROWN && tally.dictionary < 2 * MAX_DICTIONARY_BYTES;
        full && !self.outgrown || !pays
    }

    /// Whether the dictionary is full but worth having another: better end the row group.
    pub(super) fn is_outgrown(&self) -> bool {
        self.outgrown
    }

    /// Turns the ids of the first page into plain values: it is as if there had never been a dictionary.
    fn unfold(&mut self) {
        self.interning = false;
        let ids = std::mem::take(&mut self.ids);
        let dictionary = std::mem::replace(&mut self.dictionary, Dictionary::new());
        let strings: Vec<&[u8]> = dictionary.iter().collect();
        for id in ids {
            self.push_plain(strings[id as usize]);
        }
    }

    /// Gives the dictionary up: the pages that follow are plain.
    pub(super) fn give_up(&mut self) {
        self.interning = false;
        self.dictionary.seal();
    }

    /// Appends the values of the open page, and empties it.
    pub(super) fn take_page(&mut self, out: &mut Vec<u8>) -> Encoding {
        if self.ids.is_empty() {
            take_plain(&mut self.plain, out);
            return Encoding::PLAIN;
        }
        let width = rle::width(self.dictionary.len());
        out.push(width as u8);
        rle::encode_ids(&self.ids, width, out);
        self.ids.clear();
        self.referred = true;
        Encoding::RLE_DICTIONARY
    }

    /// The dictionary page and how many values it has, if a page refers to it.
    pub(super) fn take_dictionary(&mut self) -> Option<(Vec<u8>, usize)> {
        if !self.referred {
            return None;
        }
        let mut page = Vec::with_capacity(self.dictionary.page_bytes());
        for bytes in self.dictionary.iter() {
            page.extend_from_slice(&(bytes.len() as u32).to_le_bytes());
            page.extend_from_slice(bytes);
            self.bounds.add(bytes);
        }
        Some((page, self.dictionary.len()))
    }

    /// The statistics of the chunk.
    pub(super) fn take_statistics(&mut self, nulls: u64) -> Statistics {
        std::mem::take(&mut self.bounds).statistics(self.utf8, nulls)
    }

    /// Makes ready for the next chunk.
    pub(super) fn reset(&mut self) {
        self.dictionary.clear();
        (self.interning, self.referred, self.outgrown) = (true, false, false);
        self.trial = Trial::default();
        self.last = (NO_VIEW, 0);
        (self.plain_bytes, self.values) = (0, 0);
    }
}
