//! What a store's refusal means, for people.

use std::error::Error as StdError;
use std::io;

use nasalogs::{Error, ErrorKind};
use object_store::client::{HttpError, HttpErrorKind};

use super::credential::NoCredentials;

/// Where something went wrong.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place<'a> {
    pub(super) bucket: &'a str,
    pub(super) key: &'a str,
    pub(super) endpoint: Option<&'a str>,
    pub(super) region: &'a str,
}

/// What a code in an answer of S3 means, and what to do.
const CODES: [(&str, &str, &str); 13] = [
    ("NoSuchBucket", "there is no such bucket", "check its name, the region and the endpoint"),
    ("NoSuchKey", "there is no such object", "check the key: it is case-sensitive, and has no leading slash"),
    (
        "AccessDenied",
        "access is denied",
        "reading needs s3:GetObject, patterns and tables s3:ListBucket, writing s3:PutObject and \
         s3:AbortMultipartUpload, replacing s3:DeleteObject",
    ),
    ("ExpiredToken", EXPIRED, RENEW),
    ("ExpiredTokenException", EXPIRED, RENEW),
    ("TokenRefreshRequired", EXPIRED, RENEW),
    ("RequestExpired", EXPIRED, RENEW),
    ("InvalidToken", INVALID, "check AWS_SESSION_TOKEN, or the profile"),
    ("InvalidAccessKeyId", INVALID, "check AWS_ACCESS_KEY_ID, or the profile"),
    ("SignatureDoesNotMatch", INVALID, "check AWS_SECRET_ACCESS_KEY, or the profile"),
    (
        "RequestTimeTooSkewed",
        "the clock of this machine is wrong",
        "set it: requests are signed with the time",
    ),
    ("SlowDown", "the store asks for fewer requests", "try again later"),
    ("NoSuchUpload", "the upload was aborted by somebody else", "try again"),
];

const EXPIRED: &str = "the credentials have expired";
const RENEW: &str = "renew them ('aws sso login', or the session's variables), then run the same again";
const INVALID: &str = "the credentials are not valid";

/// An error of the store client, for people.
pub(super) fn explain(place: Place<'_>, error: object_store::Error) -> Error {
    let text = error.to_string();
    let code = between(&text, "<Code>", "</Code>");
    let (kind, message, hint) = describe(place, &error, &text, code);
    let file = match place.key {
        "" => format!("s3://{}", place.bucket),
        key => format!("s3://{}/{key}", place.bucket),
    };
    Error::new(ErrorKind::Io, message)
        .with_file(file)
        .with_hint(hint)
        .with_source(io::Error::new(kind, error))
}

fn describe(
    place: Place<'_>,
    error: &object_store::Error,
    text: &str,
    code: Option<&str>,
) -> (io::ErrorKind, String, String) {
    use object_store::Error as E;
    let kind = match error {
        E::NotFound { .. } => io::ErrorKind::NotFound,
        E::PermissionDenied { .. } | E::Unauthenticated { .. } => io::ErrorKind::PermissionDenied,
        E::AlreadyExists { .. } | E::Precondition { .. } => io::ErrorKind::AlreadyExists,
        _ => io::ErrorKind::Other,
    };
    if find::<NoCredentials>(error).is_some() {
        return (
            io::ErrorKind::PermissionDenied,
            "no credentials were found".to_owned(),
            "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE; AWS_SKIP_SIGNATURE=true reads what is \
             public"
                .to_owned(),
        );
    }
    if let Some((_, message, hint)) = CODES.iter().find(|(known, _, _)| code == Some(known)) {
        return (kind, (*message).to_owned(), (*hint).to_owned());
    }
    let elsewhere = matches!(
        code,
        Some("PermanentRedirect" | "AuthorizationHeaderMalformed" | "IllegalLocationConstraintException")
    );
    if elsewhere || text.contains("redirect without LOCATION") {
        return (
            kind,
            format!("the bucket is not in the region {}", place.region),
            "pass the bucket's region with --region or AWS_REGION".to_owned(),
        );
    }
    if let Some(http) = find::<HttpError>(error) {
        let where_to = place.endpoint.map_or_else(|| format!("S3 in {}", place.region), str::to_owned);
        let reason = deepest(http);
        let message = match http.kind() {
            HttpErrorKind::Connect => format!("{where_to} cannot be reached: {reason}"),
            HttpErrorKind::Timeout => format!("{where_to} does not answer in time"),
            _ => format!("the connection to {where_to} failed: {reason}"),
        };
        return (kind, message, "check the network, --endpoint-url and --region, then try again".to_owned());
    }
    let said = between(text, "<Message>", "</Message>").or(code);
    match error {
        E::NotFound { .. } => (
            kind,
            "there is no such object".to_owned(),
            "check the bucket, the key, the region and the endpoint".to_owned(),
        ),
        E::PermissionDenied { .. } | E::Unauthenticated { .. } => {
            (kind, "access is denied".to_owned(), "check the credentials and their policy".to_owned())
        }
        _ => (
            kind,
            format!("the store failed: {}", said.unwrap_or(text)),
            "check the endpoint and its log, then try again".to_owned(),
        ),
    }
}

/// Whether a request may have arrived although no answer came.
pub(super) fn is_ambiguous(error: &object_store::Error) -> bool {
    find::<HttpError>(error).is_some_and(|http| http.kind() != HttpErrorKind::Connect)
        || error.to_string().contains("ConditionalRequestConflict")
}

/// Whether the store says that the object is there, against a condition. A conflict of two writers is not that.
pub(super) fn is_refusal(error: &object_store::Error) -> bool {
    use object_store::Error as E;
    matches!(error, E::AlreadyExists { .. } | E::Precondition { .. } | E::NotModified { .. })
        && !error.to_string().contains("ConditionalRequestConflict")
}

/// Whether an object is missing (and not its bucket).
pub(super) fn is_missing(error: &object_store::Error) -> bool {
    matches!(error, object_store::Error::NotFound { .. })
        && !matches!(between(&error.to_string(), "<Code>", "</Code>"), Some("NoSuchBucket" | "NoSuchUpload"))
}

/// Whether a range was asked of an object that has no byte.
pub(super) fn is_empty(error: &object_store::Error) -> bool {
    let text = error.to_string();
    text.contains("<Code>InvalidRange</Code>") || text.contains("416 Range Not Satisfiable")
}

/// Whether access is denied, for lack of a permission and not of valid credentials.
pub(super) fn is_denied(error: &object_store::Error) -> bool {
    between(&error.to_string(), "<Code>", "</Code>") == Some("AccessDenied")
}

fn between<'a>(text: &'a str, begin: &str, end: &str) -> Option<&'a str> {
    Some(text.split_once(begin)?.1.split_once(end)?.0)
}

fn find<T: StdError + 'static>(error: &object_store::Error) -> Option<&T> {
    let mut next: Option<&(dyn StdError + 'static)> = Some(error);
    while let Some(at) = next {
        if let Some(found) = at.downcast_ref::<T>() {
            return Some(found);
        }
        next = at.source();
    }
    None
}

/// The innermost reason: "Connection refused", and not who passed it on.
fn deepest(error: &(dyn StdError + 'static)) -> String {
    let mut at = error;
    while let Some(source) = at.source() {
        at = source;
    }
    at.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLACE: Place<'_> = Place { bucket: "b", key: "k", endpoint: None, region: "eu-west-1" };

    fn answered(text: &str) -> object_store::Error {
        object_store::Error::Generic { store: "S3", source: text.to_owned().into() }
    }

    #[test]
    fn codes_are_explained() {
        for (code, says) in [
            ("NoSuchBucket", "s3://b/k: there is no such bucket; check its name"),
            ("ExpiredToken", "s3://b/k: the credentials have expired; renew them"),
            ("InvalidAccessKeyId", "not valid; check AWS_ACCESS_KEY_ID"),
            ("PermanentRedirect", "not in the region eu-west-1; pass the bucket's region"),
        ] {
            let error = explain(PLACE, answered(&format!("400: <Error><Code>{code}</Code></Error>")));
            assert_eq!(error.kind(), ErrorKind::Io);
            assert!(error.to_string().contains(says), "{error}");
        }
        let error = explain(PLACE, answered("500: <Code>Odd</Code><Message>it is raining</Message>"));
        assert!(error.to_string().contains("the store failed: it is raining"), "{error}");
    }

    #[test]
    fn a_conflict_of_writers_is_no_refusal() {
        let refusal = |text: &str| object_store::Error::AlreadyExists {
            path: "k".to_owned(),
            source: text.to_owned().into(),
        };
        assert!(is_refusal(&refusal("412: <Code>PreconditionFailed</Code>")));
        let conflict = refusal("409: <Code>ConditionalRequestConflict</Code>");
        assert!(!is_refusal(&conflict) && is_ambiguous(&conflict));
    }
}
