//! What has to be remembered between two runs, in a file that is always whole.

use std::collections::HashSet;
use std::ffi::OsStr;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{Read, Seek, Write};
use std::path::{Path, PathBuf};

use nasalogs::sink::AtomicFile;
use nasalogs::{Error, ErrorKind, Result};
use serde::{Deserialize, Serialize};
use twox_hash::XxHash3_64;

use super::disk::FileKey;
use super::identity::{HEAD, Print, WINDOW};

/// What the file says it is.
const KIND: &str = "nasalogs checkpoint";
/// Of its layout.
const VERSION: u32 = 1;

/// A checkpoint: which sources there are and how far each was delivered, in a JSON file that is replaced as a whole,
/// and which no other process uses as long as this one does.
///
/// A second file, with `.lock` at the end of its name, is what is locked; it stays and may be deleted when nobody runs.
#[derive(Debug)]
pub struct Checkpoint {
    path: PathBuf,
    state: State,
    /// Locked as long as it is open.
    _lock: File,
}

impl Checkpoint {
    /// Where the checkpoint of a job is kept when nobody says where: a file in `$XDG_STATE_HOME/nasalogs`, else in
    /// `~/.local/state/nasalogs`, that is named after the inputs, as absolute paths, and the destination. What tells that
    /// from others of its name is the caller's to say.
    ///
    /// # Errors
    /// [`ErrorKind::Options`] when there is neither of the two variables `XDG_STATE_HOME` and `HOME`.
    pub fn default_path<P: AsRef<OsStr>>(inputs: &[P], destination: &str) -> Result<PathBuf> {
        let variable =
            |name| std::env::var_os(name).map(PathBuf::from).filter(|path: &PathBuf| path.is_absolute());
        let state = variable("XDG_STATE_HOME")
            .or_else(|| Some(variable("HOME")?.join(".local").join("state")))
            .ok_or_else(|| {
                Error::new(ErrorKind::Options, "there is no place for a checkpoint: HOME is not set")
                    .with_hint("pass --checkpoint FILE, or set XDG_STATE_HOME")
            })?;
        Ok(state.join("nasalogs").join(format!("{:016x}.json", job(inputs, destination))))
    }

    /// Opens a checkpoint, or begins one: the file appears when it is first saved. Directories that are missing are
    /// made.
    ///
    /// # Errors
    /// [`ErrorKind::Io`] when another process uses it, or it cannot be read, or its contents are not what was saved.
    pub fn open(path: &Path) -> Result<Self> {
        let name = path.to_string_lossy();
        if let Some(directory) = path.parent().filter(|parent| !parent.as_os_str().is_empty()) {
            fs::create_dir_all(directory).map_err(|error| {
                Error::io(directory.to_string_lossy(), error)
                    .with_hint("pass --checkpoint with another place")
            })?;
        }
        let lock = lock(path)?;
        let state = match fs::read(path) {
            Ok(bytes) => State::parse(&bytes).map_err(|error| error.with_file(name))?,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => State::default(),
            Err(error) => {
                return Err(
                    Error::io(name, error).with_hint("pass --checkpoint with a file that can be read")
                );
            }
        };
        Ok(Self { path: path.to_owned(), state, _lock: lock })
    }

    /// Its path.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What was saved last.
    pub(super) fn state(&self) -> &State {
        &self.state
    }

    /// Replaces the file. When that fails, the old one is still there.
    pub(super) fn save(&mut self, state: State) -> Result<()> {
        let text = serde_json::to_vec_pretty(&state)
            .map_err(|error| Error::new(ErrorKind::Io, format!("a checkpoint cannot be written: {error}")))?;
        let mut file = AtomicFile::create(&self.path, true)?;
        file.write_all(&text).and_then(|()| file.write_all(b"\n")).map_err(|error| file.failure(error))?;
        file.commit()?;
        self.state = state;
        Ok(())
    }
}

/// A number for inputs and destination.
fn job<P: AsRef<OsStr>>(inputs: &[P], destination: &str) -> u64 {
    let mut bytes = Vec::new();
    let mut add = |part: &OsStr| {
        let part = part.as_encoded_bytes();
        bytes.extend((part.len() as u64).to_le_bytes());
        bytes.extend(part);
    };
    for input in inputs {
        let input = input.as_ref();
        match std::path::absolute(input) {
            Ok(path) if input != "-" => add(path.as_os_str()),
            _ => add(input),
        }
    }
    add(OsStr::new(destination));
    XxHash3_64::oneshot(&bytes)
}

/// Takes the lock that belongs to a checkpoint, and writes into it who has it.
fn lock(path: &Path) -> Result<File> {
    let mut name = path.as_os_str().to_owned();
    name.push(".lock");
    let place = PathBuf::from(name);
    let failed = |error| Error::io(place.to_string_lossy(), error);
    let mut file = OpenOptions::new()
        .create(true)
        .truncate(false)
        .read(true)
        .write(true)
        .open(&place)
        .map_err(failed)?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            let mut owner = String::new();
            let _ = (&file).take(64).read_to_string(&mut owner);
            let owner = match owner.trim() {
                "" => "another process".to_owned(),
                owner => format!("process {owner}"),
            };
            return Err(Error::new(ErrorKind::Io, format!("the checkpoint is in use by {owner}"))
                .with_file(path.to_string_lossy())
                .with_hint("stop that one first, or pass --checkpoint with a file of your own"));
        }
        // Some network file systems have no locks: better to run than not.
        Err(TryLockError::Error(error)) if error.kind() == std::io::ErrorKind::Unsupported => {}
        Err(TryLockError::Error(error)) => return Err(failed(error)),
    }
    // For people; the lock is what counts.
    let _ = file.set_len(0).and_then(|()| file.rewind());
    let _ = writeln!(file, "{}", std::process::id());
    Ok(file)
}

/// All that is remembered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct State {
    pub(super) kind: String,
    pub(super) version: u32,
    /// The inputs whose rotated files were looked at when they were first followed.
    pub(super) inputs: Vec<String>,
    pub(super) sources: Vec<SourceState>,
    /// Rotated files that were there before the first run, and are not read.
    pub(super) passed_over: Vec<PassedOver>,
}

impl Default for State {
    fn default() -> Self {
        Self {
            kind: KIND.to_owned(),
            version: VERSION,
            inputs: Vec::new(),
            sources: Vec::new(),
            passed_over: Vec::new(),
        }
    }
}

/// A source.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct SourceState {
    #[serde(with = "hex")]
    pub(super) id: u64,
    #[serde(with = "hex")]
    pub(super) nonce: u64,
    /// Where it was last seen.
    pub(super) path: PathText,
    /// The file that it was in, unless that was truncated.
    pub(super) file: Option<FileKey>,
    /// How long that was, in bytes.
    pub(super) size: u64,
    /// Whether that was compressed.
    pub(super) compressed: bool,
    /// Up to where everything was acknowledged.
    pub(super) offset: u64,
    /// Whether nothing can follow.
    pub(super) finished: bool,
    /// The first bytes.
    pub(super) head: Print,
    /// Bytes at or before the offset.
    pub(super) mark: Print,
}

/// A file that is known and not read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct PassedOver {
    pub(super) file: FileKey,
    pub(super) head: Print,
    /// Whether there is nothing behind the head.
    pub(super) whole: bool,
}

/// A path in JSON: text, or numbers where it is none.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub(super) enum PathText {
    Text(String),
    Bytes(Vec<u8>),
}

impl From<&Path> for PathText {
    fn from(path: &Path) -> Self {
        match path.to_str() {
            Some(text) => Self::Text(text.to_owned()),
            None => Self::Bytes(path.as_os_str().as_encoded_bytes().to_owned()),
        }
    }
}

impl From<&PathText> for PathBuf {
    fn from(text: &PathText) -> Self {
        match text {
            PathText::Text(text) => text.into(),
            #[cfg(unix)]
            PathText::Bytes(bytes) => {
                use std::os::unix::ffi::OsStrExt;
                OsStr::from_bytes(bytes).into()
            }
            #[cfg(not(unix))]
            PathText::Bytes(bytes) => String::from_utf8_lossy(bytes).into_owned().into(),
        }
    }
}

impl State {
    /// Reads what was saved.
    fn parse(bytes: &[u8]) -> Result<Self> {
        #[derive(Deserialize)]
        struct Label {
            kind: String,
            version: u32,
        }
        // The label first: a later layout may lack what this one has.
        let label: Label = serde_json::from_slice(bytes).map_err(|error| damage(&error.to_string()))?;
        if label.kind != KIND {
            return Err(damage("it is something else")
                .with_hint("pass --checkpoint with another file; this one was left as it is"));
        }
        if label.version != VERSION {
            let message =
                format!("the checkpoint has layout {}, and this version reads {VERSION}", label.version);
            return Err(Error::new(ErrorKind::Io, message).with_hint(
                "use the version of nasalogs that wrote it, or begin anew with another --checkpoint",
            ));
        }
        let state: Self = serde_json::from_slice(bytes).map_err(|error| damage(&error.to_string()))?;
        let mut ids = HashSet::new();
        for source in &state.sources {
            if !ids.insert(source.id) {
                return Err(damage("a source stands there twice"));
            }
            if source.mark.end > source.offset
                || source.mark.bytes > WINDOW
                || source.mark.bytes as u64 > source.mark.end
                || source.head.bytes > HEAD
                || source.head.end != source.head.bytes as u64
            {
                return Err(damage("its numbers contradict each other"));
            }
        }
        if state.passed_over.iter().any(|passed| passed.head.bytes > HEAD) {
            return Err(damage("its numbers contradict each other"));
        }
        Ok(state)
    }
}

fn damage(what: &str) -> Error {
    Error::new(ErrorKind::Io, format!("the checkpoint is damaged: {what}")).with_hint(
        "put a good copy in its place; or move it away, and everything is read and sent once more, under new line ids",
    )
}

/// Numbers of 64 bits as sixteen hexadecimal digits: JSON's own lose bits in many readers.
pub(super) mod hex {
    use serde::{Deserialize, Deserializer, Serializer, de};

    pub(in super::super) fn serialize<S: Serializer>(number: &u64, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&format_args!("{number:016x}"))
    }

    pub(in super::super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
        let text = String::deserialize(deserializer)?;
        match u64::from_str_radix(&text, 16) {
            Ok(number) if text.len() == 16 && !text.starts_with('+') => Ok(number),
            _ => {
                Err(de::Error::custom(format!("'{}' is not sixteen hexadecimal digits", text.escape_debug())))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn state() -> State {
        State {
            inputs: vec!["a.log".into()],
            sources: vec![SourceState {
                id: 1,
                nonce: u64::MAX,
                path: Path::new("a.log").into(),
                file: Some(FileKey { device: 1, inode: 2 }),
                size: 10,
                compressed: false,
                offset: 5,
                finished: false,
                head: Print::of(3, b"abc"),
                mark: Print::of(5, b"de"),
            }],
            passed_over: vec![PassedOver {
                file: FileKey { device: 1, inode: 3 },
                head: Print::of(1, b"x"),
                whole: true,
            }],
            ..State::default()
        }
    }

    #[test]
    fn what_is_saved_is_read_again() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("deep/er/job.json");
        let mut checkpoint = Checkpoint::open(&path).unwrap();
        assert_eq!(*checkpoint.state(), State::default());
        assert!(!path.exists());
        checkpoint.save(state()).unwrap();
        drop(checkpoint);
        assert_eq!(*Checkpoint::open(&path).unwrap().state(), state());
    }

    #[test]
    fn only_one_may_have_it() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("job.json");
        let first = Checkpoint::open(&path).unwrap();
        let error = Checkpoint::open(&path).unwrap_err().to_string();
        assert!(error.contains(&format!("in use by process {}", std::process::id())), "{error}");
        assert!(error.contains("--checkpoint"), "{error}");
        drop(first);
        Checkpoint::open(&path).unwrap();
    }

    #[test]
    fn damage_is_named_and_nothing_is_touched() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("job.json");
        let good = serde_json::to_string(&state()).unwrap();
        for (bad, text) in [
            (String::new(), "damaged: EOF"),
            (good[..good.len() / 2].to_owned(), "damaged"),
            (good.replace("nasalogs checkpoint", "something"), "it is something else"),
            (good.replace("\"version\":1", "\"version\":2"), "has layout 2"),
            (good.replace("\"offset\":5", "\"offset\":4"), "contradict"),
            (good.replace("\"offset\":5", "\"offset\":-4"), "damaged"),
            (good.replace("0000000000000001", "1"), "sixteen"),
            ("[]".to_owned(), "damaged"),
        ] {
            assert_ne!(bad, good);
            fs::write(&path, &bad).unwrap();
            let error = Checkpoint::open(&path).unwrap_err().to_string();
            assert!(error.contains(text) && error.contains("job.json"), "{error}");
            assert_eq!(fs::read_to_string(&path).unwrap(), bad);
        }
    }

    #[test]
    fn what_cannot_be_saved_leaves_the_old_one() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("job.json");
        let mut checkpoint = Checkpoint::open(&path).unwrap();
        checkpoint.save(state()).unwrap();
        let before = fs::read(&path).unwrap();
        // The temporary name is taken from the target's, so a directory in the way is as good as a full disk.
        checkpoint.path = dir.path().join("job.json/below");
        assert!(checkpoint.save(State::default()).is_err());
        assert_eq!(fs::read(&path).unwrap(), before);
        assert_eq!(*checkpoint.state(), state());
    }

    #[test]
    fn jobs_have_names_of_their_own() {
        let of = |inputs: &[&str], to: &str| job(inputs, to);
        assert_eq!(of(&["a.log"], "s3://x"), of(&["./a.log"], "s3://x"));
        assert_ne!(of(&["a.log"], "s3://x"), of(&["a.log"], "s3://y"));
        assert_ne!(of(&["a", "b"], "c"), of(&["ab"], "c"));
        assert_ne!(of(&["-"], "c"), of(&["./-"], "c"));
    }

    #[cfg(unix)]
    #[test]
    fn any_path_comes_back() {
        use std::os::unix::ffi::OsStrExt;
        for bytes in [&b"/var/log/a.log"[..], b"\xFF.log", "größe".as_bytes()] {
            let path = Path::new(OsStr::from_bytes(bytes));
            let json = serde_json::to_string(&PathText::from(path)).unwrap();
            assert_eq!(PathBuf::from(&serde_json::from_str::<PathText>(&json).unwrap()), path);
        }
    }
}
