//! How a store is reached: what the command line says about it.

/// Where S3 is, if it is not where the environment or the profile says.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct Access {
    /// Speak to this address instead of Amazon's: MinIO, a test server; also AWS_ENDPOINT_URL_S3 or AWS_ENDPOINT_URL
    #[arg(long, value_name = "URL", hide = cfg!(not(feature = "aws")))]
    pub endpoint_url: Option<String>,
    /// The region of the bucket, before AWS_REGION and the profile's
    #[arg(long, value_name = "REGION", hide = cfg!(not(feature = "aws")))]
    pub region: Option<String>,
}
