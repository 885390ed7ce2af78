//! What was read first, kept to be read once more: which names are worth an entry of the cube is known only then.

use std::fs::File;
use std::io::{self, BufReader, Read, Seek, SeekFrom, Write};

use nasalogs::{Error, ErrorKind, Result};

/// A temporary file without a name, compressed.
pub(super) struct Spool {
    encoder: zstd::Encoder<'static, File>,
    kept: u64,
}

/// What was kept, from its beginning.
pub(super) struct Kept {
    decoder: zstd::Decoder<'static, BufReader<File>>,
}

impl Spool {
    /// Faster than any log is parsed.
    const LEVEL: i32 = 1;

    pub(super) fn new() -> Result<Self> {
        let encoder = tempfile::tempfile().and_then(|file| zstd::Encoder::new(file, Self::LEVEL));
        Ok(Self { encoder: encoder.map_err(|error| failed(&error))?, kept: 0 })
    }

    /// Keeps lines; the last of them may have no end.
    pub(super) fn keep(&mut self, bytes: &[u8], is_unended: bool) -> Result<()> {
        let mut head = [u8::from(is_unended), 0, 0, 0, 0];
        // A piece is as large as a line may be, at most.
        head[1..].copy_from_slice(&(bytes.len() as u32).to_le_bytes());
        let kept = self.encoder.write_all(&head).and_then(|()| self.encoder.write_all(bytes));
        self.kept += bytes.len() as u64;
        kept.map_err(|error| failed(&error))
    }

    /// How many bytes of lines were kept.
    pub(super) fn kept(&self) -> u64 {
        self.kept
    }

    /// What was kept.
    pub(super) fn read(self) -> Result<Kept> {
        let again = || {
            let mut file = self.encoder.finish()?;
            file.seek(SeekFrom::Start(0))?;
            zstd::Decoder::new(file)
        };
        Ok(Kept { decoder: again().map_err(|error| failed(&error))? })
    }
}

impl Kept {
    /// The next piece, and whether its last line has no end; `None` at the end.
    pub(super) fn next(&mut self) -> Result<Option<(Vec<u8>, bool)>> {
        let mut head = [0; 5];
        match self.decoder.read_exact(&mut head) {
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
            other => other.map_err(|error| failed(&error))?,
        }
        let [unended, length @ ..] = head;
        let mut bytes = vec![0; u32::from_le_bytes(length) as usize];
        self.decoder.read_exact(&mut bytes).map_err(|error| failed(&error))?;
        Ok(Some((bytes, unended == 1)))
    }
}

fn failed(error: &io::Error) -> Error {
    Error::new(ErrorKind::Io, format!("the temporary copy of the input failed: {error}"))
        .with_file(std::env::temp_dir().to_string_lossy())
        .with_hint("make room there, or name another directory with TMPDIR")
        .with_source(io::Error::from(error.kind()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_come_back() {
        let mut spool = Spool::new().unwrap();
        let pieces = [(b"a\nb\n".repeat(100_000), false), (Vec::new(), false), (b"c".to_vec(), true)];
        for (bytes, is_unended) in &pieces {
            spool.keep(bytes, *is_unended).unwrap();
        }
        let mut kept = spool.read().unwrap();
        for piece in pieces {
            assert_eq!(kept.next().unwrap(), Some(piece));
        }
        assert_eq!(kept.next().unwrap(), None);
    }
}
