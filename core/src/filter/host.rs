//! Hosts: by name, by address, by network.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use super::Glob;
use crate::error::{Error, ErrorKind};

/// Which hosts are meant: an address (`192.0.2.1`), a network (`192.0.2.0/24`, `2001:db8::/32`), or a pattern of names
/// (`*.nasa.gov`; case does not count). Addresses are compared as such, however they are written; IPv4 in IPv6's clothes
/// (`::ffff:192.0.2.1`) is IPv4.
///
/// ```
/// use nasalogs::filter::HostRule;
/// let rule: HostRule = "192.0.2.0/24".parse()?;
/// assert!(rule.matches(b"192.0.2.77") && !rule.matches(b"192.0.2.example"));
/// # Ok::<(), nasalogs::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostRule {
    text: String,
    kind: Kind,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Kind {
    /// The network's bits, in the lowest places, and how many bits of an address do not count. Addresses of the two
    /// kinds are told apart.
    Network {
        is_v4: bool,
        bits: u128,
        free: u32,
    },
    Name(Glob),
}

impl HostRule {
    /// Whether a host is meant.
    #[must_use]
    pub fn matches(&self, host: &[u8]) -> bool {
        match &self.kind {
            Kind::Name(glob) => glob.matches(host),
            Kind::Network { is_v4, bits, free } => address(host).is_some_and(|address| {
                let (v4, own) = number(address);
                v4 == *is_v4 && own.checked_shr(*free).unwrap_or(0) == *bits
            }),
        }
    }
}

/// The address that a host is.
fn address(host: &[u8]) -> Option<IpAddr> {
    // Most names are none at their first byte.
    if !host.first().is_some_and(|byte| byte.is_ascii_hexdigit() || *byte == b':') {
        return None;
    }
    std::str::from_utf8(host).ok()?.parse().ok()
}

fn number(address: IpAddr) -> (bool, u128) {
    match address.to_canonical() {
        IpAddr::V4(address) => (true, u128::from(address.to_bits())),
        IpAddr::V6(address) => (false, address.to_bits()),
    }
}

impl FromStr for HostRule {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let (base, length) = match text.split_once('/') {
            Some((base, length)) => (base, Some(length)),
            None => (text, None),
        };
        let kind = match (base.parse::<IpAddr>(), length) {
            (Ok(address), length) => network(address, length).ok_or_else(|| no_network(text))?,
            (Err(_), Some(_)) => return Err(no_network(text)),
            (Err(_), None) => Kind::Name(text.parse::<Glob>()?.ignoring_case()),
        };
        Ok(Self { text: text.to_owned(), kind })
    }
}

fn no_network(text: &str) -> Error {
    Error::new(ErrorKind::Options, format!("{text:?} is no network"))
        .with_hint("expected one such as 192.0.2.0/24 or 2001:db8::/32")
}

fn network(address: IpAddr, length: Option<&str>) -> Option<Kind> {
    let width: u32 = if address.is_ipv4() { 32 } else { 128 };
    let length = match length {
        Some(length) if length.bytes().all(|byte| byte.is_ascii_digit()) => length.parse().ok()?,
        Some(_) => return None,
        None => width,
    };
    let free = width.checked_sub(length)?;
    let (is_v4, bits) = number(address);
    // A network of mapped addresses is one of IPv4 as far as it is narrower than all of them.
    let free = if is_v4 { free.min(32) } else { free };
    Some(Kind::Network { is_v4, bits: bits.checked_shr(free).unwrap_or(0), free })
}

impl fmt::Display for HostRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_addresses_and_networks() {
        for (rule, yes, no) in [
            ("192.0.2.1", &["192.0.2.1", "::ffff:192.0.2.1"][..], &["192.0.2.10", "192.0.2.1.example"][..]),
            ("192.0.2.0/24", &["192.0.2.0", "192.0.2.255"], &["192.0.3.0", "2001:db8::1", "-", ""]),
            ("192.0.2.77/24", &["192.0.2.1"], &["192.0.3.1"]),
            ("0.0.0.0/0", &["1.2.3.4"], &["::1", "host"]),
            ("::/0", &["::1", "2001:db8::1"], &["1.2.3.4", "host"]),
            ("2001:DB8::/32", &["2001:db8::1", "2001:0db8:0::2"], &["2001:db9::1", "1.2.3.4"]),
            ("2001:db8::1", &["2001:db8:0:0::1"], &["2001:db8::2"]),
            ("::ffff:10.0.0.0/104", &["10.1.2.3"], &["11.0.0.1"]),
            ("*.nasa.gov", &["www.NASA.gov"], &["nasa.gov", "x.nasa.gov.example"]),
            ("10.*", &["10.1.2.3", "10.example"], &["110.1.1.1"]),
        ] {
            let rule: HostRule = rule.parse().unwrap();
            yes.iter().for_each(|host| assert!(rule.matches(host.as_bytes()), "{rule} {host}"));
            no.iter().for_each(|host| assert!(!rule.matches(host.as_bytes()), "{rule} {host}"));
        }
        for rule in [
            "192.0.2/24",
            "10.0.0.0.0/8",
            "*.example/x",
            "192.0.2.0/33",
            "::/129",
            "1.2.3.4/",
            "1.2.3.4/x",
            "1.2.3.4/+8",
            "",
            "[a",
        ] {
            assert!(rule.parse::<HostRule>().is_err(), "{rule}");
        }
    }
}
