//! Credentials as every tool of AWS finds them, for a store client that knows only some of the ways.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use aws_sdk_kinesis::config::{ProvideCredentials, SharedCredentialsProvider};
use object_store::CredentialProvider;
use object_store::aws::AwsCredential;

/// How long before their end credentials are replaced.
const EARLY: Duration = Duration::from_secs(300);

/// The environment, a profile, a container's or an instance's role: asked once, and again before they expire.
#[derive(Debug)]
pub(super) struct Credentials {
    provider: SharedCredentialsProvider,
    known: Mutex<Option<(Arc<AwsCredential>, Option<SystemTime>)>>,
}

impl Credentials {
    pub(super) fn new(provider: SharedCredentialsProvider) -> Self {
        Self { provider, known: Mutex::new(None) }
    }

    /// What is known, if it is good for some time.
    fn fresh(&self, early: Duration) -> Option<Arc<AwsCredential>> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let (credential, until) = known.as_ref()?;
        until.is_none_or(|until| until > SystemTime::now() + early).then(|| Arc::clone(credential))
    }
}

#[async_trait]
impl CredentialProvider for Credentials {
    type Credential = AwsCredential;

    async fn get_credential(&self) -> object_store::Result<Arc<AwsCredential>> {
        if let Some(credential) = self.fresh(EARLY) {
            return Ok(credential);
        }
        let found = match self.provider.provide_credentials().await {
            Ok(found) => found,
            Err(error) => {
                // The last minutes of what is known are better than nothing.
                return self.fresh(Duration::ZERO).ok_or_else(|| object_store::Error::Generic {
                    store: "credentials",
                    source: Box::new(NoCredentials(error.into())),
                });
            }
        };
        let credential = Arc::new(AwsCredential {
            key_id: found.access_key_id().to_owned(),
            secret_key: found.secret_access_key().to_owned(),
            token: found.session_token().map(ToOwned::to_owned),
        });
        *self.known.lock().unwrap_or_else(PoisonError::into_inner) =
            Some((Arc::clone(&credential), found.expiry()));
        Ok(credential)
    }
}

/// No credentials were found, or could be had.
#[derive(Debug)]
pub(super) struct NoCredentials(Box<dyn std::error::Error + Send + Sync>);

impl std::fmt::Display for NoCredentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "no credentials: {}", self.0)
    }
}

impl std::error::Error for NoCredentials {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&*self.0)
    }
}
