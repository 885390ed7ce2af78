//! What can be set, by flags at the start and through `/_control` while it runs.

use std::fmt::{self, Display};
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Everything that can be changed while the simulator runs.
///
/// As JSON, on `/_control`, it has the same names; a patch names only what it changes.
///
/// ```
/// use nasalogs_simulator::Settings;
/// let settings = Settings::default().patched(serde_json::json!({"faults": {"lose_ack": 0.1}}))?;
/// assert_eq!(settings.faults.lose_ack, 0.1);
/// # Ok::<(), String>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, clap::Args, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// What a stream carries.
    #[command(flatten)]
    pub limits: Limits,
    /// What goes wrong.
    #[command(flatten)]
    pub faults: Faults,
    /// Who may come in, and how the control plane behaves.
    #[command(flatten)]
    pub account: Account,
}

impl Settings {
    /// These settings with a patch applied: objects are merged, everything else is replaced.
    ///
    /// # Errors
    /// A sentence, when a name is unknown, a value is of the wrong type, or probabilities exceed 1.
    pub fn patched(&self, patch: Value) -> Result<Self, String> {
        let mut whole = serde_json::to_value(self).map_err(|error| error.to_string())?;
        merge(&mut whole, patch)?;
        let settings: Self = serde_json::from_value(whole).map_err(|error| error.to_string())?;
        settings.check()?;
        Ok(settings)
    }

    /// Probabilities are probabilities, and those that exclude each other make 1 at most.
    ///
    /// # Errors
    /// A sentence that names what is wrong.
    pub fn check(&self) -> Result<(), String> {
        let faults = &self.faults;
        for (what, group) in [("a request", &faults.of_request()[..]), ("a record", &faults.of_record()[..])]
        {
            if group.iter().any(|p| !(0.0..=1.0).contains(p)) || group.iter().sum::<f64>() > 1.0 + 1e-9 {
                return Err(format!(
                    "the faults of {what} have probabilities of 0 to 1, and of 1 together at most"
                ));
            }
        }
        if !(0.0..=1.0).contains(&faults.stall) {
            return Err("stall is a probability of 0 to 1".to_owned());
        }
        if !(self.limits.burst.is_finite() && self.limits.burst > 0.0) {
            return Err("burst is a number of seconds above 0".to_owned());
        }
        Ok(())
    }
}

fn merge(into: &mut Value, patch: Value) -> Result<(), String> {
    match (into, patch) {
        (Value::Object(into), Value::Object(patch)) => {
            for (name, value) in patch {
                merge(into.entry(name).or_insert(Value::Null), value)?;
            }
        }
        (Value::Object(_), other) => {
            return Err(format!("expected an object with names of settings, found {other}"));
        }
        (into, patch) => *into = patch,
    }
    Ok(())
}

/// The limits of the service. Zero switches one off.
#[derive(Clone, Debug, PartialEq, clap::Args, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// Records a second for each shard; 0 for no limit.
    #[arg(long, value_name = "N", default_value_t = 1_000)]
    pub shard_records: u64,
    /// Bytes a second for each shard, data and partition keys; 0 for no limit.
    #[arg(long, value_name = "BYTES", default_value_t = 1 << 20)]
    pub shard_bytes: u64,
    /// How many seconds' worth an idle shard takes at once.
    #[arg(long, value_name = "SECONDS", default_value_t = 1.0)]
    pub burst: f64,
    /// Records of a PutRecords; 0 for no limit.
    #[arg(long, value_name = "N", default_value_t = 500)]
    pub request_records: usize,
    /// Bytes of a PutRecords, data and partition keys; 0 for no limit. AWS allows 10 MiB since 2025, and 5 before.
    #[arg(long, value_name = "BYTES", default_value_t = 5 << 20)]
    pub request_bytes: usize,
    /// Bytes of a record, data and partition key, unless the stream was created with its own; 0 for no limit.
    #[arg(long, value_name = "BYTES", default_value_t = 1 << 20)]
    pub record_bytes: usize,
}

impl Limits {
    /// No limit at all, for benchmarks.
    pub const OFF: Self = Self {
        shard_records: 0,
        shard_bytes: 0,
        burst: 1.0,
        request_records: 0,
        request_bytes: 0,
        record_bytes: 0,
    };
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            shard_records: 1_000,
            shard_bytes: 1 << 20,
            burst: 1.0,
            request_records: 500,
            request_bytes: 5 << 20,
            record_bytes: 1 << 20,
        }
    }
}

/// What goes wrong, and how often. Probabilities are of 0 to 1.
///
/// The faults of a request exclude each other, as do those of a record, so that each comes as often as it says. What
/// happens to the n-th request follows from the seed and n alone.
#[derive(Clone, Debug, PartialEq, clap::Args, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Faults {
    /// Seed of everything random.
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub seed: u64,
    /// A record fails with ProvisionedThroughputExceededException.
    #[arg(long, value_name = "P", default_value_t = 0.0)]
    pub throttle_record: f64,
    /// A record fails with InternalFailure and is not stored.
    #[arg(long, value_name = "P", default_value_t = 0.0)]
    pub fail_record: f64,
    /// A record fails with InternalFailure although it was stored.
    #[arg(long, value_name = "P", default_value_t = 0.0)]
    pub fail_record_stored: f64,
    /// A request fails with ProvisionedThroughputExceededException.
    #[arg(long, value_name = "P", default_value_t = 0.0)]
    pub throttle_request: f64,
    /// A request fails with status 500 and stores nothing.
    #[arg(long, value_name = "P", default_value_t = 0.0)]
    pub fail_request: f64,
    /// A request fails with status 500 although it was stored.
    #[arg(long, value_name = "P", default_value_t = 0.0)]
    pub fail_request_stored: f64,
    /// A request fails with status 503 and stores nothing.
    #[arg(long, value_name = "P", default_value_t = 0.0)]
    pub unavailable: f64,
    /// The connection is closed before the request is read; nothing is stored.
    #[arg(long, value_name = "P", default_value_t = 0.0)]
    pub drop_unread: f64,
    /// The connection is closed after the request was read; nothing is stored.
    #[arg(long, value_name = "P", default_value_t = 0.0)]
    pub drop_request: f64,
    /// A request is stored and the connection closed without an answer.
    #[arg(long, value_name = "P", default_value_t = 0.0)]
    pub lose_ack: f64,
    /// A request is stored and the connection closed in the middle of the answer.
    #[arg(long, value_name = "P", default_value_t = 0.0)]
    pub cut_answer: f64,
    /// An answer is held back for --stall-ms.
    #[arg(long, value_name = "P", default_value_t = 0.0)]
    pub stall: f64,
    /// How long a stalled answer is held back, in milliseconds.
    #[arg(long, value_name = "MS", default_value_t = 60_000)]
    pub stall_ms: u64,
    /// Delay of every answer in milliseconds: `20`, `5-50` (uniform) or `~20` (exponential, of this mean).
    #[arg(long, value_name = "MS", default_value_t)]
    pub latency: Latency,
    /// A shard is split or two are merged before every N-th request; 0 for never.
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub reshard_every: u64,
    /// Re-sharding leaves this many open shards at most.
    #[arg(long, value_name = "N", default_value_t = 64)]
    pub reshard_most: usize,
    /// The endpoint goes away for --down-ms at every N-th request; 0 for never.
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub down_every: u64,
    /// How long the endpoint stays away, in milliseconds.
    #[arg(long, value_name = "MS", default_value_t = 1_000)]
    pub down_ms: u64,
    /// Faults begin at this request, counted from 0.
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub fault_from: u64,
    /// Faults end before this request.
    #[arg(long, value_name = "N")]
    pub fault_until: Option<u64>,
    /// Operations that are counted and can fail; `all` for all of them.
    #[arg(long, value_name = "OPERATION", value_delimiter = ',', default_values_t = puts())]
    pub fault_on: Vec<String>,
}

fn puts() -> Vec<String> {
    vec!["PutRecord".to_owned(), "PutRecords".to_owned()]
}

impl Default for Faults {
    fn default() -> Self {
        Self {
            seed: 0,
            throttle_record: 0.0,
            fail_record: 0.0,
            fail_record_stored: 0.0,
            throttle_request: 0.0,
            fail_request: 0.0,
            fail_request_stored: 0.0,
            unavailable: 0.0,
            drop_unread: 0.0,
            drop_request: 0.0,
            lose_ack: 0.0,
            cut_answer: 0.0,
            stall: 0.0,
            stall_ms: 60_000,
            latency: Latency::default(),
            reshard_every: 0,
            reshard_most: 64,
            down_every: 0,
            down_ms: 1_000,
            fault_from: 0,
            fault_until: None,
            fault_on: puts(),
        }
    }
}

impl Faults {
    /// In the order of [`crate::fault::REQUEST`].
    pub(crate) fn of_request(&self) -> [f64; 8] {
        [
            self.throttle_request,
            self.fail_request,
            self.fail_request_stored,
            self.unavailable,
            self.drop_unread,
            self.drop_request,
            self.lose_ack,
            self.cut_answer,
        ]
    }

    /// In the order of [`crate::fault::RECORD`].
    pub(crate) fn of_record(&self) -> [f64; 3] {
        [self.throttle_record, self.fail_record, self.fail_record_stored]
    }

    /// Whether requests of this operation are counted and can fail.
    #[must_use]
    pub fn concern(&self, operation: &str) -> bool {
        self.fault_on.iter().any(|name| name == operation || name == "all")
    }
}

/// Who is let in, and how the control plane behaves.
#[derive(Clone, Debug, PartialEq, clap::Args, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Account {
    /// What is made of the credentials of a request. Signatures are never verified.
    #[arg(long, value_name = "STATE", value_enum, default_value_t)]
    pub credentials: Credentials,
    /// Only this access key is known; others are UnrecognizedClientException.
    #[arg(long, value_name = "ID")]
    pub access_key: Option<String>,
    /// Only requests that are signed for this region are let in.
    #[arg(long, value_name = "REGION")]
    pub only_region: Option<String>,
    /// How long a new stream is CREATING, in milliseconds.
    #[arg(long, value_name = "MS", default_value_t = 0)]
    pub create_ms: u64,
    /// How long a stream is UPDATING after a change of its shards, in milliseconds.
    #[arg(long, value_name = "MS", default_value_t = 0)]
    pub update_ms: u64,
    /// Shards that an answer of ListShards holds at most.
    #[arg(long, value_name = "N", default_value_t = 1_000)]
    pub page_shards: usize,
}

impl Default for Account {
    fn default() -> Self {
        Self {
            credentials: Credentials::default(),
            access_key: None,
            only_region: None,
            create_ms: 0,
            update_ms: 0,
            page_shards: 1_000,
        }
    }
}

/// What is made of the credentials of every request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Credentials {
    /// They are taken as they are, or not at all.
    #[default]
    Any,
    /// There must be some.
    Required,
    /// `ExpiredTokenException`.
    Expired,
    /// `UnrecognizedClientException`.
    Unknown,
    /// `InvalidSignatureException`, as with a wrong secret key.
    WrongSignature,
    /// `InvalidSignatureException`, as with a clock that is far off.
    Skewed,
    /// `AccessDeniedException`.
    Denied,
}

/// How long an answer takes, in milliseconds.
///
/// ```
/// use nasalogs_simulator::Latency;
/// assert_eq!("5-50".parse(), Ok(Latency::Uniform(5.0, 50.0)));
/// assert_eq!("~20".parse(), Ok(Latency::Exponential(20.0)));
/// assert!("soon".parse::<Latency>().is_err());
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Latency {
    /// Always this long.
    Fixed(f64),
    /// Anything between the two.
    Uniform(f64, f64),
    /// Exponentially distributed, of this mean; cut off at twenty times the mean.
    Exponential(f64),
}

impl Latency {
    pub(crate) fn draw(self, random: &mut fastrand::Rng) -> Duration {
        let milliseconds = match self {
            Self::Fixed(milliseconds) => milliseconds,
            Self::Uniform(low, high) => low + (high - low) * random.f64(),
            Self::Exponential(mean) => (-(1.0 - random.f64()).ln()).min(20.0) * mean,
        };
        Duration::from_secs_f64(milliseconds / 1e3)
    }
}

impl Default for Latency {
    fn default() -> Self {
        Self::Fixed(0.0)
    }
}

impl Display for Latency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fixed(milliseconds) => write!(f, "{milliseconds}"),
            Self::Uniform(low, high) => write!(f, "{low}-{high}"),
            Self::Exponential(mean) => write!(f, "~{mean}"),
        }
    }
}

impl FromStr for Latency {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        // Up to a day: a sum of durations must not overflow.
        let number =
            |part: &str| part.parse::<f64>().ok().filter(|value| (0.0..=86_400_000.0).contains(value));
        let latency = if let Some(mean) = text.strip_prefix('~') {
            number(mean).map(Self::Exponential)
        } else if let Some((low, high)) = text.split_once('-') {
            number(low)
                .zip(number(high))
                .filter(|(low, high)| low <= high)
                .map(|(low, high)| Self::Uniform(low, high))
        } else {
            number(text).map(Self::Fixed)
        };
        latency
            .ok_or_else(|| format!("{text:?} is no latency: expected milliseconds as `20`, `5-50` or `~20`"))
    }
}

impl TryFrom<String> for Latency {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<Latency> for String {
    fn from(latency: Latency) -> Self {
        latency.to_string()
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;
    use serde_json::json;

    use super::*;

    #[derive(Parser)]
    struct Flags {
        #[command(flatten)]
        settings: Settings,
    }

    #[test]
    fn flags_json_and_the_type_have_the_same_defaults() {
        let flags = Flags::try_parse_from(["simulator"]).map(|flags| flags.settings).ok();
        assert_eq!(flags, Some(Settings::default()));
        assert_eq!(serde_json::from_value::<Settings>(json!({})).ok(), Some(Settings::default()));
    }

    #[test]
    fn a_patch_changes_what_it_names() {
        let before = Settings::default().patched(json!({"faults": {"latency": "5-50"}}));
        let after = before.and_then(|before| before.patched(json!({"limits": {"shard_bytes": 7}})));
        let after = after.as_ref().map(|after| (after.faults.latency, after.limits.shard_bytes));
        assert_eq!(after, Ok((Latency::Uniform(5.0, 50.0), 7)));
    }

    #[test]
    fn a_patch_that_is_wrong_is_refused() {
        for patch in [
            json!({"faults": {"lose_acks": 0.5}}),
            json!({"faults": {"lose_ack": 0.6, "cut_answer": 0.6}}),
            json!({"faults": {"fail_record": -0.1}}),
            json!({"faults": {"latency": "50-5"}}),
            json!({"limits": {"burst": 0}}),
            json!([]),
            json!({"faults": []}),
        ] {
            assert!(Settings::default().patched(patch.clone()).is_err(), "{patch}");
        }
    }
}
