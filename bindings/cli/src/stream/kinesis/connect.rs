//! The way to a stream: region, credentials, address, shards.

use std::time::Duration;

use aws_config::retry::RetryConfig;
use aws_config::stalled_stream_protection::StalledStreamProtectionConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, Region};
use aws_sdk_kinesis::config::ProvideCredentials;
use aws_sdk_kinesis::{Client, types};
use nasalogs::delivery::{Outcome, Shard, ShardMap};
use nasalogs::{Error, ErrorKind, Result};

use super::{Place, Stream, outcome};

/// How long a connection takes at most.
const CONNECT: Duration = Duration::from_secs(5);
/// How long an answer takes at most. What is not answered by then may be stored all the same.
const ANSWER: Duration = Duration::from_secs(30);
/// How often the shards are asked for at the start, while the service says that it is busy or ill.
const ATTEMPTS: u32 = 4;

/// Reaches the stream.
pub(super) async fn connect(place: &Place) -> Result<(Stream, ShardMap)> {
    let mut loader = aws_config::defaults(BehaviorVersion::latest())
        // A retry that we do not know of would duplicate in silence.
        .retry_config(RetryConfig::disabled())
        .timeout_config(
            TimeoutConfig::builder().connect_timeout(CONNECT).operation_attempt_timeout(ANSWER).build(),
        )
        // The timeout says enough.
        .stalled_stream_protection(StalledStreamProtectionConfig::disabled());
    if let Some(url) = &place.endpoint_url {
        loader = loader.endpoint_url(url);
    }
    if let Some(region) = &place.region {
        loader = loader.region(Region::new(region.clone()));
    }
    let config = loader.load().await;
    if config.region().is_none() {
        return Err(Error::new(ErrorKind::Options, "there is no AWS region").with_hint(
            "pass --region, set AWS_REGION, or name one in ~/.aws/config; local endpoints want one too",
        ));
    }
    let credentials = config.credentials_provider();
    let found = match &credentials {
        Some(provider) => {
            provider.provide_credentials().await.map(drop).map_err(|error| outcome::chain(&error))
        }
        None => Err("no provider is configured".to_owned()),
    };
    if let Err(reason) = found {
        return Err(Error::new(ErrorKind::Delivery, format!("there are no AWS credentials: {reason}")).with_hint(
            "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, choose a profile with AWS_PROFILE, or run where a role \
             is given; after 'aws sso login', eval \"$(aws configure export-credentials --format env)\"",
        ));
    }
    let stream = Stream::new(Client::new(&config), &place.stream);
    let shards = stream.first_list().await.map_err(|error| explain(error, place, config.region()))?;
    Ok((stream, shards))
}

/// Adds where we looked.
fn explain(error: Error, place: &Place, region: Option<&Region>) -> Error {
    let region = region.map(|region| format!(" in {region}")).unwrap_or_default();
    let at = place.endpoint_url.as_ref().map(|url| format!(" at {url}")).unwrap_or_default();
    error.with_file(format!("kinesis://{}{region}{at}", place.stream))
}

impl Stream {
    /// The shards, with some patience for a service that is there.
    async fn first_list(&self) -> Result<ShardMap> {
        let mut attempt = 0;
        loop {
            attempt += 1;
            match self.list().await {
                Err((Outcome::Throttled | Outcome::Unknown, _)) if attempt < ATTEMPTS => {
                    tokio::time::sleep(Duration::from_millis(200 << attempt)).await;
                }
                other => return other.map_err(|(_, error)| error),
            }
        }
    }

    /// The shards that are open.
    pub(super) async fn list_shards(&self) -> Result<ShardMap> {
        self.list().await.map_err(|(_, error)| error)
    }

    async fn list(&self) -> Result<ShardMap, (Outcome, Error)> {
        let mut open = Vec::new();
        let mut next = None;
        loop {
            let mut list = self.client.list_shards();
            // The token stands for the stream.
            list = match next {
                Some(token) => list.next_token(token),
                None => list.set_stream_name(self.name.clone()).set_stream_arn(self.arn.clone()),
            };
            let page = list.send().await.map_err(|error| {
                let (outcome, text) = outcome::failure(&error);
                (outcome, text)
            })?;
            for shard in page.shards() {
                open.extend(open_shard(shard).map_err(|error| (Outcome::Fatal, error))?);
            }
            match page.next_token() {
                Some(token) => next = Some(token.to_owned()),
                // While shards are being split, the list may have holes: soon it has none.
                None => return ShardMap::new(open).map_err(|error| (Outcome::Unknown, error)),
            }
        }
    }
}

/// A shard, unless it is closed.
fn open_shard(shard: &types::Shard) -> Result<Option<Shard>> {
    if shard.sequence_number_range().is_some_and(|range| range.ending_sequence_number().is_some()) {
        return Ok(None);
    }
    let range = shard.hash_key_range().map(|range| (range.starting_hash_key(), range.ending_hash_key()));
    let parsed = range.and_then(|(first, last)| Some((first.parse().ok()?, last.parse().ok()?)));
    let (first, last) = parsed.ok_or_else(|| {
        Error::new(
            ErrorKind::Delivery,
            format!("shard {} has no range of hash keys: {range:?}", shard.shard_id()),
        )
    })?;
    Ok(Some(Shard { id: shard.shard_id().to_owned(), first, last }))
}
