//! Objects as readers: one range after the other, the next ones on their way.

use std::collections::VecDeque;
use std::io::{self, Read};
use std::ops::Range;
use std::sync::Arc;
use std::sync::mpsc::Receiver;
use std::time::Duration;

use bytes::Bytes;
use nasalogs::source::Source;
use nasalogs::{Error, ErrorKind, Result};
use object_store::path::Path;
use object_store::{GetOptions, GetRange, ObjectStore};

use super::failure;
use super::store::{Inner, Store, begin, outcome};

/// How much is asked for first: enough to see what an object is, little for the many whose format is only looked at.
const FIRST: u64 = 64 << 10;
/// How much is asked for at once later; each request asks for four times what the one before it did.
const MOST: u64 = 8 << 20;
/// From how much on the next requests are made before their bytes are wanted, and how many.
const AHEAD: (u64, usize) = (1 << 20, 2);
/// How often a range is asked for again when its connection drops, beyond what the client does itself.
const TRIES: u32 = 4;

impl Store {
    /// An object as an input that is opened when it is needed.
    pub(super) fn source(&self, key: &str, size: u64) -> Result<Source> {
        let (store, path) = (self.clone(), self.path(key)?);
        let open = move || {
            let reader = ObjectReader::new(Arc::clone(&store.0), path.clone());
            Ok(Box::new(reader) as Box<dyn Read + Send>)
        };
        Ok(Source::opener(open, Some(size)).with_name(self.name(key)))
    }
}

impl Store {
    /// The bytes of an object.
    ///
    /// # Errors
    /// When the key is none.
    pub fn read(&self, key: &str) -> Result<impl Read + use<>> {
        Ok(ObjectReader::new(Arc::clone(&self.0), self.path(key)?))
    }
}

/// A part of an object.
struct Fetched {
    bytes: Bytes,
    /// The whole object's size and version.
    size: u64,
    tag: Option<String>,
}

/// Reads an object from its beginning to its end. Memory: what is on its way, three times 8 MiB at most.
struct ObjectReader {
    inner: Arc<Inner>,
    path: Path,
    /// Size and version, once the first bytes are there.
    known: Option<(u64, Option<String>)>,
    /// The bytes to give.
    bytes: Bytes,
    /// What has been asked for, in order.
    coming: VecDeque<Receiver<Result<Fetched>>>,
    /// Up to where bytes have been asked for.
    asked: u64,
    length: u64,
}

impl ObjectReader {
    fn new(inner: Arc<Inner>, path: Path) -> Self {
        Self {
            inner,
            path,
            known: None,
            bytes: Bytes::new(),
            coming: VecDeque::new(),
            asked: 0,
            length: FIRST,
        }
    }

    /// Gets the next bytes; none at the end.
    fn fill(&mut self) -> Result<()> {
        if self.coming.is_empty() {
            self.ask()?;
        }
        let Some(next) = self.coming.pop_front() else { return Ok(()) };
        let fetched = outcome(&next)??;
        let tag = fetched.tag;
        match &self.known {
            Some((_, known)) if *known != tag => {
                return Err(Error::new(ErrorKind::Io, "was replaced while it was read")
                    .with_hint("run it again, on the new object"));
            }
            Some(_) => {}
            None => self.known = Some((fetched.size, tag)),
        }
        self.bytes = fetched.bytes;
        while self.length > AHEAD.0 && self.coming.len() < AHEAD.1 && self.ask()? {}
        Ok(())
    }

    /// Asks for what follows, if there is more.
    fn ask(&mut self) -> Result<bool> {
        let size = self.known.as_ref().map_or(u64::MAX, |(size, _)| *size);
        if self.asked >= size {
            return Ok(false);
        }
        let range = self.asked..size.min(self.asked + self.length);
        self.asked = range.end;
        self.length = MOST.min(self.length * 4);
        self.coming.push_back(begin(fetch(Arc::clone(&self.inner), self.path.clone(), range))?);
        Ok(true)
    }
}

impl Read for ObjectReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.bytes.is_empty() {
            // Not a kind that means "try again".
            self.fill().map_err(io::Error::other)?;
        }
        let count = buffer.len().min(self.bytes.len());
        buffer[..count].copy_from_slice(&self.bytes.split_to(count));
        Ok(count)
    }
}

/// A range of an object, however often the connection drops.
async fn fetch(inner: Arc<Inner>, path: Path, range: Range<u64>) -> Result<Fetched> {
    let mut tries = 0;
    loop {
        match once(&inner, &path, range.clone()).await {
            Ok(fetched) => return Ok(fetched),
            Err(error) if range.start == 0 && failure::is_empty(&error) => {
                return Ok(Fetched { bytes: Bytes::new(), size: 0, tag: None });
            }
            Err(error) if failure::is_ambiguous(&error) && tries < TRIES => {
                tries += 1;
                tokio::time::sleep(Duration::from_millis(100 << tries)).await;
            }
            Err(error) => return Err(inner.explain(path.as_ref(), error)),
        }
    }
}

async fn once(inner: &Inner, path: &Path, range: Range<u64>) -> object_store::Result<Fetched> {
    let options = GetOptions { range: Some(GetRange::Bounded(range)), ..GetOptions::default() };
    let found = inner.patient.get_opts(path, options).await?;
    let (size, tag) = (found.meta.size, found.meta.e_tag.clone());
    Ok(Fetched { bytes: found.bytes().await?, size, tag })
}
