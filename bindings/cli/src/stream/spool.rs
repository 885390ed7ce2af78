//! `--on-exhausted spool=DIR`: lines that could not be delivered, in files that can be streamed again.
//!
//! # Layout
//! A file holds lines of one source as they were logged, each with `\n`: `0123456789abcdef-42.log`, by the id of the first
//! of them; a number is added where that name is taken. Beside it lies `.0123456789abcdef-42.log.ids`, by which the lines
//! keep their ids when the file is streamed again: after a line that says what it is, one line for each place where the
//! offsets of file and source begin to differ in another way, with the two offsets.
//!
//! ```text
//! nasalogs spool 1 0123456789abcdef
//! 0 42
//! 118 3000
//! ```
//!
//! Both appear as a whole, the ids first. A file that is delivered can be deleted; nobody else does it.

use std::fs;
use std::io::{ErrorKind as IoErrorKind, Write};
use std::path::{Path, PathBuf};

use nasalogs::envelope::{LineId, SourceId};
use nasalogs::sink::AtomicFile;
use nasalogs::{Error, ErrorKind, Result};

const HEADER: &str = "nasalogs spool 1 ";
const EXTENSION: &str = ".log";

/// A directory for lines that could not be delivered.
#[derive(Debug)]
pub(super) struct Spool {
    directory: PathBuf,
}

impl Spool {
    /// Makes the directory if it is not there.
    ///
    /// # Errors
    /// [`ErrorKind::Io`] when that cannot be done.
    pub(super) fn open(directory: &Path) -> Result<Self> {
        fs::create_dir_all(directory).map_err(|error| {
            Error::io(directory.to_string_lossy(), error).with_hint("name another --on-exhausted spool=")
        })?;
        Ok(Self { directory: directory.to_owned() })
    }

    /// Writes lines, and comes back when they are on the disk.
    ///
    /// # Errors
    /// [`ErrorKind::Io`] when they cannot be written.
    pub(super) fn write(&self, mut lines: Vec<(LineId, Vec<u8>)>) -> Result<()> {
        lines.sort_by_key(|(id, _)| *id);
        for lines in lines.chunk_by(|(a, _), (b, _)| a.source == b.source) {
            self.write_source(lines)?;
        }
        Ok(())
    }

    fn write_source(&self, lines: &[(LineId, Vec<u8>)]) -> Result<()> {
        let Some((first, _)) = lines.first() else { return Ok(()) };
        let (mut text, mut ids) = (Vec::new(), format!("{HEADER}{}\n", first.source));
        let mut next = None;
        for (id, line) in lines {
            if next != Some(id.offset) {
                ids.push_str(&format!("{} {}\n", text.len(), id.offset));
            }
            text.extend_from_slice(line);
            text.push(b'\n');
            next = Some(id.offset + line.len() as u64 + 1);
        }
        let path = self.free_name(*first);
        write_whole(&ids_path(&path), ids.as_bytes())?;
        write_whole(&path, &text)
    }

    fn free_name(&self, first: LineId) -> PathBuf {
        let mut path = self.directory.join(format!("{first}{EXTENSION}"));
        let mut number = 1;
        while path.exists() {
            number += 1;
            path = self.directory.join(format!("{first}-{number}{EXTENSION}"));
        }
        path
    }
}

/// What is there by that name belongs to a file that never appeared.
fn write_whole(path: &Path, bytes: &[u8]) -> Result<()> {
    let mut file = AtomicFile::create(path, true)?;
    file.write_all(bytes).map_err(|error| file.failure(error))?;
    file.commit()
}

fn ids_path(path: &Path) -> PathBuf {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    path.with_file_name(format!(".{name}.ids"))
}

/// The ids that the lines of a spooled file had at first.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Identities {
    source: SourceId,
    /// Offsets in the file, ascending, and in the source.
    places: Vec<(u64, u64)>,
}

impl Identities {
    /// The ids of a file by its name; none if it is no spooled one. It may have been compressed since.
    ///
    /// # Errors
    /// [`ErrorKind::Io`] when it is called as one and its ids are not there, or damaged: without them its lines would be
    /// strangers, of which no duplicate is known.
    pub(super) fn of_file(file: &str) -> Result<Option<Self>> {
        let path = Path::new(file);
        let Some(name) = path.file_name().and_then(|name| name.to_str()) else { return Ok(None) };
        let Some((stem, _)) = name.split_once(EXTENSION) else { return Ok(None) };
        let is_ours = LineId::parse(stem).is_some()
            || stem.rsplit_once('-').is_some_and(|(id, number)| {
                LineId::parse(id).is_some() && number.bytes().all(|byte| byte.is_ascii_digit())
            });
        if !is_ours {
            return Ok(None);
        }
        let ids = ids_path(&path.with_file_name(format!("{stem}{EXTENSION}")));
        let text = match fs::read_to_string(&ids) {
            Ok(text) => text,
            Err(error) if error.kind() == IoErrorKind::NotFound => {
                return Err(Error::io(ids.to_string_lossy(), error)
                    .with_hint("the file with the ids of spooled lines stays beside them: bring it there, or rename the lines' file"));
            }
            Err(error) => return Err(Error::io(ids.to_string_lossy(), error)),
        };
        Self::parse(&text).map(Some).ok_or_else(|| {
            Error::new(ErrorKind::Io, "no ids of spooled lines can be read").with_file(ids.to_string_lossy())
        })
    }

    fn parse(text: &str) -> Option<Self> {
        let mut rows = text.lines();
        let source = rows.next()?.strip_prefix(HEADER)?;
        let source = LineId::parse(&format!("{source}-0"))?.source;
        let place = |row: &str| {
            let (file, origin) = row.split_once(' ')?;
            Some((file.parse().ok()?, origin.parse().ok()?))
        };
        let places = rows.map(place).collect::<Option<Vec<(u64, u64)>>>()?;
        let is_sound = places.first()?.0 == 0 && places.is_sorted_by(|a, b| a.0 < b.0);
        is_sound.then_some(Self { source, places })
    }

    /// The id of the line at this offset in the file.
    pub(crate) fn of(&self, offset: u64) -> LineId {
        let at = self.places.partition_point(|(file, _)| *file <= offset).saturating_sub(1);
        let (file, origin) = self.places[at];
        LineId { source: self.source, offset: origin.saturating_add(offset.saturating_sub(file)) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_keep_their_ids() {
        let directory = tempfile::tempdir().unwrap();
        let spool = Spool::open(&directory.path().join("a/b")).unwrap();
        let id = |source, offset| LineId { source: SourceId(source), offset };
        let lines = [
            (id(7, 50), "late"),
            (id(7, 42), "seven"),
            (id(7, 48), "x"),
            (id(9, 0), "other"),
            (id(7, 90), ""),
        ];
        let lines: Vec<_> = lines.iter().map(|(id, text)| (*id, text.as_bytes().to_vec())).collect();
        spool.write(lines.clone()).unwrap();
        spool.write(lines[..1].to_vec()).unwrap();
        spool.write(lines[..1].to_vec()).unwrap();

        let file = |name: &str| directory.path().join("a/b").join(name);
        let text = fs::read_to_string(file("0000000000000007-42.log")).unwrap();
        assert_eq!(text, "seven\nx\nlate\n\n");
        let ids = fs::read_to_string(file(".0000000000000007-42.log.ids")).unwrap();
        assert_eq!(ids, "nasalogs spool 1 0000000000000007\n0 42\n13 90\n");
        let known = Identities::of_file(file("0000000000000007-42.log").to_str().unwrap()).unwrap().unwrap();
        assert_eq!([0, 6, 8, 13].map(|at| known.of(at)), [42, 48, 50, 90].map(|at| id(7, at)));
        for name in ["0000000000000007-50-2.log", "0000000000000009-0.log.gz"] {
            assert!(Identities::of_file(file(name).to_str().unwrap()).unwrap().is_some());
        }
    }

    #[test]
    fn ids_that_are_missing_are_missed() {
        let directory = tempfile::tempdir().unwrap();
        let file = |name: &str| directory.path().join(name).to_str().unwrap().to_owned();
        for name in ["access.log", "7-42.log", "0000000000000007-x.log", "0000000000000007-42"] {
            assert_eq!(Identities::of_file(&file(name)).unwrap(), None);
        }
        assert!(Identities::of_file(&file("0000000000000007-42.log")).unwrap_err().hint().is_some());
        for damaged in [
            "",
            "nasalogs spool 1 7\n0 0\n",
            "nasalogs spool 1 0000000000000007\n",
            "nasalogs spool 1 0000000000000007\n0 5\n0 6\n",
        ] {
            fs::write(file(".0000000000000007-42.log.ids"), damaged).unwrap();
            assert!(Identities::of_file(&file("0000000000000007-42.log")).is_err(), "{damaged}");
        }
    }
}
