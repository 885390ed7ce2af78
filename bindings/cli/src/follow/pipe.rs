//! Standard input and pipes: read once, by a thread, so that nobody has to wait for them.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TryRecvError, sync_channel};
use std::thread;
use std::time::Duration;

use nasalogs::Result;
use nasalogs::envelope::SourceId;
use nasalogs::source::Source;

use super::cutter::Cutter;
use super::identity::{first_line, nonce, source_id};
use super::{Lines, Options};

/// How many pieces may wait.
const WAITING: usize = 4;

/// A source that can be read once only.
#[derive(Debug)]
pub(super) struct Pipe {
    name: Arc<str>,
    nonce: u64,
    id: Option<SourceId>,
    pieces: Receiver<Result<Vec<u8>>>,
    /// What the thread sent, before it is cut.
    taken: Option<Result<Vec<u8>>>,
    cutter: Cutter,
    at_end: bool,
}

impl Pipe {
    /// Begins to read.
    pub(super) fn open(source: Source, options: &Options) -> Self {
        let name = source.name().unwrap_or_else(|| "standard input".into());
        let (sender, pieces) = sync_channel(WAITING);
        let chunk = options.chunk;
        thread::spawn(move || read(source, chunk, &sender));
        let cutter = Cutter::at(0);
        Self { name, nonce: nonce(), id: None, pieces, taken: None, cutter, at_end: false }
    }

    /// Whether everything was given.
    pub(super) fn is_at_end(&self) -> bool {
        self.at_end
    }

    /// Waits until there is something to take.
    pub(super) fn wait(&mut self, longest: Duration) {
        if self.taken.is_none() && !self.at_end {
            match self.pieces.recv_timeout(longest) {
                Ok(piece) => self.taken = Some(piece),
                Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {}
            }
        }
    }

    /// What has come.
    pub(super) fn take(&mut self, options: &Options) -> Result<Vec<Lines>> {
        let taken = self.taken.take().map_or_else(|| self.pieces.try_recv(), Ok);
        let pieces = match taken {
            Ok(Ok(bytes)) => {
                let (mut buffer, at) = self.cutter.room(bytes.len());
                buffer[at..].copy_from_slice(&bytes);
                if self.id.is_none() && first_line(&buffer).is_some() {
                    self.id = Some(source_id(self.nonce, &buffer));
                }
                self.cutter.cut(buffer, options.max_line)
            }
            Ok(Err(error)) => match self.cutter.finish() {
                // What came before it comes first.
                Some(piece) => {
                    self.taken = Some(Err(error));
                    vec![piece]
                }
                None => {
                    self.at_end = true;
                    return Err(error);
                }
            },
            Err(TryRecvError::Empty) => return Ok(Vec::new()),
            Err(TryRecvError::Disconnected) => {
                self.at_end = true;
                self.cutter.finish().into_iter().collect()
            }
        };
        let give = |piece: super::cutter::Piece| Lines {
            source: *self.id.get_or_insert_with(|| source_id(self.nonce, &piece.bytes)),
            file: Arc::clone(&self.name),
            offset: piece.offset,
            bytes: piece.bytes,
            part: piece.part,
        };
        Ok(pieces.into_iter().map(give).collect())
    }
}

/// Sends what comes, as it comes.
fn read(source: Source, chunk: usize, sender: &SyncSender<Result<Vec<u8>>>) {
    let mut input = match source.open() {
        Ok(input) => input,
        Err(error) => {
            let _ = sender.send(Err(error));
            return;
        }
    };
    loop {
        let mut buffer = vec![0; chunk];
        // One reading: a line that has come must not wait until the buffer is full.
        match input.read_into(&mut buffer) {
            Ok(0) => return,
            Ok(count) => {
                buffer.truncate(count);
                if sender.send(Ok(buffer)).is_err() {
                    return;
                }
            }
            Err(error) => {
                let _ = sender.send(Err(error));
                return;
            }
        }
    }
}
