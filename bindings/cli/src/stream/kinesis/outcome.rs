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
        SdkError::TimeoutError(_) => (
            Outcome::Unknown,
            said("no answer in time", error).with_hint("is the address right, and the service well?"),
        ),
        SdkError::DispatchFailure(_) => match never_left(error) {
            Some(reason) => (Outcome::NotSent, said(reason.text, error).with_hint(reason.hint)),
            None => (Outcome::Unknown, said("the connection was lost", error)),
        },
        _ => (
            Outcome::Unknown,
            said("the answer could not be read", error).with_hint("is there a Kinesis at this address?"),
        ),
    }
}

fn said(what: &str, error: &(dyn StdError + 'static)) -> Error {
    Error::new(ErrorKind::Delivery, format!("{what}: {}", chain(error)))
}

/// What an error says, and those below it: the uppermost say little, some nothing.
pub(super) fn chain(error: &dyn StdError) -> String {
    const SAY_NOTHING: [&str; 4] = ["dispatch failure", "io error", "other", "client error (Connect)"];
    let mut parts: Vec<String> = Vec::new();
    let mut next = Some(error);
    while let Some(current) = next {
        let text = current.to_string();
        if !SAY_NOTHING.contains(&text.as_str()) && !parts.iter().any(|part| part.contains(&text)) {
            parts.push(text);
        }
        next = current.source();
    }
    parts.join(": ")
}

/// Why nothing was sent, for people.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Reason {
    text: &'static str,
    hint: &'static str,
}

const NO_CONNECTION: Reason =
    Reason { text: "no connection", hint: "is the address right, and the network up?" };
const NOT_SECURE: Reason = Reason {
    text: "no secure connection",
    hint: "is the address right, and does it speak TLS? a certificate of your own is trusted where \
           SSL_CERT_FILE names its authority, or the system knows it",
};
const NO_CREDENTIALS: Reason = Reason {
    text: "no AWS credentials",
    hint: "renew them where they come from; it goes on where it stopped",
};

/// Whether no request left, and why: in doubt it did.
fn never_left(error: &(dyn StdError + 'static)) -> Option<Reason> {
    let mut next = Some(error);
    let mut reason = None;
    while let Some(current) = next {
        if let Some(io) = current.downcast_ref::<io::Error>()
            && matches!(
                io.kind(),
                io::ErrorKind::ConnectionRefused
                    | io::ErrorKind::HostUnreachable
                    | io::ErrorKind::NetworkUnreachable
                    | io::ErrorKind::NetworkDown
                    | io::ErrorKind::AddrNotAvailable
            )
        {
            return Some(NO_CONNECTION);
        }
        let text = current.to_string();
        let says = |words: &[&str]| words.iter().any(|word| text.contains(word));
        if says(&["TLS handshake", "peer certificate"]) {
            return Some(NOT_SECURE);
        }
        if says(&["loading credentials", "credential provider"]) {
            return Some(NO_CREDENTIALS);
        }
        // The client's own word for all that happens before a connection stands.
        if says(&["client error (Connect)", "dns error", "failed to lookup address", "connect timeout"]) {
            reason = Some(NO_CONNECTION);
        }
        next = current.source();
    }
    reason
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn in_doubt_a_request_may_have_left() {
        assert_eq!(never_left(&io::Error::from(io::ErrorKind::ConnectionRefused)), Some(NO_CONNECTION));
        assert_eq!(never_left(&io::Error::other("TLS handshake failed: bad")), Some(NOT_SECURE));
        assert_eq!(never_left(&io::Error::from(io::ErrorKind::ConnectionReset)), None);
        assert_eq!(never_left(&io::Error::from(io::ErrorKind::UnexpectedEof)), None);
    }
}
