//! What the answers and errors of the SDK mean.

use std::error::Error as StdError;
use std::io;

use aws_sdk_kinesis::config::http::HttpResponse;
use aws_sdk_kinesis::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_kinesis::operation::put_records::{PutRecordsError, PutRecordsOutput};
use nasalogs::delivery::{Outcome, RecordOutcome};
use nasalogs::{Error, ErrorKind};

use crate::stream::refused;

/// What became of a request, and what was wrong, if anything.
pub(super) fn of(
    answer: Result<PutRecordsOutput, SdkError<PutRecordsError, HttpResponse>>,
) -> (Outcome, Option<Error>) {
    match answer {
        Ok(output) => answered(&output),
        Err(error) => {
            let (outcome, trouble) = failure(&error);
            (outcome, Some(trouble))
        }
    }
}

fn answered(output: &PutRecordsOutput) -> (Outcome, Option<Error>) {
    let mut trouble = None;
    let mut result = |entry: &aws_sdk_kinesis::types::PutRecordsResultEntry| match entry.error_code() {
        None => RecordOutcome::Stored {
            shard: entry.shard_id().unwrap_or_default().to_owned(),
            sequence: entry.sequence_number().unwrap_or_default().to_owned(),
        },
        Some(code) => {
            let message = entry.error_message().unwrap_or_default();
            trouble =
                Some(Error::new(ErrorKind::Delivery, format!("a record was refused: {code}: {message}")));
            match code {
                "ProvisionedThroughputExceededException" => RecordOutcome::Throttled,
                _ => RecordOutcome::Internal,
            }
        }
    };
    let results = output.records().iter().map(&mut result).collect();
    (Outcome::Answered(results), trouble)
}

/// What a failure means for what was sent, and what it is called.
pub(super) fn failure<E>(error: &SdkError<E, HttpResponse>) -> (Outcome, Error)
where
    E: ProvideErrorMetadata + StdError + 'static,
{
    match error {
        SdkError::ServiceError(service) => {
            let status = service.raw().status().as_u16();
            let (code, message) = (service.err().code().unwrap_or("unknown error"), service.err().message());
            refused(status, code, message.unwrap_or_default())
        }
        SdkError::ConstructionFailure(_) => (Outcome::NotSent, said("a request could not be made", error)),
        SdkError::TimeoutError(_) => (Outcome::Unknown, said("no answer in time", error)),
        SdkError::DispatchFailure(_) if never_left(error) => (
            Outcome::NotSent,
            said("no connection", error).with_hint("is the address right, and the network up?"),
        ),
        SdkError::DispatchFailure(_) => (Outcome::Unknown, said("the connection was lost", error)),
        _ => (Outcome::Unknown, said("the answer could not be read", error)),
    }
}

fn said(what: &str, error: &(dyn StdError + 'static)) -> Error {
    Error::new(ErrorKind::Delivery, format!("{what}: {}", chain(error)))
}

/// What an error says, and those below it: the uppermost say little.
pub(super) fn chain(error: &dyn StdError) -> String {
    let mut parts: Vec<String> = Vec::new();
    let mut next = Some(error);
    while let Some(current) = next {
        let text = current.to_string();
        if !parts.iter().any(|part| part.contains(&text)) {
            parts.push(text);
        }
        next = current.source();
    }
    parts.join(": ")
}

/// Whether no connection came about: in doubt it did.
fn never_left(error: &(dyn StdError + 'static)) -> bool {
    let mut next = Some(error);
    while let Some(current) = next {
        if let Some(io) = current.downcast_ref::<io::Error>() {
            return matches!(
                io.kind(),
                io::ErrorKind::ConnectionRefused
                    | io::ErrorKind::HostUnreachable
                    | io::ErrorKind::NetworkUnreachable
                    | io::ErrorKind::NetworkDown
                    | io::ErrorKind::AddrNotAvailable
            );
        }
        let text = current.to_string();
        if text.contains("dns error")
            || text.contains("failed to lookup address")
            || text.contains("connect timeout")
        {
            return true;
        }
        next = current.source();
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn in_doubt_a_request_may_have_left() {
        assert!(never_left(&io::Error::from(io::ErrorKind::ConnectionRefused)));
        assert!(!never_left(&io::Error::from(io::ErrorKind::ConnectionReset)));
        assert!(!never_left(&io::Error::from(io::ErrorKind::UnexpectedEof)));
    }
}
