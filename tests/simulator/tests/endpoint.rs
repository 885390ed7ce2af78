//! The simulator over HTTP, as a client sees it.

use std::collections::BTreeSet;
use std::time::Duration;

use nasalogs_simulator::{Config, Keep, Simulator};
use serde_json::{Value, json};

/// A simulator with a stream `s`, and a client.
struct Session {
    simulator: Simulator,
    agent: ureq::Agent,
}

impl Session {
    fn new(shards: usize, settings: Value) -> Self {
        Self::keeping(Keep::All, shards, settings)
    }

    fn keeping(keep: Keep, shards: usize, settings: Value) -> Self {
        let mut config = Config { keep, streams: vec![("s".to_owned(), shards)], ..Config::default() };
        config.settings = config.settings.patched(settings).expect("the settings of a test");
        let simulator = Simulator::start(config).expect("a free port");
        let agent =
            ureq::Agent::config_builder().http_status_as_error(false).max_idle_connections(0).build().into();
        Self { simulator, agent }
    }

    /// Status and answer, or what went wrong with the connection.
    fn call(&self, operation: &str, input: Value) -> Result<(u16, Value), ureq::Error> {
        let mut answer = self
            .agent
            .post(self.simulator.url())
            .header("X-Amz-Target", format!("Kinesis_20131202.{operation}"))
            .header("Content-Type", "application/x-amz-json-1.1")
            .send(input.to_string())?;
        let text = answer.body_mut().read_to_string()?;
        let value = if text.is_empty() { Value::Null } else { serde_json::from_str(&text).expect("JSON") };
        Ok((answer.status().as_u16(), value))
    }

    fn ok(&self, operation: &str, input: Value) -> Value {
        let (status, answer) = self.call(operation, input).expect("an answer");
        assert_eq!(status, 200, "{answer}");
        answer
    }

    fn refused(&self, operation: &str, input: Value) -> (u16, String, String) {
        let (status, answer) = self.call(operation, input).expect("an answer");
        let text = |name: &str| answer[name].as_str().unwrap_or_default().to_owned();
        (status, text("__type"), text("message"))
    }

    fn stored(&self) -> Vec<Value> {
        let all = self.simulator.records("s");
        all.lines().map(|line| serde_json::from_str(line).expect("a line of JSON")).collect()
    }
}

/// Records with keys `from`, `from + 1`…, whose data is one byte.
fn records(from: usize, count: usize) -> Value {
    let records: Vec<Value> =
        (from..from + count).map(|n| json!({"PartitionKey": n.to_string(), "Data": "eA=="})).collect();
    json!({"StreamName": "s", "Records": records})
}

fn codes(answer: &Value) -> Vec<&str> {
    let results = answer["Records"].as_array().expect("results");
    results.iter().map(|result| result["ErrorCode"].as_str().unwrap_or("")).collect()
}

#[test]
fn what_is_put_can_be_read() {
    let session = Session::new(2, json!({}));
    let answer = session.ok("PutRecords", records(0, 100));
    assert_eq!(answer["FailedRecordCount"], 0);
    let told: BTreeSet<&str> = answer["Records"]
        .as_array()
        .expect("results")
        .iter()
        .map(|result| result["SequenceNumber"].as_str().expect("a sequence number"))
        .collect();
    assert!(told.iter().all(|sequence| sequence.len() == 56));
    let mut read = BTreeSet::new();
    for shard in ["shardId-000000000000", "shardId-000000000001"] {
        let place = json!({"StreamName": "s", "ShardId": shard, "ShardIteratorType": "TRIM_HORIZON"});
        let mut iterator = session.ok("GetShardIterator", place)["ShardIterator"].clone();
        loop {
            let got = session.ok("GetRecords", json!({"ShardIterator": iterator, "Limit": 30}));
            let got_records = got["Records"].as_array().expect("records");
            if got_records.is_empty() {
                break;
            }
            for record in got_records {
                assert_eq!(record["Data"], "eA==");
                assert!(
                    read.insert(record["SequenceNumber"].as_str().expect("a sequence number").to_owned())
                );
            }
            iterator = got["NextShardIterator"].clone();
        }
    }
    assert_eq!(read, told.iter().map(|&sequence| sequence.to_owned()).collect());
    assert!(session.stored().iter().all(|record| record["acknowledged"] == true));
}

#[test]
fn one_record_in_order_of_another() {
    let session = Session::new(1, json!({}));
    let mut last: Option<String> = None;
    for _ in 0..5 {
        let input =
            json!({"StreamName": "s", "PartitionKey": "k", "Data": "", "SequenceNumberForOrdering": last});
        let answer = session.ok("PutRecord", input);
        let sequence = answer["SequenceNumber"].as_str().expect("a sequence number").to_owned();
        assert!(last.is_none_or(|last| last < sequence));
        last = Some(sequence);
    }
    let input =
        json!({"StreamName": "s", "PartitionKey": "k", "Data": "", "SequenceNumberForOrdering": "12"});
    assert_eq!(session.refused("PutRecord", input).1, "InvalidArgumentException");
}

#[test]
fn requests_that_aws_would_refuse() {
    let session = Session::new(1, json!({}));
    let with = |record: Value| json!({"StreamName": "s", "Records": [record]});
    let base64 = |length: usize| "AAAA".repeat(length / 3 + 1);
    let big = base64(1 << 20);
    let cases = [
        (records(0, 501), "ValidationException", "Value at 'records' failed"),
        (json!({"StreamName": "s", "Records": []}), "ValidationException", "greater than or equal to 1"),
        (
            json!({"StreamName": "t", "Records": [{"PartitionKey": "k", "Data": ""}]}),
            "ResourceNotFoundException",
            "Stream t under account 000000000000 not found.",
        ),
        (with(json!({"PartitionKey": "k"})), "ValidationException", "at 'records.1.member.data'"),
        (with(json!({"Data": "eA=="})), "ValidationException", "at 'records.1.member.partitionKey'"),
        (with(json!({"PartitionKey": "", "Data": ""})), "ValidationException", "greater than or equal to 1"),
        (with(json!({"PartitionKey": "ü".repeat(257), "Data": ""})), "ValidationException", "equal to 256"),
        (with(json!({"PartitionKey": "k", "Data": "x"})), "SerializationException", "no Base64"),
        (with(json!({"PartitionKey": "k", "Data": big})), "ValidationException", "equal to 1048576"),
        (
            with(json!({"PartitionKey": "k", "Data": "", "ExplicitHashKey": "-1"})),
            "ValidationException",
            "pattern",
        ),
        (
            with(
                json!({"PartitionKey": "k", "Data": "", "ExplicitHashKey": (u128::MAX.to_string().replace("55", "56"))}),
            ),
            "InvalidArgumentException",
            "[0, 2^128-1]",
        ),
    ]; // rustfmt would make a page of these
    for (input, kind, part) in cases {
        let (status, found, message) = session.refused("PutRecords", input);
        assert_eq!((status, found.as_str()), (400, kind), "{message}");
        assert!(message.contains(part), "{message}");
    }
    // Ten times 700 kB: each fits, together they do not.
    let record = json!({"PartitionKey": "k", "Data": base64(700_000)});
    let (_, kind, message) =
        session.refused("PutRecords", json!({"StreamName": "s", "Records": vec![record; 10]}));
    assert_eq!(
        (kind.as_str(), message.as_str()),
        ("InvalidArgumentException", "Records size exceeds 5 MB limit")
    );
    assert_eq!(session.refused("PutMany", json!({})).1, "UnknownOperationException");
    assert!(session.stored().is_empty());
}

#[test]
fn keys_of_256_characters_and_records_to_the_last_byte_are_taken() {
    let session = Session::new(1, json!({"limits": {"shard_bytes": 0, "record_bytes": 1024}}));
    let key = "ü".repeat(256);
    let put = |key: &str, length: usize| {
        let data = zeros(length);
        session
            .call("PutRecord", json!({"StreamName": "s", "PartitionKey": key, "Data": data}))
            .expect("an answer")
            .0
    };
    assert_eq!(put(&key, 512), 200);
    assert_eq!(put(&key, 513), 400);
    assert_eq!(put("k", 1023), 200);
    assert_eq!(put("k", 1024), 400);
}

/// Base64 of so many zeros.
fn zeros(length: usize) -> String {
    let tail = ["", "AA==", "AAA="][length % 3];
    "AAAA".repeat(length / 3) + tail
}

#[test]
fn a_shard_takes_its_rate_and_no_more() {
    // A bucket that hardly refills while the test runs.
    let session = Session::new(1, json!({"limits": {"shard_records": 1, "burst": 120}}));
    let answer = session.ok("PutRecords", records(0, 500));
    let throttled =
        codes(&answer).iter().filter(|code| **code == "ProvisionedThroughputExceededException").count();
    assert_eq!((throttled, &answer["FailedRecordCount"]), (380, &json!(380)));
    let stats = session.simulator.stats();
    assert_eq!((&stats["records"], &stats["throttled"]), (&json!(120), &json!(380)));
    assert_eq!(stats["streams"]["s"]["shards"][0]["most_records_in_a_second"], 120);
}

#[test]
fn a_record_over_the_rate_is_refused() {
    // Full with one record, and again in a quarter of an hour.
    let session = Session::new(1, json!({"limits": {"shard_bytes": 1, "burst": 1000}}));
    let one = || json!({"StreamName": "s", "PartitionKey": "k", "Data": zeros(999)});
    session.ok("PutRecord", one());
    let (status, kind, message) = session.refused("PutRecord", one());
    assert_eq!((status, kind.as_str()), (400, "ProvisionedThroughputExceededException"));
    assert_eq!(
        message,
        "Rate exceeded for shard shardId-000000000000 in stream s under account 000000000000."
    );
}

#[test]
fn records_fail_stored_or_not() {
    let session =
        Session::new(1, json!({"faults": {"fail_record": 0.3, "fail_record_stored": 0.2, "seed": 5}}));
    let answer = session.ok("PutRecords", records(0, 500));
    let failed = codes(&answer).iter().filter(|code| **code == "InternalFailure").count();
    let stored = session.stored();
    let silent = stored.iter().filter(|record| record["acknowledged"] == false).count();
    assert!(failed > 200 && silent > 50, "{failed} {silent}");
    assert_eq!(stored.len(), 500 - failed + silent);
    let faults = &session.simulator.stats()["faults"];
    assert_eq!(faults["fail_record_stored"], silent);
    assert_eq!(faults["fail_record"], failed - silent);
}

#[test]
fn whole_requests_fail_each_in_its_way() {
    // (fault, what the client sees: a status or none, whether it was stored)
    let cases = [
        ("throttle_request", Some(400), 0),
        ("fail_request", Some(500), 0),
        ("fail_request_stored", Some(500), 3),
        ("unavailable", Some(503), 0),
        ("drop_unread", None, 0),
        ("drop_request", None, 0),
        ("lose_ack", None, 3),
        ("cut_answer", None, 3),
    ];
    for (fault, status, stored) in cases {
        let session = Session::new(1, json!({"faults": {fault: 1, "fault_from": 1, "fault_until": 2}}));
        session.ok("PutRecords", records(0, 1));
        let answer = session.call("PutRecords", records(1, 3));
        assert_eq!(answer.ok().map(|answer| answer.0), status, "{fault}");
        session.ok("PutRecords", records(4, 1));
        let held = session.stored();
        assert_eq!(held.len(), 2 + stored, "{fault}");
        assert_eq!(held.iter().filter(|record| record["acknowledged"] == true).count(), 2, "{fault}");
        assert_eq!(session.simulator.stats()["faults"], json!({fault: 1}));
    }
}

#[test]
fn settings_change_while_it_runs() {
    let session = Session::new(1, json!({}));
    let control = format!("{}/_control", session.simulator.url());
    let patch = |patch: &str| session.agent.post(&control).send(patch).expect("an answer");
    assert_eq!(patch(r#"{"faults": {"fail_request": 1.0}}"#).status(), 200);
    assert_eq!(session.refused("PutRecords", records(0, 1)).0, 500);
    let mut wrong = patch(r#"{"faults": {"fail_requests": 0}}"#);
    assert_eq!(wrong.status(), 400);
    assert!(wrong.body_mut().read_to_string().expect("a body").contains("fail_requests"));
    assert_eq!(patch(r#"{"faults": {"fail_request": 0}}"#).status(), 200);
    session.ok("PutRecords", records(0, 1));
    session.agent.post(format!("{control}/reset")).send_empty().expect("an answer");
    assert_eq!(session.simulator.stats()["records"], 0);
}

#[test]
fn the_endpoint_goes_away_and_comes_back() {
    let session = Session::new(1, json!({"faults": {"down_every": 2, "down_ms": 86_400_000}}));
    let control = |path: &str| {
        let agent: ureq::Agent = ureq::Agent::config_builder().build().into();
        agent.post(format!("{}{path}", session.simulator.url())).send_empty()
    };
    session.ok("PutRecords", records(0, 1));
    assert!(session.call("PutRecords", records(1, 1)).is_err());
    assert!(control("/_control/up").is_err(), "refused to all");
    session.simulator.down(Duration::ZERO);
    // It listens again as soon as its thread gets to it.
    while control("/_control/up").is_err() {
        std::thread::sleep(Duration::from_millis(1));
    }
    session.ok("PutRecords", records(2, 1));
    assert_eq!(session.stored().len(), 2);
}

#[test]
fn an_outage_spares_the_connection_that_it_was_ordered_on() {
    let session = Session::new(1, json!({}));
    let kept: ureq::Agent = ureq::Agent::config_builder().build().into();
    let url = session.simulator.url();
    let order = |path: &str| {
        let mut answer = kept.post(format!("{url}{path}")).send_empty()?;
        answer.body_mut().read_to_string()
    };
    order("/_control/down?ms=86400000").expect("an answer");
    while session.call("ListStreams", json!({})).is_ok() {
        std::thread::sleep(Duration::from_millis(1));
    }
    order("/_control/up").expect("an answer over the same connection");
    while session.call("ListStreams", json!({})).is_err() {
        std::thread::sleep(Duration::from_millis(1));
    }
}

#[test]
fn shards_change_under_the_records() {
    let session = Session::new(2, json!({"faults": {"reshard_every": 3, "reshard_most": 6}}));
    for from in 0..30 {
        let answer = session.ok("PutRecords", records(from * 10, 10));
        assert_eq!(answer["FailedRecordCount"], 0);
    }
    assert_eq!(session.stored().len(), 300);
    let stats = session.simulator.stats();
    assert_eq!(stats["faults"], json!({"reshard": 10}));
    // Whoever reads from the roots to the children gets everything, parents first.
    let shards = session.ok("ListShards", json!({"StreamName": "s"}))["Shards"].clone();
    let shards = shards.as_array().expect("shards");
    assert!(shards.len() > 10);
    let mut found = 0;
    for shard in shards {
        let place =
            json!({"StreamName": "s", "ShardId": shard["ShardId"], "ShardIteratorType": "TRIM_HORIZON"});
        let iterator = session.ok("GetShardIterator", place)["ShardIterator"].clone();
        let got = session.ok("GetRecords", json!({"ShardIterator": iterator}));
        found += got["Records"].as_array().map_or(0, Vec::len);
        let closed = shard["SequenceNumberRange"].get("EndingSequenceNumber").is_some();
        assert_eq!(closed, got.get("NextShardIterator").is_none());
        assert_eq!(closed, got.get("ChildShards").is_some());
    }
    assert_eq!(found, 300);
}

#[test]
fn shards_by_pages_splits_merges_and_scaling() {
    let session = Session::new(2, json!({"account": {"page_shards": 2}}));
    let s = || json!({"StreamName": "s"});
    let split =
        json!({"StreamName": "s", "ShardToSplit": "shardId-000000000000", "NewStartingHashKey": "1000"});
    session.ok("SplitShard", split.clone());
    assert_eq!(session.refused("SplitShard", split).1, "InvalidArgumentException");
    let merge = |one: usize, other: usize| {
        let id = |index: usize| format!("shardId-{index:012}");
        json!({"StreamName": "s", "ShardToMerge": id(one), "AdjacentShardToMerge": id(other)})
    };
    assert_eq!(session.refused("MergeShards", merge(2, 1)).1, "InvalidArgumentException");
    session.ok("MergeShards", merge(3, 1));
    let mut ids = Vec::new();
    let mut page = session.ok("ListShards", s());
    loop {
        let shards = page["Shards"].as_array().expect("shards");
        assert!(shards.len() <= 2);
        ids.extend(shards.iter().map(|shard| shard["ShardId"].to_string()));
        let Some(token) = page.get("NextToken").cloned() else { break };
        page = session.ok("ListShards", json!({"NextToken": token}));
    }
    assert_eq!(ids.len(), 5);
    let latest = json!({"StreamName": "s", "ShardFilter": {"Type": "AT_LATEST"}});
    assert_eq!(session.ok("ListShards", latest)["Shards"].as_array().map(Vec::len), Some(2));
    let scale =
        |count: u32| json!({"StreamName": "s", "TargetShardCount": count, "ScalingType": "UNIFORM_SCALING"});
    assert_eq!(session.ok("UpdateShardCount", scale(4))["CurrentShardCount"], 2);
    assert_eq!(session.refused("UpdateShardCount", scale(9)).1, "LimitExceededException");
    let summary = session.ok("DescribeStreamSummary", s());
    assert_eq!(summary["StreamDescriptionSummary"]["OpenShardCount"], 4);
    let first = session.ok("DescribeStream", json!({"StreamName": "s", "Limit": 3}));
    assert_eq!(first["StreamDescription"]["HasMoreShards"], true);
}

#[test]
fn streams_come_and_go() {
    let session = Session::new(1, json!({"account": {"create_ms": 86_400_000}}));
    session.ok("CreateStream", json!({"StreamName": "t", "ShardCount": 3}));
    assert_eq!(session.refused("CreateStream", json!({"StreamName": "t"})).1, "ResourceInUseException");
    let status = session.ok("DescribeStreamSummary", json!({"StreamName": "t"}));
    assert_eq!(status["StreamDescriptionSummary"]["StreamStatus"], "CREATING");
    let put = json!({"StreamName": "t", "PartitionKey": "k", "Data": ""});
    assert_eq!(session.refused("PutRecord", put).1, "ResourceNotFoundException");
    let page = session.ok("ListStreams", json!({"Limit": 1}));
    assert_eq!((&page["StreamNames"], &page["HasMoreStreams"]), (&json!(["s"]), &json!(true)));
    let page = session.ok("ListStreams", json!({"NextToken": page["NextToken"]}));
    assert_eq!((&page["StreamNames"], &page["HasMoreStreams"]), (&json!(["t"]), &json!(false)));
    session.ok("DeleteStream", json!({"StreamARN": "arn:aws:kinesis:us-east-1:000000000000:stream/t"}));
    assert_eq!(session.refused("DescribeStream", json!({"StreamName": "t"})).1, "ResourceNotFoundException");
}

#[test]
fn credentials_are_refused_as_told() {
    let session = Session::new(1, json!({}));
    for (state, kind) in [
        ("expired", "ExpiredTokenException"),
        ("unknown", "UnrecognizedClientException"),
        ("wrong-signature", "InvalidSignatureException"),
        ("skewed", "InvalidSignatureException"),
        ("denied", "AccessDeniedException"),
        ("required", ""),
    ] {
        let call = |credential: &str| {
            let mut answer = session
                .agent
                .post(session.simulator.url())
                .header("X-Amz-Target", "Kinesis_20131202.ListStreams")
                .header("Authorization", format!("AWS4-HMAC-SHA256 Credential={credential}, SignedHeaders=a"))
                .send("{}")
                .expect("an answer");
            let answer: Value =
                serde_json::from_str(&answer.body_mut().read_to_string().expect("a body")).expect("JSON");
            answer["__type"].as_str().unwrap_or_default().to_owned()
        };
        session.simulator.patch(json!({"account": {"credentials": state}})).expect("a patch");
        assert_eq!(session.refused("ListStreams", json!({})).1, "MissingAuthenticationTokenException");
        assert_eq!(call("AKID/19950701/eu-west-1/kinesis/aws4_request"), kind);
        if kind.is_empty() {
            let only = json!({"account": {"access_key": "AKID", "only_region": "us-east-1"}});
            session.simulator.patch(only).expect("a patch");
            assert_eq!(call("AKID/19950701/us-east-1/kinesis/aws4_request"), "");
            assert_eq!(call("OTHER/19950701/us-east-1/kinesis/aws4_request"), "UnrecognizedClientException");
            assert_eq!(call("AKID/19950701/eu-west-1/kinesis/aws4_request"), "InvalidSignatureException");
        }
    }
}

#[test]
fn hashes_or_counters_instead_of_data() {
    let session = Session::keeping(Keep::Hash, 1, json!({}));
    session.ok("PutRecords", records(0, 2));
    // The MD5 of "x".
    assert!(session.stored().iter().all(|record| record["md5"] == "9dd4e461268c8034f5c8564e155c67a6"));
    let session = Session::keeping(Keep::Count, 1, json!({}));
    session.ok("PutRecords", records(0, 2));
    assert!(session.stored().is_empty());
    assert_eq!(session.simulator.stats()["records"], 2);
}

#[test]
fn requests_in_flight_are_seen() {
    let session = Session::new(1, json!({"faults": {"latency": "5-50"}}));
    std::thread::scope(|scope| {
        for from in 0..4 {
            let session = &session;
            scope.spawn(move || session.ok("PutRecords", records(from, 1)));
        }
    });
    let stats = session.simulator.stats();
    assert_eq!(stats["in_flight"], 0);
    let shard = &stats["streams"]["s"]["shards"][0];
    assert_eq!(shard["in_flight"], 0);
    assert!((1..=4).contains(&shard["most_in_flight"].as_u64().unwrap_or(0)));
}
