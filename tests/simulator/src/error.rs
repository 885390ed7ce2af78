//! What the service refuses, in the words of AWS.

use std::fmt::Display;

/// The account that all streams belong to.
pub(crate) const ACCOUNT: &str = "000000000000";

/// An error as the protocol has it: a status, a type and a message.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Failure {
    pub status: u16,
    pub kind: &'static str,
    pub message: String,
}

impl Failure {
    pub(crate) fn new(kind: &'static str, message: impl Into<String>) -> Self {
        Self { status: 400, kind, message: message.into() }
    }

    pub(crate) fn argument(message: impl Into<String>) -> Self {
        Self::new("InvalidArgumentException", message)
    }

    pub(crate) fn internal() -> Self {
        Self { status: 500, kind: "InternalFailure", message: INTERNAL.to_owned() }
    }

    pub(crate) fn unavailable() -> Self {
        let message = "The request has failed due to a temporary failure of the server.";
        Self { status: 503, kind: "ServiceUnavailable", message: message.to_owned() }
    }

    pub(crate) fn no_stream(name: &str) -> Self {
        Self::new("ResourceNotFoundException", format!("Stream {name} under account {ACCOUNT} not found."))
    }

    pub(crate) fn no_shard(shard: &str, stream: &str) -> Self {
        Self::new(
            "ResourceNotFoundException",
            format!("Could not find shard {shard} in stream {stream} under account {ACCOUNT}."),
        )
    }

    pub(crate) fn throttled(shard: impl Display, stream: &str) -> Self {
        Self::new(THROTTLED, rate_exceeded(shard, stream))
    }

    /// The body of the answer.
    pub(crate) fn body(&self) -> Vec<u8> {
        serde_json::json!({"__type": self.kind, "message": self.message}).to_string().into_bytes()
    }
}

/// The code of a record or request that exceeds a shard's rate.
pub(crate) const THROTTLED: &str = "ProvisionedThroughputExceededException";

/// The message of a record that the service failed to take.
pub(crate) const INTERNAL: &str = "Internal service failure.";

/// The message of a record that exceeds a shard's rate.
pub(crate) fn rate_exceeded(shard: impl Display, stream: &str) -> String {
    format!("Rate exceeded for shard {shard} in stream {stream} under account {ACCOUNT}.")
}

/// Collects what violates the constraints of a request, for one ValidationException.
#[derive(Debug, Default)]
pub(crate) struct Check(Vec<String>);

impl Check {
    /// `value` is left out where it is data or a list, as AWS leaves it out.
    pub(crate) fn fail(&mut self, member: &str, value: Option<&str>, constraint: impl Display) {
        // AWS names ten at most; and a million bad records must not become a message.
        if self.0.len() < 10 {
            let value = value.map(|value| format!("'{value}' ")).unwrap_or_default();
            self.0.push(format!("Value {value}at '{member}' failed to satisfy constraint: {constraint}"));
        }
    }

    pub(crate) fn not_null(&mut self, member: &str) {
        self.fail(member, None, "Member must not be null");
    }

    pub(crate) fn most(&mut self, member: &str, value: Option<&str>, length: usize, most: usize) {
        if length > most {
            self.fail(member, value, format_args!("Member must have length less than or equal to {most}"));
        }
    }

    pub(crate) fn least(&mut self, member: &str, value: Option<&str>, length: usize, least: usize) {
        if length < least {
            self.fail(
                member,
                value,
                format_args!("Member must have length greater than or equal to {least}"),
            );
        }
    }

    /// A name of a stream or shard.
    pub(crate) fn name(&mut self, member: &str, value: &str) {
        let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte);
        if !value.bytes().all(fits) || value.is_empty() {
            self.fail(member, Some(value), "Member must satisfy regular expression pattern: [a-zA-Z0-9_.-]+");
        }
        self.least(member, Some(value), value.len(), 1);
        self.most(member, Some(value), value.len(), 128);
    }

    /// A hash key: up to 39 digits without leading zeros.
    pub(crate) fn hash_key(&mut self, member: &str, value: &str) {
        let fits = value == "0" || (!value.starts_with('0') && (1..=39).contains(&value.len()));
        if !fits || !value.bytes().all(|byte| byte.is_ascii_digit()) {
            self.fail(
                member,
                Some(value),
                r"Member must satisfy regular expression pattern: 0|([1-9]\d{0,38})",
            );
        }
    }

    pub(crate) fn range(&mut self, member: &str, value: u64, least: u64, most: u64) {
        if value < least {
            let constraint = format_args!("Member must have value greater than or equal to {least}");
            self.fail(member, Some(&value.to_string()), constraint);
        }
        if value > most {
            let constraint = format_args!("Member must have value less than or equal to {most}");
            self.fail(member, Some(&value.to_string()), constraint);
        }
    }

    pub(crate) fn finish(self) -> Result<(), Failure> {
        if self.0.is_empty() {
            return Ok(());
        }
        let (count, plural) = (self.0.len(), if self.0.len() == 1 { "" } else { "s" });
        let message = format!("{count} validation error{plural} detected: {}", self.0.join("; "));
        Err(Failure::new("ValidationException", message))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn violations_are_counted_and_named() {
        let mut check = Check::default();
        check.most("records", None, 501, 500);
        check.name("streamName", "a b");
        let failure = check.finish().map_err(|failure| failure.message);
        let expected = "2 validation errors detected: Value at 'records' failed to satisfy constraint: Member must \
            have length less than or equal to 500; Value 'a b' at 'streamName' failed to satisfy constraint: Member \
            must satisfy regular expression pattern: [a-zA-Z0-9_.-]+";
        assert_eq!(failure, Err(expected.to_owned()));
    }
}
