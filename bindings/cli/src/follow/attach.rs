//! Which file a source is in: the one that has its bytes.

use std::fs::File;
use std::time::Instant;

use nasalogs::source::Input;
use nasalogs::{Error, Result};

use super::disk::{Stat, bytes_at};
use super::identity::{Print, WINDOW, first_line, source_id};
use super::packed::{End, Look, fill, unpack};
use super::tail::{Content, Head, Tail};

/// How something that begins like a source relates to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fit {
    /// It is something else.
    No,
    /// It has fewer bytes than were read.
    Short,
    /// It has all that was read.
    Full,
    /// It is compressed and not complete.
    Unknown,
}

impl Tail {
    /// How something with these first bytes relates to it, as far as those tell.
    pub(super) fn begins(&self, head: &[u8]) -> Fit {
        let print = self.head_print();
        if print.begins(head) {
            Fit::Full
        } else if head.len() < print.bytes
            && (self.begins_with(head)
                || (first_line(head).is_some() && source_id(self.nonce, head) == self.id))
        {
            Fit::Short
        } else {
            Fit::No
        }
    }

    /// Whether it is known to begin with these bytes.
    fn begins_with(&self, bytes: &[u8]) -> bool {
        matches!(&self.head, Head::Bytes(head) if head.starts_with(bytes))
    }

    /// Takes a file that begins as this source does, if what was read of it stands there too.
    ///
    /// # Errors
    /// Those of reading it.
    pub(super) fn attach(&mut self, file: &File, stat: Stat, now: Instant) -> Result<Fit> {
        let failed = |error| Error::io(self.name.as_ref(), error);
        let position = self.position();
        let anchor = match &self.recent {
            Some(recent) => Print::of(position, recent),
            None => self.mark,
        };
        let look = Look::at(file, &self.name)?;
        match self.begins(&look.head) {
            Fit::Short if look.is_cut => return Ok(Fit::Unknown),
            Fit::Full => {}
            fit => return Ok(fit),
        }
        let input = if look.packed { unpack(file, &self.name)? } else { None };
        let (head, recent, content) = match input {
            None => {
                if stat.size < position {
                    return Ok(Fit::Short);
                }
                let window = bytes_at(file, anchor.begin(), anchor.bytes).map_err(failed)?;
                if !anchor.is_of(&window) {
                    return Ok(Fit::No);
                }
                let window = WINDOW.min(usize::try_from(position).unwrap_or(WINDOW));
                let recent = bytes_at(file, position - window as u64, window).map_err(failed)?;
                let mut head = look.head;
                head.truncate(self.head_print().bytes);
                (head, recent, Content::Plain(file.try_clone().map_err(failed)?))
            }
            Some(mut input) => {
                let (head, recent) = match skip(&mut input, position, anchor, self.head_print())? {
                    Ok(found) => found,
                    Err(fit) => return Ok(fit),
                };
                let file = file.try_clone().map_err(failed)?;
                (head, recent, Content::Packed { file, input, at_end: false })
            }
        };
        self.content = content;
        if head.len() >= self.head_print().bytes {
            self.head = Head::Bytes(head);
        }
        self.recent = Some(recent);
        self.packed = look.packed;
        self.alias = self.alias.filter(|alias| alias.stat.key != stat.key);
        self.key = Some(stat.key);
        self.is_proven = true;
        self.stalled = None;
        self.done = false;
        self.note(&stat);
        self.changed = now;
        Ok(Fit::Full)
    }
}

/// The first and the last bytes, or why these are not the right ones.
type Skipped = Result<(Vec<u8>, Vec<u8>), Fit>;

/// Passes over decompressed bytes up to a place, and looks at some on the way: gives the first and the last of them.
fn skip(input: &mut Input, to: u64, anchor: Print, print: Print) -> Result<Skipped> {
    let (mut head, mut recent, mut window) = (Vec::new(), Vec::new(), Vec::new());
    let mut buffer = vec![0; 64 << 10];
    let mut at = 0;
    while at < to {
        let room = usize::try_from(to - at).unwrap_or(usize::MAX).min(buffer.len());
        let (count, end) = fill(input, &mut buffer[..room]);
        let bytes = &buffer[..count];
        let missing = print.bytes.saturating_sub(head.len());
        head.extend_from_slice(&bytes[..missing.min(count)]);
        // What of the window lies in these bytes.
        let inside = |place: u64| usize::try_from(place.saturating_sub(at)).unwrap_or(usize::MAX).min(count);
        window.extend_from_slice(&bytes[inside(anchor.begin())..inside(anchor.end)]);
        recent.extend_from_slice(bytes);
        recent.drain(..recent.len().saturating_sub(WINDOW));
        at += count as u64;
        match end {
            End::No => {}
            End::Whole if at < to => return Ok(Err(Fit::Short)),
            End::Cut(_) if at < to => return Ok(Err(Fit::Unknown)),
            End::Damaged(error) => return Err(error),
            End::Whole | End::Cut(_) => break,
        }
    }
    // The first bytes may reach beyond that place; they were compared before, and are read again.
    let is_head = head.len() < print.bytes || print.is_of(&head);
    Ok(if anchor.is_of(&window) && is_head { Ok((head, recent)) } else { Err(Fit::No) })
}
