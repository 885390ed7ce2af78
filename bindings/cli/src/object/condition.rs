//! A condition that the store client does not know for objects in parts: be created, and replace nothing.

use std::sync::Arc;

use async_trait::async_trait;
use object_store::ClientOptions;
use object_store::client::{
    HttpClient, HttpConnector, HttpError, HttpRequest, HttpResponse, HttpService, ReqwestConnector,
};

/// Connections that several stores share.
#[derive(Debug, Clone)]
pub(super) struct Connections(HttpClient);

impl Connections {
    pub(super) fn open(options: &ClientOptions) -> object_store::Result<Self> {
        ReqwestConnector::default().connect(options).map(Self)
    }

    /// The same connections, over which an object in parts is only completed where there is none.
    pub(super) fn create_only(&self) -> Self {
        Self(HttpClient::new(CreateOnly(Arc::new(self.0.clone()))))
    }
}

impl HttpConnector for Connections {
    fn connect(&self, _: &ClientOptions) -> object_store::Result<HttpClient> {
        Ok(self.0.clone())
    }
}

/// Adds the condition to the request that makes an upload in parts visible, `POST ?uploadId=…`. Only the host and
/// headers that begin with `x-amz-` have to be signed, so that it can be added to a signed request.
#[derive(Debug)]
struct CreateOnly(Arc<HttpClient>);

#[async_trait]
impl HttpService for CreateOnly {
    async fn call(&self, mut request: HttpRequest) -> Result<HttpResponse, HttpError> {
        let completes = request.method().as_str() == "POST"
            && request.uri().query().is_some_and(|query| query.starts_with("uploadId="));
        if completes {
            request.headers_mut().insert("if-none-match", object_store::HeaderValue::from_static("*"));
        }
        self.0.execute(request).await
    }
}
