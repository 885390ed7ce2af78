//! Files into a store: whole, or in parts.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::io::{self, Read};
use std::path::Path as FilePath;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use nasalogs::{Error, ErrorKind, Result};
use object_store::path::Path;
use object_store::{
    Attribute, Attributes, GetOptions, MultipartUpload, ObjectStore, PutMode, PutMultipartOptions,
    PutOptions, PutPayload,
};
use tokio::task::JoinSet;

use super::failure;
use super::store::{Inner, Store, wait};

/// The size of a part, and of the largest object that is put whole.
pub(super) const PART: u64 = 8 << 20;
/// How many parts an object has at most.
const PARTS: u64 = 10_000;
/// How many parts are on their way at once.
const AT_ONCE: usize = 4;
/// How often a put is tried again whose answer did not come, beyond what the client does itself.
const TRIES: u32 = 3;
/// The metadata by which an object is known as ours, where the answer to the put was lost.
const TOKEN: &str = "nasalogs-put";

/// What becomes of an object that is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// It stays, and nothing is put.
    Create,
    /// It is replaced.
    Replace,
}

/// What became of a put.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Put {
    /// The object is there now.
    Done,
    /// It was there before, and nothing changed.
    WasThere,
}

/// Why a put failed.
enum Failure {
    Store(object_store::Error),
    File(io::Error),
    Stopped,
}

impl From<object_store::Error> for Failure {
    fn from(error: object_store::Error) -> Self {
        Self::Store(error)
    }
}

impl Store {
    /// Puts a file. It is visible as a whole, or not at all. The flag stops it between two parts.
    ///
    /// # Errors
    /// When the file cannot be read, the store refuses, or it was stopped.
    pub fn put_file(&self, key: &str, file: &FilePath, mode: Mode, stop: &Arc<AtomicBool>) -> Result<Put> {
        let local = |error| Error::io(file.to_string_lossy(), error);
        let size = file.metadata().map_err(local)?.len();
        if size <= PART {
            return self.put(key, std::fs::read(file).map_err(local)?, mode);
        }
        let (inner, path, stop) = (Arc::clone(&self.0), self.path(key)?, Arc::clone(stop));
        let opened = std::fs::File::open(file).map_err(local)?;
        let work = async move { put_parts(&inner, &path, opened, size, mode, &stop).await };
        wait(work)?.map_err(|failure| match failure {
            Failure::Store(error) => self.0.explain(key, error),
            Failure::File(error) => local(error),
            Failure::Stopped => Error::new(ErrorKind::Interrupted, "interrupted"),
        })
    }

    /// Puts bytes.
    ///
    /// # Errors
    /// When the store refuses.
    pub fn put(&self, key: &str, bytes: Vec<u8>, mode: Mode) -> Result<Put> {
        let (inner, path) = (Arc::clone(&self.0), self.path(key)?);
        wait(async move { put_whole(&inner, &path, bytes.into(), mode).await })?
            .map_err(|error| self.0.explain(key, error))
    }
}

async fn put_whole(inner: &Inner, path: &Path, payload: PutPayload, mode: Mode) -> object_store::Result<Put> {
    let token = token();
    let mut tries = 0;
    loop {
        let options = PutOptions {
            mode: match mode {
                Mode::Create => PutMode::Create,
                Mode::Replace => PutMode::Overwrite,
            },
            attributes: attributes(path, &token),
            ..PutOptions::default()
        };
        match inner.patient.put_opts(path, payload.clone(), options).await {
            Ok(_) => return Ok(Put::Done),
            Err(error) if failure::is_refusal(&error) => return who_was_it(inner, path, &token).await,
            Err(error) if failure::is_ambiguous(&error) && tries < TRIES => {
                tries += 1;
                tokio::time::sleep(Duration::from_millis(200 << tries)).await;
            }
            Err(error) => return Err(error),
        }
    }
}

async fn put_parts(
    inner: &Inner,
    path: &Path,
    file: std::fs::File,
    size: u64,
    mode: Mode,
    stop: &AtomicBool,
) -> Result<Put, Failure> {
    let token = token();
    let store = match mode {
        Mode::Create => &inner.create_only,
        Mode::Replace => &inner.patient,
    };
    // Before all parts are sent for nothing; the store checks again in the end.
    if mode == Mode::Create {
        match inner.patient.get_opts(path, head()).await {
            Ok(_) => return Ok(Put::WasThere),
            Err(error) if failure::is_missing(&error) => {}
            // It may not be known: the store has the last word.
            Err(object_store::Error::PermissionDenied { .. }) => {}
            Err(error) => return Err(error.into()),
        }
    }
    let options =
        PutMultipartOptions { attributes: attributes(path, &token), ..PutMultipartOptions::default() };
    let mut upload = store.put_multipart_opts(path, options).await?;
    let sent = send(&mut *upload, file, size, stop).await;
    let outcome = match sent {
        Ok(()) => upload.complete().await.map_err(Failure::Store),
        Err(failure) => Err(failure),
    };
    match outcome {
        Ok(_) => Ok(Put::Done),
        Err(failure) => settle(&mut *upload, failure, who_was_it(inner, path, &token)).await,
    }
}

/// What a failure of an upload in parts means. What is not there then is cleared away, whatever happens.
async fn settle(
    upload: &mut dyn MultipartUpload,
    failure: Failure,
    who_was_it: impl Future<Output = object_store::Result<Put>>,
) -> Result<Put, Failure> {
    // Completed, but the answer was lost, and the client's second try was refused?
    let outcome = match failure {
        Failure::Store(error) if failure::is_refusal(&error) => who_was_it.await.map_err(Failure::Store),
        Failure::Store(error)
            if failure::is_ambiguous(&error) || matches!(error, object_store::Error::NotFound { .. }) =>
        {
            match who_was_it.await {
                Ok(Put::Done) => Ok(Put::Done),
                _ => Err(Failure::Store(error)),
            }
        }
        failure => Err(failure),
    };
    if !matches!(outcome, Ok(Put::Done)) {
        // What cannot be aborted now is removed by a rule of the bucket's life cycle; it is not visible in any case.
        let _ = upload.abort().await;
    }
    outcome
}

async fn send(
    upload: &mut dyn MultipartUpload,
    mut file: std::fs::File,
    size: u64,
    stop: &AtomicBool,
) -> Result<(), Failure> {
    let part = PART.max(size.div_ceil(PARTS));
    let mut running = JoinSet::new();
    let mut left = size;
    while left > 0 || !running.is_empty() {
        if stop.load(Ordering::Relaxed) {
            return Err(Failure::Stopped);
        }
        if left > 0 && running.len() < AT_ONCE {
            let length = part.min(left);
            let mut bytes = vec![0; length as usize];
            file.read_exact(&mut bytes).map_err(Failure::File)?;
            left -= length;
            running.spawn(upload.put_part(bytes.into()));
            continue;
        }
        // From time to time somebody looks whether to stop.
        if let Ok(Some(done)) = tokio::time::timeout(Duration::from_millis(100), running.join_next()).await {
            done.map_err(|error| Failure::File(io::Error::other(error)))??;
        }
    }
    Ok(())
}

/// After a refusal: whether what is there is what we put, in a try whose answer was lost.
async fn who_was_it(inner: &Inner, path: &Path, token: &str) -> object_store::Result<Put> {
    let found = inner.patient.get_opts(path, head()).await?;
    let ours = found.attributes.get(&Attribute::Metadata(TOKEN.into()));
    Ok(if ours.is_some_and(|ours| ours.as_ref() == token) { Put::Done } else { Put::WasThere })
}

fn head() -> GetOptions {
    GetOptions { head: true, ..GetOptions::default() }
}

fn attributes(path: &Path, token: &str) -> Attributes {
    let content = match path.extension() {
        Some("parquet") => "application/vnd.apache.parquet",
        Some("arrow" | "ipc" | "feather") => "application/vnd.apache.arrow.file",
        Some("ndjson" | "jsonl") => "application/x-ndjson",
        Some("json") => "application/json",
        Some("csv") => "text/csv",
        _ => "application/octet-stream",
    };
    Attributes::from_iter([
        (Attribute::ContentType, content.to_owned()),
        (Attribute::Metadata(TOKEN.into()), token.to_owned()),
    ])
}

/// A text that no other put has.
fn token() -> String {
    let random = || RandomState::new().build_hasher().finish();
    format!("{:016x}{:016x}", random(), random())
}

#[cfg(test)]
mod tests {
    use object_store::{PutResult, UploadPart};

    use super::*;

    /// Counts how often it was aborted.
    #[derive(Debug, Default)]
    struct Counted(u32);

    #[async_trait::async_trait]
    impl MultipartUpload for Counted {
        fn put_part(&mut self, _data: PutPayload) -> UploadPart {
            Box::pin(async { Ok(()) })
        }

        async fn complete(&mut self) -> object_store::Result<PutResult> {
            Err(away())
        }

        async fn abort(&mut self) -> object_store::Result<()> {
            self.0 += 1;
            Ok(())
        }
    }

    fn away() -> object_store::Error {
        object_store::Error::Generic { store: "S3", source: "away".into() }
    }

    fn refused() -> Failure {
        Failure::Store(object_store::Error::AlreadyExists { path: "a".to_owned(), source: "there".into() })
    }

    #[test]
    fn no_upload_is_left_behind() {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let settled = |failure, who_was_it| {
            let mut upload = Counted::default();
            let outcome = runtime.block_on(settle(&mut upload, failure, async { who_was_it }));
            (outcome.ok(), upload.0)
        };
        assert_eq!(settled(refused(), Ok(Put::Done)), (Some(Put::Done), 0));
        assert_eq!(settled(refused(), Ok(Put::WasThere)), (Some(Put::WasThere), 1));
        assert_eq!(settled(refused(), Err(away())), (None, 1), "nobody knows whose it is");
        assert_eq!(settled(Failure::Stopped, Ok(Put::Done)), (None, 1));
    }
}
