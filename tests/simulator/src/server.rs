//! The endpoint: a request comes in, is carried out or not, and is answered or not.

use std::io;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{ConnectInfo, DefaultBodyLimit, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::Response;
use axum::routing::{get, post};
use bytes::Bytes;
use futures_util::{StreamExt, stream};
use tokio::time::sleep;

use crate::control;
use crate::core::{Clock, Core};
use crate::credential;
use crate::error::Failure;
use crate::fault::{Fault, Plan};
use crate::gate::{Outage, Wire, lock};
use crate::operation::{Operation, Reply, Request, carry_out};
use crate::stream::Keep;

/// More than any request that AWS would take, in Base64.
const MOST_BODY: usize = 64 << 20;

/// What all handlers share.
#[derive(Debug)]
pub(crate) struct Endpoint {
    pub core: Mutex<Core>,
    pub clock: Clock,
    pub outage: Outage,
    pub keep: Keep,
}

/// The routes of the protocol and of `/_…`.
pub(crate) fn router(endpoint: Arc<Endpoint>) -> Router {
    Router::new()
        .route("/", post(kinesis))
        .route("/_health", get(control::health))
        .route("/_stats", get(control::stats))
        .route("/_records", get(control::records))
        .route("/_control", get(control::settings).post(control::patch))
        .route("/_control/down", post(control::down))
        .route("/_control/up", post(control::up))
        .route("/_control/reshard", post(control::reshard))
        .route("/_control/reset", post(control::reset))
        .layer(DefaultBodyLimit::max(MOST_BODY))
        .with_state(endpoint)
}

/// Counts a request as in flight, and its shards, for as long as it lives: also when the client goes away.
struct Flight {
    endpoint: Arc<Endpoint>,
    stream: String,
    touched: Vec<usize>,
}

impl Drop for Flight {
    fn drop(&mut self) {
        let mut core = lock(&self.endpoint.core);
        core.stats.in_flight -= 1;
        core.land(&self.stream, &self.touched);
    }
}

async fn kinesis(
    State(endpoint): State<Arc<Endpoint>>,
    ConnectInfo(wire): ConnectInfo<Wire>,
    headers: HeaderMap,
    body: Body,
) -> Response {
    let target = headers.get("x-amz-target").and_then(|target| target.to_str().ok()).unwrap_or_default();
    let Some(operation) = Operation::of_target(target) else {
        return refuse(
            &endpoint,
            &Failure::new("UnknownOperationException", format!("No operation {target:?} here.")),
        );
    };
    let (mut plan, access) = begin(&endpoint, operation, &headers);
    let mut flight = Flight { endpoint: Arc::clone(&endpoint), stream: String::new(), touched: Vec::new() };
    if let Some(time) = plan.down {
        endpoint.outage.begin(time);
    }
    if plan.down.is_some() || plan.request == Some(Fault::DropUnread) {
        return silence(&wire);
    }
    let body = match collect(body, &headers).await {
        Ok(body) => body,
        Err(failure) => return refuse(&endpoint, &failure),
    };
    let carried_out = access.and_then(|region| match before(&plan, operation) {
        Some(failure) => Err(failure),
        None if plan.request == Some(Fault::DropRequest) => Ok(Reply::default()),
        None => {
            let mut core = lock(&endpoint.core);
            let now = endpoint.clock.now();
            let keep = endpoint.keep;
            carry_out(
                &mut core,
                operation,
                Request { now, body: &body, region: &region, keep, plan: &mut plan },
            )
        }
    });
    drop(body);
    let answer = carried_out.and_then(|reply| {
        flight.stream = reply.stream;
        flight.touched = reply.touched;
        if plan.request == Some(Fault::FailRequestStored) { Err(Failure::internal()) } else { Ok(reply.body) }
    });
    if !plan.delay.is_zero() {
        sleep(plan.delay).await;
    }
    drop(flight);
    match (answer, plan.request) {
        (_, Some(Fault::DropRequest | Fault::LoseAck)) => silence(&wire),
        (Ok(body), Some(Fault::CutAnswer)) => half(wire, body),
        (Ok(body), _) => answered(StatusCode::OK, Body::from(body)),
        (Err(failure), _) => refuse(&endpoint, &failure),
    }
}

/// Count the request, look at who sends it, and draw what will happen to it.
fn begin(endpoint: &Endpoint, operation: Operation, headers: &HeaderMap) -> (Plan, Result<String, Failure>) {
    let mut core = lock(&endpoint.core);
    let Core { settings, stats, .. } = &mut *core;
    *stats.requests.entry(operation.name()).or_default() += 1;
    stats.in_flight += 1;
    stats.most_in_flight = stats.most_in_flight.max(stats.in_flight);
    let access = credential::check(headers, &settings.account);
    if !settings.faults.concern(operation.name()) {
        return (Plan::none(), access);
    }
    let plan = Plan::of(&settings.faults, stats.numbered);
    stats.numbered += 1;
    let besides = [
        plan.stall.then_some(Fault::Stall),
        (plan.reshard && operation.puts()).then_some(Fault::Reshard),
        plan.down.map(|_| Fault::Down),
    ];
    for fault in plan.request.into_iter().chain(besides.into_iter().flatten()) {
        stats.fault(fault);
    }
    (plan, access)
}

/// A fault that keeps the request from being carried out.
fn before(plan: &Plan, operation: Operation) -> Option<Failure> {
    match plan.request? {
        Fault::ThrottleRequest if operation.puts() => {
            let message = "Rate exceeded for the stream.";
            Some(Failure::new(crate::error::THROTTLED, message))
        }
        Fault::ThrottleRequest => {
            Some(Failure::new("LimitExceededException", "Rate exceeded for the account."))
        }
        Fault::FailRequest => Some(Failure::internal()),
        Fault::Unavailable => Some(Failure::unavailable()),
        _ => None,
    }
}

/// The body in one piece, in one copy.
async fn collect(body: Body, headers: &HeaderMap) -> Result<Bytes, Failure> {
    let length =
        headers.get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse::<usize>().ok());
    let too_large = || Failure { status: 413, kind: "RequestEntityTooLarge", message: String::new() };
    if length.is_some_and(|length| length > MOST_BODY) {
        return Err(too_large());
    }
    let mut whole = Vec::with_capacity(length.unwrap_or(0));
    let mut frames = body.into_data_stream();
    while let Some(frame) = frames.next().await {
        let frame = frame.map_err(|error| Failure::new("SerializationException", error.to_string()))?;
        if whole.len() + frame.len() > MOST_BODY {
            return Err(too_large());
        }
        whole.extend_from_slice(&frame);
    }
    Ok(Bytes::from(whole))
}

/// No answer at all. What is returned is written to a connection that is no more.
fn silence(wire: &Wire) -> Response {
    wire.cut();
    Response::new(Body::empty())
}

/// The first half of an answer, and the end of the connection.
fn half(wire: Wire, body: Vec<u8>) -> Response {
    let length = body.len();
    let first = Bytes::from(body).slice(..length / 2);
    let cut = async move {
        // The first half is written as soon as there is nothing more to wait for.
        sleep(Duration::from_millis(2)).await;
        wire.cut();
        Err(io::Error::from(io::ErrorKind::ConnectionAborted))
    };
    let body = stream::once(async { Ok(first) }).chain(stream::once(cut));
    let mut response = answered(StatusCode::OK, Body::from_stream(body));
    response.headers_mut().insert(header::CONTENT_LENGTH, HeaderValue::from(length));
    response
}

fn refuse(endpoint: &Endpoint, failure: &Failure) -> Response {
    *lock(&endpoint.core).stats.errors.entry(failure.kind).or_default() += 1;
    let status = StatusCode::from_u16(failure.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    answered(status, Body::from(failure.body()))
}

fn answered(status: StatusCode, body: Body) -> Response {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/x-amz-json-1.1"));
    headers.insert("x-amzn-requestid", HeaderValue::from_static("00000000-0000-0000-0000-000000000000"));
    response
}
