//! How a run ends: exit codes, and what is said about a failure.

use std::error::Error as StdError;
use std::io;

use nasalogs::{Error, ErrorKind, Result};

use crate::interrupt::Stop;
use crate::message;

/// How a run ended that did what it was asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// All is well: 0.
    Clean,
    /// Done, but with more rejected lines than were allowed, or with something wrong in a table: 1.
    NotClean,
}

const DONE: u8 = 0;
const NOT_CLEAN: u8 = 1;
const FAILED: u8 = 2;
/// As shells say it: 128 and the number of SIGINT.
pub const INTERRUPTED: u8 = 130;

/// Says what went wrong, if anything, and gives the exit code.
pub fn report(outcome: Result<Exit>, stop: &Stop) -> u8 {
    match outcome {
        Ok(Exit::Clean) => DONE,
        Ok(Exit::NotClean) => NOT_CLEAN,
        // Whoever reads our output has had enough: `nasalogs … | head` is no failure.
        Err(error) if is_broken_pipe(&error) => DONE,
        Err(error) if error.kind() == ErrorKind::Interrupted => {
            stop.say();
            INTERRUPTED
        }
        Err(error) => {
            tell(&error);
            match error.kind() {
                ErrorKind::TooManyRejects => NOT_CLEAN,
                _ => FAILED,
            }
        }
    }
}

/// Says what went wrong and what to do.
pub fn tell(error: &Error) {
    message::error(&describe(error));
    if let Some(hint) = hint(error) {
        message::hint(&hint);
    }
}

/// Where, then what happened.
fn describe(error: &Error) -> String {
    let place = match (error.file(), error.line()) {
        (Some(file), Some(line)) => format!("{file}:{line}: "),
        (Some(file), None) => format!("{file}: "),
        (None, Some(line)) => format!("line {line}: "),
        (None, None) => String::new(),
    };
    let offset = error.offset().map(|offset| format!(" (at byte {offset})")).unwrap_or_default();
    format!("{place}{}{offset}", error.message())
}

/// What to do about it.
fn hint(error: &Error) -> Option<String> {
    match (error.hint(), error.kind()) {
        // The crate speaks of formats, and does not know how they are named here.
        (Some(hint), ErrorKind::Format | ErrorKind::NoRows) => {
            Some(hint.replacen("pass one of", "pass --format with one of", 1))
        }
        (Some(hint), _) => Some(hint.to_owned()),
        (None, _) => match io_error(error)?.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
                Some("make room, or write to another disk".to_owned())
            }
            io::ErrorKind::FileTooLarge => Some("check 'ulimit -f', or write to another disk".to_owned()),
            _ => None,
        },
    }
}

/// Whether the reason is that nobody reads our output any more.
fn is_broken_pipe(error: &Error) -> bool {
    io_error(error).is_some_and(|io| io.kind() == io::ErrorKind::BrokenPipe)
}

/// The operating system's error somewhere below: encoders wrap it.
fn io_error(error: &Error) -> Option<&io::Error> {
    let mut next: Option<&(dyn StdError + 'static)> = error.source();
    while let Some(current) = next {
        if let Some(io) = current.downcast_ref::<io::Error>() {
            return Some(io);
        }
        next = current.source();
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn says_where_and_what() {
        let error =
            Error::new(ErrorKind::Format, "no format fits").with_file("a.log").with_line(3).with_offset(9);
        assert_eq!(describe(&error), "a.log:3: no format fits (at byte 9)");
        assert_eq!(describe(&Error::new(ErrorKind::Options, "no")), "no");
    }

    #[test]
    fn finds_a_broken_pipe_under_wrappers() {
        let pipe = || io::Error::from(io::ErrorKind::BrokenPipe);
        assert!(is_broken_pipe(&Error::io("-", pipe())));
        let wrapped = nasalogs::arrow::error::ArrowError::IoError("closed".to_owned(), pipe());
        assert!(is_broken_pipe(&Error::from(wrapped)));
        assert!(!is_broken_pipe(&Error::io("-", io::Error::from(io::ErrorKind::NotFound))));
    }
}
