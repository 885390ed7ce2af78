//! A bucket, and calls that wait for its answers.

use std::fmt;
use std::future::Future;
use std::sync::mpsc::{self, Receiver};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use nasalogs::{Error, ErrorKind, Result};
use object_store::aws::{AmazonS3, AmazonS3Builder, S3ConditionalPut};
use object_store::list::{PaginatedListOptions, PaginatedListStore};
use object_store::path::Path;
use object_store::{
    ClientOptions, CredentialProvider, GetOptions, GetRange, ObjectStore, ObjectStoreExt, RetryConfig,
};
use tokio::runtime::Runtime;

use super::access::Access;
use super::condition::Connections;
use super::credential::Credentials;
use super::failure::{self, Place};

/// The longest time that one request may take: a part of 8 MiB over a slow line.
const REQUEST: Duration = Duration::from_secs(120);

/// A bucket. Clones share connections.
#[derive(Clone)]
pub struct Store(pub(super) Arc<Inner>);

pub(super) struct Inner {
    bucket: String,
    endpoint: Option<String>,
    region: String,
    /// Tries again for minutes.
    pub(super) patient: AmazonS3,
    /// The same, but an upload in parts is only completed where there is no object.
    pub(super) create_only: AmazonS3,
    /// Gives up soon: for the first question of a run, whose answer mostly is that something is misspelt.
    brief: AmazonS3,
}

/// An object in a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// Its key.
    pub key: String,
    /// Its size in bytes.
    pub size: u64,
    /// A text that is another one when its bytes are others; empty where the store says none.
    pub version: String,
}

/// What is known of an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Presence {
    /// It is there, with so many bytes.
    There(u64),
    /// It is not there.
    Missing,
    /// Nothing may be known about it.
    Hidden,
}

impl Store {
    /// Finds out how to reach a bucket: address, region and credentials. The bucket is not asked yet.
    ///
    /// # Errors
    /// [`ErrorKind::Options`] when there is no region; [`ErrorKind::Io`] when there are no credentials.
    pub fn open(bucket: &str, access: &Access) -> Result<Self> {
        let (bucket, access) = (bucket.to_owned(), access.clone());
        wait(async move { Self::connect(bucket, access).await })?
    }

    async fn connect(bucket: String, access: Access) -> Result<Self> {
        let config = aws_config::load_defaults(aws_config::BehaviorVersion::latest()).await;
        let set = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
        let endpoint = access
            .endpoint_url
            .or_else(|| set("AWS_ENDPOINT_URL_S3"))
            .or_else(|| config.endpoint_url().map(ToOwned::to_owned))
            .map(|url| url.trim_end_matches('/').to_owned());
        if let Some(url) = &endpoint
            && !["http://", "https://"].iter().any(|scheme| url.starts_with(scheme))
        {
            return Err(Error::new(ErrorKind::Options, "the address of the store is no URL")
                .with_file(url)
                .with_hint("write http://HOST:PORT or https://HOST"));
        }
        let region = access.region.or_else(|| config.region().map(ToString::to_string));
        let region = match (region, &endpoint) {
            (Some(region), _) => region,
            // Who speaks like S3 mostly does not care.
            (None, Some(_)) => "us-east-1".to_owned(),
            (None, None) => {
                return Err(Error::new(ErrorKind::Options, "the region of the bucket is not known")
                    .with_file(format!("s3://{bucket}"))
                    .with_hint("pass --region, or set AWS_REGION or the profile's region"));
            }
        };
        let place = Place { bucket: &bucket, key: "", endpoint: endpoint.as_deref(), region: &region };
        let client = ClientOptions::new()
            .with_timeout(REQUEST)
            .with_allow_http(endpoint.as_ref().is_some_and(|url| url.starts_with("http://")));
        let mut builder = AmazonS3Builder::new()
            .with_bucket_name(&bucket)
            .with_region(&region)
            .with_client_options(client.clone())
            .with_conditional_put(S3ConditionalPut::ETagMatch);
        if let Some(url) = &endpoint {
            builder = builder.with_endpoint(url);
        }
        let anonymous = set("AWS_SKIP_SIGNATURE").is_some_and(|value| value.eq_ignore_ascii_case("true"));
        builder = match config.credentials_provider() {
            Some(provider) if !anonymous => {
                let credentials = Arc::new(Credentials::new(provider));
                credentials.get_credential().await.map_err(|error| failure::explain(place, error))?;
                builder.with_credentials(credentials)
            }
            _ => builder.with_skip_signature(true),
        };
        let fail = |error| failure::explain(place, error);
        let connections = Connections::open(&client).map_err(fail)?;
        let build = |connections: Connections, tries: usize| {
            let retry = RetryConfig { max_retries: tries, ..RetryConfig::default() };
            builder.clone().with_retry(retry).with_http_connector(connections).build().map_err(fail)
        };
        let patient = build(connections.clone(), 10)?;
        let create_only = build(connections.create_only(), 10)?;
        let brief = build(connections, 2)?;
        Ok(Self(Arc::new(Inner { bucket, endpoint, region, patient, create_only, brief })))
    }

    /// What an object is called, for people.
    #[must_use]
    pub fn name(&self, key: &str) -> String {
        format!("s3://{}/{key}", self.0.bucket)
    }

    /// Whether there is an object. Of the errors this is the place to find them: nothing has been done yet.
    ///
    /// # Errors
    /// When the store does not answer, there is no such bucket, or the credentials are not valid.
    pub fn presence(&self, key: &str) -> Result<Presence> {
        let (inner, path) = (Arc::clone(&self.0), self.path(key)?);
        let range = GetOptions { range: Some(GetRange::Bounded(0..1)), ..GetOptions::default() };
        match wait(async move { inner.brief.get_opts(&path, range).await })? {
            Ok(found) => Ok(Presence::There(found.meta.size)),
            Err(error) if failure::is_empty(&error) => Ok(Presence::There(0)),
            Err(error) if failure::is_missing(&error) => Ok(Presence::Missing),
            Err(error) if failure::is_denied(&error) => Ok(Presence::Hidden),
            Err(error) => Err(self.0.explain(key, error)),
        }
    }

    /// Visits the objects whose keys begin with a text, in no certain order; without those that have a slash after it,
    /// if only a `level` is wanted. The visitor says whether to go on.
    ///
    /// # Errors
    /// When the store refuses.
    pub fn list(&self, prefix: &str, level: bool, mut visit: impl FnMut(Listed) -> bool) -> Result<()> {
        let mut page_token = None;
        loop {
            let options = PaginatedListOptions {
                delimiter: level.then(|| "/".into()),
                page_token: page_token.take(),
                ..PaginatedListOptions::default()
            };
            let (inner, prefix) = (Arc::clone(&self.0), prefix.to_owned());
            let page = wait(async move {
                let whole = Some(prefix.as_str()).filter(|prefix| !prefix.is_empty());
                inner
                    .brief
                    .list_paginated(whole, options)
                    .await
                    .map_err(|error| inner.explain(&prefix, error))
            })??;
            for object in page.result.objects {
                let version = object.e_tag.unwrap_or_default();
                if !visit(Listed { key: object.location.to_string(), size: object.size, version }) {
                    return Ok(());
                }
            }
            page_token = page.page_token;
            if page_token.is_none() {
                return Ok(());
            }
        }
    }

    /// Reads a small object; `None` where there is none.
    ///
    /// # Errors
    /// When the store refuses.
    pub fn get(&self, key: &str) -> Result<Option<Vec<u8>>> {
        let (inner, path) = (Arc::clone(&self.0), self.path(key)?);
        let read = async move { inner.patient.get(&path).await?.bytes().await };
        match wait(read)? {
            Ok(bytes) => Ok(Some(bytes.to_vec())),
            Err(error) if failure::is_missing(&error) => Ok(None),
            Err(error) => Err(self.0.explain(key, error)),
        }
    }

    /// Reads a part of an object.
    ///
    /// # Errors
    /// When the store refuses, or the object has no such part.
    pub fn range(&self, key: &str, range: std::ops::Range<u64>) -> Result<Vec<u8>> {
        let (inner, path) = (Arc::clone(&self.0), self.path(key)?);
        match wait(async move { inner.patient.get_range(&path, range).await })? {
            Ok(bytes) => Ok(bytes.to_vec()),
            Err(error) => Err(self.0.explain(key, error)),
        }
    }

    /// Removes an object, whether it is there or not.
    ///
    /// # Errors
    /// When the store refuses.
    pub fn delete(&self, key: &str) -> Result<()> {
        let (inner, path) = (Arc::clone(&self.0), self.path(key)?);
        match wait(async move { inner.patient.delete(&path).await })? {
            Err(error) if !failure::is_missing(&error) => Err(self.0.explain(key, error)),
            _ => Ok(()),
        }
    }

    pub(super) fn path(&self, key: &str) -> Result<Path> {
        Path::parse(key).map_err(|error| {
            Error::new(ErrorKind::Options, "is no key that can be read here")
                .with_file(self.name(key))
                .with_hint("name the object without empty parts, '.' and '..'")
                .with_source(error)
        })
    }
}

impl Inner {
    pub(super) fn explain(&self, key: &str, error: object_store::Error) -> Error {
        let Self { bucket, endpoint, region, .. } = self;
        failure::explain(Place { bucket, key, endpoint: endpoint.as_deref(), region }, error)
    }
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Store")
            .field("bucket", &self.0.bucket)
            .field("endpoint", &self.0.endpoint)
            .field("region", &self.0.region)
            .finish_non_exhaustive()
    }
}

/// Begins something on the threads that speak to stores; its outcome comes through the channel.
pub(super) fn begin<T: Send + 'static>(
    work: impl Future<Output = T> + Send + 'static,
) -> Result<Receiver<T>> {
    static RUNTIME: OnceLock<std::io::Result<Runtime>> = OnceLock::new();
    let runtime = RUNTIME.get_or_init(|| {
        tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .thread_name("nasalogs-objects")
            .enable_all()
            .build()
    });
    let runtime = runtime
        .as_ref()
        .map_err(|error| Error::new(ErrorKind::Io, format!("no thread can be started: {error}")))?;
    let (sender, receiver) = mpsc::channel();
    runtime.spawn(async move {
        // Whoever wanted to know may be gone.
        let _ = sender.send(work.await);
    });
    Ok(receiver)
}

/// Does something there, and waits for it: on any thread, even one of another runtime.
pub(super) fn wait<T: Send + 'static>(work: impl Future<Output = T> + Send + 'static) -> Result<T> {
    outcome(&begin(work)?)
}

/// Waits for what was begun.
pub(super) fn outcome<T>(receiver: &Receiver<T>) -> Result<T> {
    receiver.recv().map_err(|_| Error::new(ErrorKind::Io, "a request to the store broke off"))
}
