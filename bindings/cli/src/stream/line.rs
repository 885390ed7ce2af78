//! Destinations that take one line after the other: those to which records go.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use memchr::memchr;
use nasalogs::envelope::{LineId, SourceId};
use nasalogs::{Reject, RejectReason, Result};

use super::destination::Destination;
use super::reject::Rejects;
use super::report::Delivered;
use super::spool::Identities;
use crate::follow::{Lines, Part};

/// How many lines are given without looking at anything else.
const AT_ONCE: usize = 256;

/// A line on its way.
#[derive(Debug, Clone, Copy)]
pub(super) struct SourceLine<'a> {
    /// Without its line end.
    pub(super) bytes: &'a [u8],
    /// Its source, and where in it the line begins: what [`Destination::acknowledged`] is about.
    pub(super) id: LineId,
    /// The identity that is sent along. The same, unless it was read from a spool.
    pub(super) known_as: LineId,
    /// One past its end in the source, the line end included.
    pub(super) end: u64,
}

/// What became of a line that was given to a destination.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    /// It is on its way: [`LineDestination::acknowledged`] will tell.
    Taken,
    /// It cannot be delivered. The caller keeps it and says so with [`LineDestination::skip`].
    Rejected(RejectReason),
    /// There is nothing in it to deliver. As above, without keeping it.
    Blank,
}

/// Where lines go one by one. What is not said here is as for a [`Destination`].
pub(super) trait LineDestination {
    /// Says where a source begins.
    fn begin(&mut self, source: SourceId, offset: u64);

    /// Whether a line would be taken now.
    fn has_room(&self) -> bool;

    /// Takes a line.
    ///
    /// # Errors
    /// When nothing more can be delivered. The line was not taken then.
    fn take(&mut self, line: &SourceLine<'_>) -> Result<Fate>;

    /// Says that these bytes of a source need no delivery: blank and rejected lines.
    fn skip(&mut self, source: SourceId, bytes: Range<u64>);

    /// Does what is due, or waits.
    ///
    /// # Errors
    /// When nothing more can be delivered.
    fn work(&mut self, longest: Duration) -> Result<()>;

    /// When work is wanted.
    fn due(&self) -> Option<Duration>;

    /// No line is there at present.
    fn pause(&mut self) {}

    /// Nothing more comes.
    ///
    /// # Errors
    /// As [`LineDestination::work`].
    fn drain(&mut self) -> Result<()>;

    /// Whether everything that was taken is acknowledged.
    fn is_empty(&self) -> bool;

    /// Up to where a source is safe.
    fn acknowledged(&self, source: SourceId) -> Option<u64>;

    /// Whatever is known of a source can go.
    fn forget(&mut self, _source: SourceId) {}

    /// Nothing more will be delivered.
    ///
    /// # Errors
    /// When the rest cannot be brought to safety.
    fn give_up(&mut self, _longest: Duration) -> Result<()> {
        Ok(())
    }

    /// What people should know while it goes on.
    fn notice(&mut self) -> Option<String> {
        None
    }

    /// What was done so far.
    fn delivered(&self) -> Delivered;
}

/// Cuts lines for such a destination, and keeps those that it rejects. A line that came in parts is too long, and is put
/// together only as far as a reject shows it.
pub(super) struct LineByLine {
    to: Box<dyn LineDestination>,
    rejects: Rejects,
    sources: HashMap<SourceId, Reading>,
    /// Lines that are rows, where the destination looks at that.
    rows: Option<u64>,
    blank: u64,
}

/// What is known of a source.
#[derive(Debug, Default)]
struct Reading {
    /// Lines before this one, in this run.
    lines: u64,
    /// Whether this run began at its beginning: only then lines have numbers.
    is_whole: bool,
    /// The ids that its lines had at first, where it is spooled.
    identities: Option<Identities>,
    /// A line that comes in parts, of which the last is still to come.
    long: Option<Long>,
}

/// A line that is longer than what is read in one piece.
#[derive(Debug)]
struct Long {
    offset: u64,
    raw: Vec<u8>,
}

impl LineByLine {
    /// `is_parsed`: the destination rejects lines that are no rows.
    pub(super) fn new(to: Box<dyn LineDestination>, rejects: Rejects, is_parsed: bool) -> Self {
        Self { to, rejects, sources: HashMap::new(), rows: is_parsed.then_some(0), blank: 0 }
    }

    fn reject(&mut self, reject: Reject, id: LineId, end: u64) -> Result<()> {
        self.rejects.add(reject)?;
        self.to.skip(id.source, id.offset..end);
        Ok(())
    }

    /// Takes a part of a line that is too long.
    fn take_part(&mut self, lines: &Lines) -> Result<()> {
        let reading = self.sources.entry(lines.source).or_default();
        let long = reading.long.get_or_insert_with(|| Long { offset: lines.offset, raw: Vec::new() });
        let room = Reject::RAW_LIMIT.saturating_sub(long.raw.len());
        long.raw.extend_from_slice(&lines.bytes[..lines.bytes.len().min(room)]);
        if lines.part == Part::End
            && let Some(Long { offset, mut raw }) = reading.long.take()
        {
            while matches!(raw.last(), Some(b'\n' | b'\r')) {
                raw.pop();
            }
            let reject = reading.reject(&lines.file, offset, RejectReason::LineTooLong, &raw);
            let end = lines.offset + lines.bytes.len() as u64;
            self.reject(reject, LineId { source: lines.source, offset }, end)?;
        }
        Ok(())
    }

    /// Takes the first of some lines, and gives its length.
    fn take_line(&mut self, lines: &Lines, at: usize) -> Result<usize> {
        let (rest, offset) = (&lines.bytes[at..], lines.offset + at as u64);
        let (line, used) = match memchr(b'\n', rest) {
            Some(end) => (&rest[..end], end + 1),
            None => (rest, rest.len()),
        };
        let reading = self.sources.entry(lines.source).or_default();
        let id = LineId { source: lines.source, offset };
        let line = SourceLine {
            bytes: line.strip_suffix(b"\r").filter(|_| used > line.len()).unwrap_or(line),
            id,
            known_as: reading.identities.as_ref().map_or(id, |identities| identities.of(offset)),
            end: offset + used as u64,
        };
        match self.to.take(&line)? {
            Fate::Taken => {
                reading.lines += 1;
                self.rows = self.rows.map(|rows| rows + 1);
            }
            Fate::Blank => {
                reading.lines += 1;
                self.blank += 1;
                self.to.skip(lines.source, offset..line.end);
            }
            Fate::Rejected(reason) => {
                let reject = reading.reject(&lines.file, offset, reason, line.bytes);
                self.reject(reject, id, line.end)?;
            }
        }
        Ok(used)
    }
}

impl Reading {
    /// A line for the rejects.
    fn reject(&mut self, file: &Arc<str>, offset: u64, reason: RejectReason, bytes: &[u8]) -> Reject {
        self.lines += 1;
        let line = if self.is_whole { self.lines } else { 0 };
        let raw = bytes[..bytes.len().min(Reject::RAW_LIMIT)].to_vec();
        Reject { file: Some(Arc::clone(file)), line, offset, reason, raw }
    }
}

impl Destination for LineByLine {
    fn begin(&mut self, source: SourceId, offset: u64, file: &str) -> Result<()> {
        let identities = Identities::of_file(file)?;
        self.sources.insert(source, Reading { is_whole: offset == 0, identities, ..Reading::default() });
        self.to.begin(source, offset);
        Ok(())
    }

    fn has_room(&self) -> bool {
        self.to.has_room()
    }

    fn take(&mut self, lines: &Lines) -> Result<usize> {
        if matches!(lines.part, Part::Begin | Part::Middle | Part::End) {
            return self.take_part(lines).map(|()| lines.bytes.len());
        }
        let mut at = 0;
        for _ in 0..AT_ONCE {
            if at == lines.bytes.len() || !self.to.has_room() {
                break;
            }
            at += self.take_line(lines, at)?;
        }
        Ok(at)
    }

    fn work(&mut self, longest: Duration) -> Result<()> {
        self.to.work(longest)
    }

    fn due(&self) -> Option<Duration> {
        self.to.due()
    }

    fn pause(&mut self) {
        self.to.pause();
    }

    fn drain(&mut self, _more: bool) -> Result<()> {
        self.to.drain()
    }

    fn is_empty(&self) -> bool {
        self.to.is_empty()
    }

    fn acknowledged(&self, source: SourceId) -> Option<u64> {
        self.to.acknowledged(source)
    }

    fn forget(&mut self, source: SourceId) {
        self.sources.remove(&source);
        self.to.forget(source);
    }

    fn give_up(&mut self, longest: Duration) -> Result<()> {
        self.to.give_up(longest)
    }

    fn notice(&mut self) -> Option<String> {
        self.to.notice()
    }

    fn delivered(&self) -> Delivered {
        Delivered { rows: self.rows, blank: self.blank, ..self.to.delivered() }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    const SOURCE: SourceId = SourceId(1);

    type Taken = Arc<Mutex<Vec<(String, u64, u64)>>>;

    /// Remembers what it was given, and rejects what says so.
    struct Memory(Taken);

    impl LineDestination for Memory {
        fn begin(&mut self, _source: SourceId, _offset: u64) {}

        fn has_room(&self) -> bool {
            self.0.lock().unwrap().last().is_none_or(|(text, ..)| text != "full")
        }

        fn take(&mut self, line: &SourceLine<'_>) -> Result<Fate> {
            let text = String::from_utf8(line.bytes.to_vec()).unwrap();
            self.0.lock().unwrap().push((text.clone(), line.id.offset, line.end));
            Ok(match text.as_str() {
                "bad" => Fate::Rejected(RejectReason::MissingField),
                "" => Fate::Blank,
                _ => Fate::Taken,
            })
        }

        fn skip(&mut self, _source: SourceId, bytes: Range<u64>) {
            self.0.lock().unwrap().push(("skip".to_owned(), bytes.start, bytes.end));
        }

        fn work(&mut self, _longest: Duration) -> Result<()> {
            Ok(())
        }

        fn due(&self) -> Option<Duration> {
            None
        }

        fn drain(&mut self) -> Result<()> {
            Ok(())
        }

        fn is_empty(&self) -> bool {
            true
        }

        fn acknowledged(&self, _source: SourceId) -> Option<u64> {
            None
        }

        fn delivered(&self) -> Delivered {
            Delivered::default()
        }
    }

    fn begun() -> (LineByLine, Taken, Rejects) {
        let (taken, rejects) = (Taken::default(), Rejects::default());
        let mut lines = LineByLine::new(Box::new(Memory(Arc::clone(&taken))), rejects.clone(), true);
        lines.begin(SOURCE, 0, "a.log").unwrap();
        (lines, taken, rejects)
    }

    fn lines(offset: u64, bytes: &'static [u8], part: Part) -> Lines {
        Lines { source: SOURCE, file: "a.log".into(), offset, bytes: bytes.into(), part }
    }

    fn drained(taken: &Taken) -> Vec<(String, u64, u64)> {
        std::mem::take(&mut *taken.lock().unwrap())
    }

    fn owned(all: &[(&str, u64, u64)]) -> Vec<(String, u64, u64)> {
        all.iter().map(|(text, offset, end)| ((*text).to_owned(), *offset, *end)).collect()
    }

    #[test]
    fn lines_have_their_offsets() {
        let (mut to, taken, _) = begun();
        assert_eq!(to.take(&lines(7, b"a\nbc\r\n\n\r\n", Part::Lines)).unwrap(), 9);
        let expected =
            [("a", 7, 9), ("bc", 9, 13), ("", 13, 14), ("skip", 13, 14), ("", 14, 16), ("skip", 14, 16)];
        assert_eq!(drained(&taken), owned(&expected));
        assert_eq!(to.take(&lines(16, b"last\r", Part::Unended)).unwrap(), 5);
        assert_eq!(drained(&taken), owned(&[("last\r", 16, 21)]));
        let delivered = to.delivered();
        assert_eq!((delivered.rows, delivered.blank), (Some(3), 2));
    }

    #[test]
    fn what_finds_no_room_comes_again() {
        let (mut to, taken, _) = begun();
        assert_eq!(to.take(&lines(0, b"a\nfull\nb\n", Part::Lines)).unwrap(), 7);
        drained(&taken);
        assert_eq!(to.take(&lines(7, b"b\n", Part::Lines)).unwrap(), 2);
        assert_eq!(drained(&taken), owned(&[("b", 7, 9)]));
    }

    #[test]
    fn rejected_lines_have_numbers() {
        let (mut to, taken, rejects) = begun();
        to.take(&lines(0, b"a\n\nbad\n", Part::Lines)).unwrap();
        assert_eq!(drained(&taken).last(), Some(&("skip".to_owned(), 3, 7)));
        let first = rejects.first();
        assert_eq!(first.values().map(|reject| (reject.line, reject.offset)).collect::<Vec<_>>(), [(3, 3)]);
    }

    #[test]
    fn long_lines_are_put_together_as_far_as_they_are_shown() {
        let (mut to, taken, rejects) = begun();
        to.take(&lines(0, b"abc", Part::Begin)).unwrap();
        // Another source comes between.
        to.take(&Lines { source: SourceId(2), ..lines(0, b"other\n", Part::Lines) }).unwrap();
        to.take(&lines(3, b"def", Part::Middle)).unwrap();
        to.take(&lines(6, b"g\r\n", Part::End)).unwrap();
        assert_eq!(drained(&taken), owned(&[("other", 0, 6), ("skip", 0, 9)]));
        let raw = rejects.first().into_values().next().unwrap().raw;
        assert_eq!(raw, b"abcdefg");
        to.take(&lines(9, b"", Part::End)).unwrap();
        assert_eq!(drained(&taken), owned(&[("skip", 9, 9)]));
        assert_eq!(rejects.count(), 2);

        let (mut to, _, rejects) = begun();
        let much: &'static [u8] = Box::leak(vec![b'x'; Reject::RAW_LIMIT + 5].into_boxed_slice());
        to.take(&lines(0, much, Part::Begin)).unwrap();
        to.take(&lines(much.len() as u64, b"y\n", Part::End)).unwrap();
        assert_eq!(rejects.first().into_values().next().unwrap().raw.len(), Reject::RAW_LIMIT);
    }
}
