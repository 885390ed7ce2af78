//! `nasalogs serve`: who may read, what is answered, and how it ends.
#![cfg(unix)]

use std::fs::{File, OpenOptions, rename};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::cli::{Place, binary, lines, stderr};

const PATIENCE: Duration = Duration::from_secs(60);

/// A server that is up.
struct Server {
    child: Child,
    address: String,
}

impl Server {
    fn start(place: &Place, arguments: &[&str], stdin: Stdio) -> Self {
        let mut child = Command::new(binary())
            .arg("serve")
            .args(arguments)
            .args(["--listen", "127.0.0.1:0"])
            .env_remove("NASALOGS_TOKEN")
            .current_dir(place.path())
            .stdin(stdin)
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut said = String::new();
        BufReader::new(child.stderr.as_mut().unwrap()).read_line(&mut said).unwrap();
        let address = said.split_once("http://").and_then(|(_, rest)| rest.split('/').next());
        let address = address.unwrap_or_else(|| panic!("{said}")).to_owned();
        Self { child, address }
    }

    fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(&self.address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream
    }

    /// What is answered to a path with these headers: all of it, as it comes.
    fn get(&self, path: &str, headers: &str) -> String {
        let mut stream = self.connect();
        let head = format!("GET {path} HTTP/1.1\r\nConnection: close\r\n{headers}\r\n");
        stream.write_all(head.as_bytes()).unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).unwrap();
        String::from_utf8(answer).unwrap()
    }

    fn local(&self, path: &str) -> String {
        self.get(path, "Host: localhost\r\n")
    }

    fn report(&self) -> Value {
        let answer = self.local("/report.json");
        serde_json::from_str(answer.split_once("\r\n\r\n").unwrap().1).unwrap()
    }

    /// Waits for a number of requests.
    fn wait_for(&self, requests: u64) {
        let until = Instant::now() + PATIENCE;
        loop {
            let found = self.report()["requests"].as_u64().unwrap();
            if found == requests {
                return;
            }
            assert!(Instant::now() < until && found < requests, "{found} of {requests}");
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Ctrl-C; the code and what was said.
    fn end(mut self) -> (Option<i32>, String) {
        let sent = Command::new("kill").args(["-INT", &self.child.id().to_string()]).status().unwrap();
        assert!(sent.success());
        let mut said = String::new();
        self.child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
        (self.child.wait().unwrap().code(), said)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn status(answer: &str) -> &str {
    answer.split(' ').nth(1).unwrap_or_default()
}

#[test]
fn the_numbers_are_those_of_a_report() {
    let place = Place::new();
    place.write("a.log", [lines(20_000), b"nonsense\n\n".to_vec(), b"host - - [01/J".to_vec()].concat());
    let filters = ["--status", "2xx,404", "--exclude-path", "/images/*", "--tz", "+02:00", "--top", "20"];
    for extra in [&[][..], &filters] {
        let arguments = [&["a.log"], extra].concat();
        let server = Server::start(&place, &arguments, Stdio::null());
        let report = place.run(&[&["report"], &arguments[..], &["--json"]].concat()).assert().success();
        let mut expected: Value = serde_json::from_slice(&report.get_output().stdout).unwrap();
        server.wait_for(expected["requests"].as_u64().unwrap());
        let until = Instant::now() + PATIENCE;
        let mut found = server.report();
        while found["lines"] != expected["lines"] && Instant::now() < until {
            found = server.report();
        }
        found["generated"].take();
        expected["generated"].take();
        assert_eq!(found, expected);
        assert_eq!(server.end(), (Some(0), String::new()));
    }
}

#[test]
fn metrics_and_headers() {
    let place = Place::new();
    let line = "h - - [01/Jul/1995:00:00:01 -0400] \"GET / HTTP/1.0\"";
    place.write("a.log", format!("{line} 200 5\n{line} 503 7\nnonsense\n{line} - 1\n"));
    let server = Server::start(&place, &["a.log", "--format", "common"], Stdio::null());
    server.wait_for(3);
    let metrics = server.local("/metrics");
    for sample in [
        "nasalogs_requests_total{class=\"2xx\"} 1",
        "nasalogs_requests_total{class=\"5xx\"} 1",
        "nasalogs_requests_total{class=\"other\"} 1",
        "nasalogs_response_bytes_total 13",
        "nasalogs_rejected_lines_total{reason=\"missing_field\"} 1",
        "nasalogs_unread_bytes 0",
        "nasalogs_readers 0",
        "nasalogs_exact 1",
        "# TYPE nasalogs_lag_seconds gauge",
    ] {
        assert!(metrics.lines().any(|line| line == sample), "{sample}: {metrics}");
    }
    for (path, kind) in [
        ("/", "text/html; charset=utf-8"),
        ("/report.json", "application/json"),
        ("/cube", "application/json"),
        ("/metrics", "text/plain; version=0.0.4; charset=utf-8"),
        ("/healthz", "text/plain; charset=utf-8"),
    ] {
        let answer = server.local(path);
        assert_eq!(status(&answer), "200", "{path}");
        for header in [
            &format!("content-type: {kind}"),
            "cache-control: no-store",
            "x-content-type-options: nosniff",
            "referrer-policy: no-referrer",
            "content-security-policy: default-src 'none'; ",
        ] {
            assert!(answer.contains(header), "{path}: {header}: {answer}");
        }
    }
    assert!(server.local("/").contains("<html lang=\"en\" data-live"), "{}", server.local("/"));
    assert_eq!(status(&server.local("/nothing")), "404");
}

#[test]
fn who_may_read() {
    let place = Place::new();
    place.write("a.log", lines(100));
    let said = stderr(place.run(&["serve", "a.log", "--listen", "0.0.0.0:0"]), 2);
    assert!(said.contains("can be reached from other machines") && said.contains("--token"), "{said}");
    let said = stderr(place.run(&["serve", "a.log", "--token", ""]), 2);
    assert!(said.contains("a token is made of"), "{said}");

    let server = Server::start(&place, &["a.log"], Stdio::null());
    // A page of another name that points here may not read.
    assert_eq!(status(&server.get("/report.json", "Host: example.org\r\n")), "403");
    assert_eq!(status(&server.get("/report.json", "")), "403");
    assert_eq!(status(&server.get("/report.json", &format!("Host: {}\r\n", server.address))), "200");

    let server = Server::start(&place, &["a.log", "--token", "s3cret"], Stdio::null());
    for path in ["/", "/report.json", "/cube", "/events", "/metrics", "/healthz", "/nothing"] {
        for (query, header) in
            [("", ""), ("?token=", ""), ("?token=s3cre", ""), ("", "Authorization: Bearer s3cret2\r\n")]
        {
            let answer = server.get(&format!("{path}{query}"), &format!("Host: a\r\n{header}"));
            assert_eq!(status(&answer), "401", "{path}{query}: {answer}");
            assert!(!answer.contains("requests"), "{answer}");
        }
    }
    assert_eq!(status(&server.get("/?token=s3cret", "Host: a\r\n")), "200");
    assert_eq!(status(&server.get("/metrics", "Host: a\r\nAuthorization: Bearer s3cret\r\n")), "200");
}

#[test]
fn busy_ports_and_nothing_to_read() {
    let place = Place::new();
    place.write("a.log", lines(100));
    let server = Server::start(&place, &["a.log"], Stdio::null());
    let said = stderr(place.run(&["serve", "a.log", "--listen", &server.address]), 2);
    assert!(said.contains("cannot listen on") && said.contains("another program"), "{said}");
    assert!(stderr(place.run(&["serve", "none.log"]), 2).contains("none.log"));
    let said = stderr(place.run(&["serve", "a.log", "--listen", "8080"]), 2);
    assert!(said.contains("expected an address and a port"), "{said}");
    let said = stderr(place.run(&["serve", "-", "--since", "2 hours ago"]), 2);
    assert!(said.contains("standard input has no end"), "{said}");
    place.write("garbage.log", "nonsense\n".repeat(100));
    let said = stderr(place.run(&["serve", "garbage.log", "--listen", "127.0.0.1:0"]), 2);
    assert!(said.contains("--format"), "{said}");
}

/// Renamed, away for a while, there again; and truncated.
#[test]
fn rotation_is_followed() {
    let place = Place::new();
    let all = lines(3000);
    let (first, second) = all.split_at(all.len() / 3 / 2 * 2);
    let path = place.path().join("access.log");
    let server = Server::start(&place, &["--follow", "access.log", "--format", "common"], Stdio::null());
    let append = |bytes: &[u8]| {
        OpenOptions::new().append(true).create(true).open(&path).unwrap().write_all(bytes).unwrap();
    };
    let count = |bytes: &[u8]| bytes.iter().filter(|byte| **byte == b'\n').count() as u64;
    let end = |bytes: &[u8]| bytes.iter().rposition(|byte| *byte == b'\n').unwrap() + 1;
    let (whole, rest) = (&first[..end(first)], [&first[end(first)..], second].concat());
    append(whole);
    server.wait_for(count(whole));
    rename(&path, place.path().join("access.log.1")).unwrap();
    std::thread::sleep(Duration::from_millis(300));
    let middle = rest.len() / 2;
    let middle = end(&rest[..middle]);
    append(&rest[..middle]);
    server.wait_for(count(whole) + count(&rest[..middle]));
    append(&rest[middle..]);
    server.wait_for(3000);
    let mut copy = std::fs::read(&path).unwrap();
    std::fs::write(place.path().join("access.log.2"), &copy).unwrap();
    File::options().write(true).truncate(true).open(&path).unwrap();
    std::thread::sleep(Duration::from_millis(300));
    copy.clear();
    append(&lines(10));
    server.wait_for(3010);
    let cube = server.local("/cube");
    assert!(cube.contains("\"version\":"), "{}", &cube[..cube.len().min(300)]);
    assert_eq!(server.end().0, Some(0));
}

#[test]
fn the_page_outlives_a_pipe() {
    let place = Place::new();
    let mut server = Server::start(&place, &["-"], Stdio::piped());
    let mut stdin = server.child.stdin.take().unwrap();
    stdin.write_all(&lines(1000)).unwrap();
    server.wait_for(1000);
    stdin.write_all(&lines(10)).unwrap();
    server.wait_for(1010);
    drop(stdin);
    assert!(server.local("/cube").contains("\"meta\""));
    server.wait_for(1010);
    assert_eq!(server.end(), (Some(0), String::new()));
}

#[test]
fn garbage_is_refused() {
    let place = Place::new();
    place.write("a.log", lines(100));
    let server = Server::start(&place, &["a.log"], Stdio::null());
    let long = format!("GET /{} HTTP/1.1\r\nHost: localhost\r\n\r\n", "x".repeat(100_000));
    let many = format!("GET / HTTP/1.1\r\nHost: localhost\r\n{}\r\n", "A: b\r\n".repeat(1000));
    let requests = [
        b"\0\xFF\x16\x03\x01\r\n\r\n".to_vec(),
        b"GET / HTTP/9.9\r\n\r\n".to_vec(),
        b"GET /../../etc/passwd HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".to_vec(),
        b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99999999999999999999\r\n\r\n".to_vec(),
        b"DELETE /cube HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".to_vec(),
        b"GET / HTTP/1.1\r\nHost: localhost\r\nHost: example.org\r\nConnection: close\r\n\r\n".to_vec(),
        long.into_bytes(),
        many.into_bytes(),
    ];
    for request in requests {
        let mut stream = server.connect();
        // Whoever refuses may do so before all is said.
        let _ = stream.write_all(&request);
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        let answer = String::from_utf8_lossy(&answer).into_owned();
        assert!(answer.is_empty() || status(&answer).starts_with('4'), "{answer}");
    }
    // One that says nothing, and one that leaves in the middle.
    let silent = server.connect();
    server.connect().write_all(b"GET / HT").unwrap();
    assert_eq!(status(&server.local("/healthz")), "200");
    drop(silent);
    assert_eq!(server.end(), (Some(0), String::new()));
}
