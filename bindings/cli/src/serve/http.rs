//! The paths, and what each answers.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use futures_util::stream;
use nasalogs::report::live_html;

use super::guard::{Guard, Refusal};
use super::hub::Hub;

const JSON: &str = "application/json";
/// How long the cube may take: it is made by the thread that counts.
const PATIENCE: Duration = Duration::from_secs(30);

#[derive(Clone)]
struct Site {
    hub: Arc<Hub>,
    guard: Arc<Guard>,
    page: Bytes,
}

/// All paths.
pub(super) fn router(hub: Arc<Hub>, guard: Guard) -> Router {
    let site = Site { hub, guard: Arc::new(guard), page: Bytes::from(live_html()) };
    Router::new()
        .route("/", get(page))
        .route("/report.json", get(report))
        .route("/cube", get(cube))
        .route("/events", get(events))
        .route("/metrics", get(metrics))
        .route("/healthz", get(|| async { plain("ok\n") }))
        .fallback(|| async { refused(StatusCode::NOT_FOUND, "there is nothing here\n") })
        .layer(middleware::from_fn_with_state(site.clone(), admit))
        .with_state(site)
}

/// Lets in who may read, and says to browsers what the answers are for.
async fn admit(State(site): State<Site>, request: Request, next: Next) -> Response {
    let mut response = match site.guard.check(request.uri(), request.headers()) {
        Ok(()) => next.run(request).await,
        Err(Refusal::Token) => {
            let mut response =
                refused(StatusCode::UNAUTHORIZED, "this needs the token: add ?token=… to the address\n");
            response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
            response
        }
        Err(Refusal::Host) => {
            refused(StatusCode::FORBIDDEN, "this is answered only under localhost or a loopback address\n")
        }
    };
    let headers = response.headers_mut();
    for (name, value) in [
        (header::CACHE_CONTROL, "no-store"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::X_FRAME_OPTIONS, "DENY"),
        (
            header::CONTENT_SECURITY_POLICY,
            "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data:; connect-src 'self'; \
             base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
        ),
        (header::HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    response
}

async fn page(State(site): State<Site>) -> Response {
    typed("text/html; charset=utf-8", site.page)
}

async fn report(State(site): State<Site>) -> Response {
    typed(JSON, site.hub.published().report.clone())
}

async fn cube(State(site): State<Site>) -> Response {
    match tokio::time::timeout(PATIENCE, site.hub.ask()).await {
        Ok(Ok(cube)) => typed(JSON, cube),
        _ => refused(StatusCode::SERVICE_UNAVAILABLE, "there is no answer at present\n"),
    }
}

async fn events(State(site): State<Site>) -> Response {
    let Some(reader) = site.hub.enter() else {
        let mut response = refused(StatusCode::SERVICE_UNAVAILABLE, "there are too many readers\n");
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("10"));
        return response;
    };
    let greeting = reader.greeting();
    let events = stream::unfold((Some(greeting), reader), |(greeting, mut reader)| async move {
        let event = match greeting {
            Some(greeting) => greeting,
            None => reader.next().await?,
        };
        Some((Ok::<_, std::convert::Infallible>(event), (None, reader)))
    });
    typed("text/event-stream", Body::from_stream(events))
}

async fn metrics(State(site): State<Site>) -> Response {
    let text = site.hub.published().metrics.clone() + &super::metrics::readers(site.hub.readers());
    typed("text/plain; version=0.0.4; charset=utf-8", text)
}

fn typed(kind: &'static str, body: impl Into<Body>) -> Response {
    ([(header::CONTENT_TYPE, kind)], body.into()).into_response()
}

fn plain(text: &'static str) -> Response {
    typed("text/plain; charset=utf-8", text)
}

fn refused(status: StatusCode, text: &'static str) -> Response {
    let mut response = plain(text);
    *response.status_mut() = status;
    response
}
