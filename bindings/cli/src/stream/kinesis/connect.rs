//! The way to a stream: region, credentials, address, shards.

use std::time::Duration;

use aws_config::retry::RetryConfig;
use aws_config::stalled_stream_protection::StalledStreamProtectionConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_sdk_kinesis::config::ProvideCredentials;
use aws_sdk_kinesis::{Client, types};
use nasalogs::delivery::{Outcome, Shard, ShardMap};
use nasalogs::{Error, ErrorKind, Result};

use super::{Place, Stream, outcome};

/// How long a connection takes at most.
const CONNECT: Duration = Duration::from_secs(5);
/// How long an answer takes at most. What is not answered by then may be stored all the same.
const ANSWER: Duration = Duration::from_secs(30);
/// How long the first answer takes at most: who has just given an address waits, and nothing is sent yet.
const FIRST_ANSWER: Duration = Duration::from_secs(10);
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
    let address = address(place, &config);
    if let Some(address) = &address
        && !["http://", "https://"].iter().any(|scheme| address.starts_with(scheme))
    {
        return Err(Error::new(ErrorKind::Options, format!("the endpoint '{address}' is no URL"))
            .with_hint("expected such as http://127.0.0.1:4566, in --endpoint-url or AWS_ENDPOINT_URL"));
    }
    let region = config.region().map(|region| format!(" in {region}")).unwrap_or_default();
    let at = address.map(|address| format!(" at {address}")).unwrap_or_default();
    let stream = Stream::new(Client::new(&config), &place.stream, format!("{}{region}{at}", place.stream));
    let shards = stream.first_list().await.map_err(|error| stream.locate(error))?;
    Ok((stream, shards))
}

/// The address of the service, where it is not the usual one of the region.
fn address(place: &Place, config: &SdkConfig) -> Option<String> {
    let said = ["AWS_ENDPOINT_URL_KINESIS", "AWS_ENDPOINT_URL"];
    let mut said = said.iter().filter_map(|name| std::env::var(name).ok().filter(|url| !url.is_empty()));
    place.endpoint_url.clone().or_else(|| said.next()).or_else(|| config.endpoint_url().map(str::to_owned))
}

impl Stream {
    /// The shards, with some patience for a service that is there.
    async fn first_list(&self) -> Result<ShardMap> {
        let mut attempt = 0;
        loop {
            attempt += 1;
            match tokio::time::timeout(FIRST_ANSWER, self.list()).await {
                Ok(Err((Outcome::Throttled | Outcome::Unknown, _))) if attempt < ATTEMPTS => {
                    tokio::time::sleep(Duration::from_millis(200 << attempt)).await;
                }
                Ok(other) => return other.map_err(|(_, error)| error),
                Err(_) => {
                    let seconds = FIRST_ANSWER.as_secs();
                    return Err(Error::new(ErrorKind::Delivery, format!("no answer within {seconds} s"))
                        .with_hint("is the address right, and the service well?"));
                }
            }
        }
    }

    /// The shards that are open.
    pub(super) async fn list_shards(&self) -> Result<ShardMap> {
        self.list().await.map_err(|(_, error)| self.locate(error))
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
