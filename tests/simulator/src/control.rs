//! `/_…`: what was stored, what was counted, and what is to go wrong.

use std::fmt::Write;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::body::Body;
use axum::extract::{ConnectInfo, Query, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures_util::stream;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::core::Stats;
use crate::gate::{Wire, lock};
use crate::server::Endpoint;
use crate::setting::Settings;
use crate::shard::{Data, Record, Shard};

type Refusal = (StatusCode, Json<Value>);

fn refusal(status: StatusCode, message: impl Into<String>) -> Refusal {
    (status, Json(json!({"error": message.into()})))
}

pub(crate) async fn health() -> Json<Value> {
    Json(json!({"status": "ok"}))
}

pub(crate) async fn stats(State(endpoint): State<Arc<Endpoint>>) -> Json<Value> {
    Json(lock(&endpoint.core).report())
}

pub(crate) async fn settings(State(endpoint): State<Arc<Endpoint>>) -> Json<Settings> {
    Json(lock(&endpoint.core).settings.clone())
}

pub(crate) async fn patch(
    State(endpoint): State<Arc<Endpoint>>,
    body: Bytes,
) -> Result<Json<Settings>, Refusal> {
    let patch = serde_json::from_slice(&body)
        .map_err(|error| refusal(StatusCode::BAD_REQUEST, format!("the patch is no JSON: {error}")))?;
    endpoint.patch(patch).map(Json).map_err(|message| refusal(StatusCode::BAD_REQUEST, message))
}

#[derive(Deserialize)]
pub(crate) struct Down {
    ms: u64,
}

pub(crate) async fn down(
    State(endpoint): State<Arc<Endpoint>>,
    ConnectInfo(wire): ConnectInfo<Wire>,
    Query(down): Query<Down>,
) -> Json<Value> {
    wire.spare();
    endpoint.outage.begin(Duration::from_millis(down.ms));
    Json(json!({"down_ms": down.ms}))
}

pub(crate) async fn up(State(endpoint): State<Arc<Endpoint>>) -> Json<Value> {
    endpoint.outage.begin(Duration::ZERO);
    Json(json!({"down_ms": 0}))
}

#[derive(Deserialize)]
pub(crate) struct Reshard {
    stream: String,
    #[serde(default)]
    shards: Option<usize>,
}

pub(crate) async fn reshard(
    State(endpoint): State<Arc<Endpoint>>,
    Query(reshard): Query<Reshard>,
) -> Result<Json<Value>, Refusal> {
    let mut core = lock(&endpoint.core);
    let now = endpoint.clock.now();
    let (seed, most) = (core.settings.faults.seed, core.settings.faults.reshard_most);
    let stream = core.streams.get_mut(&reshard.stream).ok_or_else(|| no_stream(&reshard.stream))?;
    // As many as there were shards before: every change is another one, and all can be repeated.
    let mut random = fastrand::Rng::with_seed(seed ^ stream.shards.len() as u64);
    let changed = match reshard.shards {
        Some(shards) => stream.scale(shards.clamp(1, 100_000), now),
        None => stream.reshard(&mut random, most, now),
    };
    changed.map_err(|failure| refusal(StatusCode::BAD_REQUEST, failure.message))?;
    Ok(Json(json!({"open_shards": stream.open.len()})))
}

/// Forget all records and counters; streams get as many fresh shards as are open.
pub(crate) async fn reset(State(endpoint): State<Arc<Endpoint>>) -> Json<Value> {
    let mut core = lock(&endpoint.core);
    let now = endpoint.clock.now();
    // Requests in flight will land.
    core.stats = Stats { in_flight: core.stats.in_flight, ..Stats::default() };
    for stream in core.streams.values_mut() {
        stream.forget(now);
    }
    Json(json!({"status": "ok"}))
}

fn no_stream(name: &str) -> Refusal {
    refusal(StatusCode::NOT_FOUND, format!("there is no stream {name:?}"))
}

#[derive(Deserialize)]
pub(crate) struct Which {
    stream: String,
}

/// All records as NDJSON, shard by shard and in the order of their sequence numbers. The lock is held for a piece at a
/// time, so that records may arrive meanwhile.
pub(crate) async fn records(
    State(endpoint): State<Arc<Endpoint>>,
    Query(which): Query<Which>,
) -> Result<Response, Refusal> {
    if !lock(&endpoint.core).streams.contains_key(&which.stream) {
        return Err(no_stream(&which.stream));
    }
    let mut place = (0, 0);
    let pieces = std::iter::from_fn(move || {
        let piece = endpoint.piece(&which.stream, &mut place);
        (!piece.is_empty()).then(|| Ok::<_, io::Error>(Bytes::from(piece)))
    });
    let mut response = Body::from_stream(stream::iter(pieces)).into_response();
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/x-ndjson"));
    Ok(response)
}

impl Endpoint {
    /// Change settings from now on.
    pub(crate) fn patch(&self, patch: Value) -> Result<Settings, String> {
        let mut core = lock(&self.core);
        core.settings = core.settings.patched(patch)?;
        Ok(core.settings.clone())
    }

    /// The next lines from this place (shard, record), or nothing at the end.
    pub(crate) fn piece(&self, stream: &str, place: &mut (usize, usize)) -> String {
        const ENOUGH: usize = 256 << 10;
        let mut piece = String::new();
        let core = lock(&self.core);
        let Some(stream) = core.streams.get(stream) else { return piece };
        while let Some(shard) = stream.shards.get(place.0) {
            while let Some(record) = shard.records.get(place.1) {
                if piece.len() >= ENOUGH {
                    return piece;
                }
                line(&mut piece, shard, record);
                place.1 += 1;
            }
            *place = (place.0 + 1, 0);
        }
        piece
    }
}

fn line(piece: &mut String, shard: &Shard, record: &Record) {
    // Only the key needs escapes. A String takes all that is written.
    let key = serde_json::Value::from(String::from_utf8_lossy(&record.key));
    let sequence = shard.sequence(record.counter, record.arrival_ms);
    let Record { arrival_ms, size, acknowledged, .. } = record;
    let _ = write!(
        piece,
        r#"{{"shard":"{}","sequence":"{sequence}","partition_key":{key},"size":{size},"arrival_ms":{arrival_ms},"acknowledged":{acknowledged},"#,
        shard.id
    );
    let _ = match &record.data {
        Data::Base64(data) => writeln!(piece, r#""data":"{}"}}"#, String::from_utf8_lossy(data)),
        Data::Md5(md5) => writeln!(piece, r#""md5":"{:032x}"}}"#, u128::from_be_bytes(*md5)),
    };
}
