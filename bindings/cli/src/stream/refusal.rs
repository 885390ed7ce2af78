//! What it means when Kinesis refuses a request.

use nasalogs::delivery::Outcome;
use nasalogs::{Error, ErrorKind};

/// What it means for a request, and what is to be said, that the service refused it: by the status of the answer and the
/// code of the error.
///
/// ```
/// use nasalogs::delivery::Outcome;
/// let (outcome, trouble) = nasalogs_cli::stream::refused(400, "ResourceNotFoundException", "no stream web");
/// assert_eq!(outcome, Outcome::Fatal);
/// assert!(trouble.message().contains("no such stream"));
/// ```
#[must_use]
pub fn refused(status: u16, code: &str, message: &str) -> (Outcome, Error) {
    let text = if message.is_empty() { code.to_owned() } else { format!("{code}: {message}") };
    let trouble = |what: &str| Error::new(ErrorKind::Delivery, format!("{what} ({text})"));
    match code {
        "ProvisionedThroughputExceededException"
        | "LimitExceededException"
        | "KMSThrottlingException"
        | "ThrottlingException"
        | "RequestLimitExceeded" => (Outcome::Throttled, trouble("the stream is busy")),
        "ResourceNotFoundException" => (
            Outcome::Fatal,
            trouble("there is no such stream")
                .with_hint("check the name and --region; 'aws kinesis list-streams' lists what there is"),
        ),
        "AccessDeniedException" | "KMSAccessDeniedException" => (
            Outcome::Fatal,
            trouble("access denied")
                .with_hint("allow kinesis:PutRecords and kinesis:ListShards on the stream"),
        ),
        "ExpiredTokenException" | "ExpiredToken" => (
            Outcome::Fatal,
            trouble("the AWS credentials have expired")
                .with_hint("renew them and start again: it goes on where it stopped"),
        ),
        "UnrecognizedClientException"
        | "InvalidSignatureException"
        | "SignatureDoesNotMatch"
        | "IncompleteSignatureException"
        | "IncompleteSignature"
        | "InvalidClientTokenId"
        | "MissingAuthenticationToken"
        | "MissingAuthenticationTokenException"
        | "NotAuthorizedException" => (
            Outcome::Fatal,
            trouble("the AWS credentials are not accepted")
                .with_hint("check the key, the --region they are for, and this machine's clock"),
        ),
        _ if status >= 500 => {
            (Outcome::Unknown, trouble(&format!("the service failed with status {status}")))
        }
        _ if status == 429 => (Outcome::Throttled, trouble("too many requests")),
        _ => (Outcome::Fatal, trouble("the request was refused")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_have_meanings() {
        for (status, code, outcome) in [
            (400, "ProvisionedThroughputExceededException", Outcome::Throttled),
            (400, "LimitExceededException", Outcome::Throttled),
            (400, "ResourceNotFoundException", Outcome::Fatal),
            (400, "ExpiredTokenException", Outcome::Fatal),
            (400, "UnrecognizedClientException", Outcome::Fatal),
            (400, "ValidationException", Outcome::Fatal),
            (500, "InternalFailure", Outcome::Unknown),
            (503, "ServiceUnavailable", Outcome::Unknown),
            (429, "TooManyRequests", Outcome::Throttled),
        ] {
            assert_eq!(refused(status, code, "why").0, outcome, "{code}");
        }
        let (_, error) = refused(400, "ResourceNotFoundException", "Stream web not found");
        assert_eq!(
            error.message(),
            "there is no such stream (ResourceNotFoundException: Stream web not found)"
        );
        assert!(error.hint().unwrap().contains("--region"));
    }
}
