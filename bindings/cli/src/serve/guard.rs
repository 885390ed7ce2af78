//! Who may read.

use std::net::{IpAddr, SocketAddr};

use axum::http::{HeaderMap, Uri, header};
use nasalogs::{Error, ErrorKind, Result};

/// What a request has to show.
#[derive(Debug, Clone)]
pub(super) struct Guard {
    token: Option<String>,
}

/// Why a request is not answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refusal {
    /// It shows no token, or another one.
    Token,
    /// It was sent to another name than this machine's: a page of that name would read the answer.
    Host,
}

impl Guard {
    /// For an address.
    ///
    /// # Errors
    /// When others than this machine could reach it without a token.
    pub(super) fn new(listen: SocketAddr, token: Option<String>) -> Result<Self> {
        if token
            .as_deref()
            .is_some_and(|token| token.is_empty() || !token.bytes().all(|byte| byte.is_ascii_graphic()))
        {
            return Err(Error::new(ErrorKind::Options, "a token is made of visible ASCII characters")
                .with_hint("make one: openssl rand -hex 16"));
        }
        if token.is_none() && !listen.ip().is_loopback() {
            let message =
                format!("{listen} can be reached from other machines, and the page shows what is in the log");
            return Err(Error::new(ErrorKind::Options, message).with_hint(
                "pass --token, or listen on 127.0.0.1 (and use ssh -L to reach it from elsewhere)",
            ));
        }
        Ok(Self { token })
    }

    /// Whether readers have to know a token.
    pub(super) fn has_token(&self) -> bool {
        self.token.is_some()
    }

    /// Whether a request may be answered.
    pub(super) fn check(&self, uri: &Uri, headers: &HeaderMap) -> std::result::Result<(), Refusal> {
        match &self.token {
            Some(token) => {
                let shown = bearer(headers).map(str::to_owned).or_else(|| query(uri));
                let is_it = shown.is_some_and(|shown| is_same(shown.as_bytes(), token.as_bytes()));
                if is_it { Ok(()) } else { Err(Refusal::Token) }
            }
            None if is_local(uri, headers) => Ok(()),
            None => Err(Refusal::Host),
        }
    }
}

/// The token of a header.
fn bearer(headers: &HeaderMap) -> Option<&str> {
    let (scheme, token) = headers.get(header::AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

/// The token of an address.
fn query(uri: &Uri) -> Option<String> {
    let token = uri.query()?.split('&').find_map(|part| part.strip_prefix("token="))?;
    let mut bytes = Vec::with_capacity(token.len());
    let mut rest = token.as_bytes();
    while let [first, others @ ..] = rest {
        let escaped = others.first_chunk::<2>().filter(|_| *first == b'%');
        let byte = escaped.and_then(|digits| u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok());
        bytes.push(byte.unwrap_or(if *first == b'+' { b' ' } else { *first }));
        rest = if byte.is_some() { &others[2..] } else { others };
    }
    String::from_utf8(bytes).ok()
}

/// Whether both are the same, in a time that does not tell where they differ.
fn is_same(shown: &[u8], token: &[u8]) -> bool {
    let differs = shown
        .iter()
        .zip(token)
        .fold(0, |differs, (one, other)| std::hint::black_box(differs | (one ^ other)));
    shown.len() == token.len() && differs == 0
}

/// Whether a request names this machine, as one does that was typed here.
fn is_local(uri: &Uri, headers: &HeaderMap) -> bool {
    let mut hosts = headers.get_all(header::HOST).iter();
    let (Some(host), None) = (hosts.next(), hosts.next()) else { return false };
    let Ok(host) = host.to_str() else { return false };
    let is_here = |host: &str| {
        let name = match host.rsplit_once(':') {
            Some((name, port)) if !port.is_empty() && port.bytes().all(|digit| digit.is_ascii_digit()) => {
                name
            }
            _ => host,
        };
        let address = name.strip_prefix('[').and_then(|name| name.strip_suffix(']')).unwrap_or(name);
        name.eq_ignore_ascii_case("localhost") || address.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
    };
    is_here(host) && uri.host().is_none_or(is_here)
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    fn headers(name: header::HeaderName, value: &str) -> HeaderMap {
        HeaderMap::from_iter([(name, HeaderValue::from_str(value).unwrap())])
    }

    #[test]
    fn other_machines_need_a_token() {
        for (listen, token, is_fine) in [
            ("127.0.0.1:1", None, true),
            ("127.9.9.9:1", None, true),
            ("[::1]:1", None, true),
            ("0.0.0.0:1", None, false),
            ("[::]:1", None, false),
            ("192.0.2.1:1", None, false),
            ("0.0.0.0:1", Some("secret"), true),
            ("127.0.0.1:1", Some(""), false),
            ("127.0.0.1:1", Some("two words"), false),
        ] {
            let guard = Guard::new(listen.parse().unwrap(), token.map(str::to_owned));
            assert_eq!(guard.is_ok(), is_fine, "{listen} {token:?}");
        }
    }

    #[test]
    fn tokens() {
        let guard = Guard::new("0.0.0.0:1".parse().unwrap(), Some("s3cr+t".to_owned())).unwrap();
        let none = HeaderMap::new();
        for (uri, fits) in [
            ("/?token=s3cr%2Bt", true),
            ("/metrics?a=b&token=s3cr%2bt", true),
            ("/?token=s3cr+t", false),
            ("/?token=s3cr%2Bt2", false),
            ("/?token=s3cr", false),
            ("/?token=", false),
            ("/?token=%", false),
            ("/?token=%ff", false),
            ("/?Token=s3cr%2Bt", false),
            ("/", false),
        ] {
            let outcome = guard.check(&uri.parse().unwrap(), &none);
            assert_eq!(outcome, if fits { Ok(()) } else { Err(Refusal::Token) }, "{uri}");
        }
        for (value, fits) in
            [("Bearer s3cr+t", true), ("bearer s3cr+t", true), ("Basic s3cr+t", false), ("s3cr+t", false)]
        {
            let outcome = guard.check(&"/".parse().unwrap(), &headers(header::AUTHORIZATION, value));
            assert_eq!(outcome.is_ok(), fits, "{value}");
        }
    }

    #[test]
    fn names_of_this_machine() {
        let guard = Guard::new("127.0.0.1:1".parse().unwrap(), None).unwrap();
        for (host, is_here) in [
            ("localhost:8080", true),
            ("LOCALHOST", true),
            ("127.0.0.1:80", true),
            ("[::1]:80", true),
            ("[::1]", true),
            ("example.org:8080", false),
            ("127.0.0.1.example.org", false),
            ("192.0.2.1", false),
            ("", false),
        ] {
            let outcome = guard.check(&"/".parse().unwrap(), &headers(header::HOST, host));
            assert_eq!(outcome, if is_here { Ok(()) } else { Err(Refusal::Host) }, "{host}");
        }
        assert_eq!(guard.check(&"/".parse().unwrap(), &HeaderMap::new()), Err(Refusal::Host));
        let local = headers(header::HOST, "localhost");
        assert_eq!(guard.check(&"http://example.org/".parse().unwrap(), &local), Err(Refusal::Host));
    }
}
