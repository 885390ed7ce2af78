//! Lines as logs have them too: each an ordinary line with one thing wrong, or only unusual.

use super::random::{Alias, Random};
use crate::reject::RejectReason;

/// What a parser has to make of an odd line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It is unusual, and a row.
    Row,
    /// It is rejected for a reason.
    Reject(RejectReason),
    /// It is neither.
    Blank,
}

macro_rules! oddities {
    ($($(#[doc = $doc:literal])+ $name:ident $per_mille:literal $outcome:expr;)+) => {
        /// What can be odd about a line. Among odd lines each kind has the share that [`Oddity::per_mille`] gives.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Oddity {
            $($(#[doc = $doc])+ $name,)+
        }

        impl Oddity {
            /// All kinds, the rows first.
            pub const ALL: &'static [Oddity] = &[$(Oddity::$name),+];

            /// The share of this kind among odd lines, in thousandths.
            #[must_use]
            pub const fn per_mille(self) -> u16 {
                match self { $(Oddity::$name => $per_mille),+ }
            }

            /// What a parser has to make of such a line.
            #[must_use]
            pub const fn outcome(self) -> Outcome {
                match self { $(Oddity::$name => $outcome),+ }
            }

            /// What is odd, in words.
            #[must_use]
            pub const fn describe(self) -> &'static str {
                match self { $(Oddity::$name => concat!($($doc),+).trim_ascii()),+ }
            }
        }
    };
}

oddities! {
    /// a request without a protocol
    NoProtocol 240 Outcome::Row;
    /// the protocol `HTTP/V1.0`
    ProtocolV1 120 Outcome::Row;
    /// several blanks before the protocol
    Blanks 80 Outcome::Row;
    /// a quote in the target
    Quote 60 Outcome::Row;
    /// a blank in the target
    BlankInTarget 40 Outcome::Row;
    /// a user name with blanks
    UserWithBlanks 50 Outcome::Row;
    /// an empty user name, as `""`
    EmptyUser 10 Outcome::Row;
    /// bytes that are not UTF-8
    NotUtf8 80 Outcome::Row;
    /// control characters for a request
    Control 40 Outcome::Row;
    /// an empty request
    EmptyRequest 20 Outcome::Row;
    /// `-` for a request
    DashRequest 20 Outcome::Row;
    /// `-` for a status
    DashStatus 20 Outcome::Row;
    /// the method in small letters
    SmallMethod 20 Outcome::Row;
    /// a carriage return before the newline
    CarriageReturn 60 Outcome::Row;
    /// a target of two thousand bytes
    LongTarget 10 Outcome::Row;
    /// an empty line, or one of blanks
    Blank 30 Outcome::Blank;
    /// a line that ends within its host
    CutInHost 30 Outcome::Reject(RejectReason::MissingField);
    /// a line that ends within its request
    CutInRequest 25 Outcome::Reject(RejectReason::UnterminatedRequest);
    /// a time that does not exist
    BadTime 15 Outcome::Reject(RejectReason::BadTimestamp);
    /// a status that is no number
    BadStatus 15 Outcome::Reject(RejectReason::BadStatus);
    /// a negative, fractional or huge number of bytes
    BadBytes 15 Outcome::Reject(RejectReason::BadBytes);
}

/// The pieces of an ordinary line.
pub(super) struct Pieces<'a> {
    pub(super) host: &'a [u8],
    /// With its brackets.
    pub(super) time: &'a [u8],
    /// `GET /ksc.html HTTP/1.0" 200 7074`
    pub(super) ending: &'a [u8],
    /// What follows the bytes, up to the newline.
    pub(super) headers: [&'a [u8]; 2],
}

/// Picks and writes odd lines, with random numbers of its own: the other lines stay as they are without it.
#[derive(Debug)]
pub(super) struct Oddities {
    random: Random,
    kinds: Alias,
    /// Below this share of 2^32 a line is odd.
    threshold: u64,
    pub(super) counts: Vec<u64>,
}

impl Oddities {
    pub(super) fn new(seed: u64, share: f64) -> Self {
        let shares: Vec<u64> = Oddity::ALL.iter().map(|kind| kind.per_mille().into()).collect();
        Self {
            random: Random::new(seed ^ 0x0dd1_7135),
            kinds: Alias::new(&shares),
            threshold: (share * (1_u64 << 32) as f64) as u64,
            counts: vec![0; Oddity::ALL.len()],
        }
    }

    /// Whether the next line is odd, and how.
    #[inline]
    pub(super) fn draw(&mut self) -> Option<Oddity> {
        if self.threshold == 0 || self.random.next() >> 32 >= self.threshold {
            return None;
        }
        let index = self.kinds.at(self.random.next());
        self.counts[index] += 1;
        Some(Oddity::ALL[index])
    }

    /// Appends an odd line with its newline.
    #[cold]
    pub(super) fn write(&mut self, kind: Oddity, pieces: &Pieces<'_>, out: &mut Vec<u8>) {
        let random = &mut self.random;
        let Split { method, target, numbers } = Split::new(pieces.ending);
        let [status, bytes] = numbers;
        let mut user: &[u8] = b"-";
        let mut time = pieces.time.to_vec();
        let mut request = [method, b" ", target, b" HTTP/1.0"].concat();
        let (mut status, mut bytes) = (status.to_vec(), bytes.to_vec());
        let mut end: &[u8] = b"\n";
        match kind {
            Oddity::NoProtocol => request = [method, b" ", target].concat(),
            Oddity::ProtocolV1 => request = [method, b" ", target, b" HTTP/V1.0"].concat(),
            Oddity::Blanks => request = [method, b" ", target, b"   HTTP/1.0"].concat(),
            Oddity::Quote => {
                request = [method, b" ", target, b"\" HTTP/1.0"].concat();
                (status, bytes) = (b"404".to_vec(), b"-".to_vec());
            }
            Oddity::BlankInTarget => request = [method, b" ", target, b" and more.html HTTP/1.0"].concat(),
            Oddity::UserWithBlanks => user = random.pick(USERS).as_bytes(),
            Oddity::EmptyUser => user = b"\"\"",
            Oddity::NotUtf8 => request = [method, b" ", target, b"caf\xe9\xff.html HTTP/1.0"].concat(),
            Oddity::Control => {
                request = random.pick(CONTROL).to_vec();
                (status, bytes) = (b"400".to_vec(), b"-".to_vec());
            }
            Oddity::EmptyRequest => request.clear(),
            Oddity::DashRequest => {
                request = b"-".to_vec();
                (status, bytes) = (b"408".to_vec(), b"-".to_vec());
            }
            Oddity::DashStatus => status = b"-".to_vec(),
            Oddity::SmallMethod => request[..method.len()].make_ascii_lowercase(),
            Oddity::CarriageReturn => end = b"\r\n",
            Oddity::LongTarget => {
                request = [method, b" ", target, b"?", &[b'x'; 2000], b" HTTP/1.0"].concat();
            }
            Oddity::Blank => {
                out.extend_from_slice(random.pick(&["\n", "   \n", "\r\n"]).as_bytes());
                return;
            }
            Oddity::CutInHost => {
                out.extend_from_slice(&pieces.host[..pieces.host.len().div_ceil(2)]);
                out.push(b'\n');
                return;
            }
            Oddity::CutInRequest => {
                request.truncate(method.len() + 1 + target.len() / 2);
                for piece in [pieces.host, b" - - ", &time[..], b" \"", &request, b"\n"] {
                    out.extend_from_slice(piece);
                }
                return;
            }
            // [01/Jul/1995 becomes [41/Jul/1995.
            Oddity::BadTime => time[1] += 4,
            Oddity::BadStatus => status = random.pick(&["20x", "2000", "OK"]).as_bytes().to_vec(),
            Oddity::BadBytes => {
                bytes = random.pick(&["-5", "12.5", "9223372036854775808"]).as_bytes().to_vec();
            }
        }
        let [referer, agent] = pieces.headers;
        for piece in [
            pieces.host,
            b" - ",
            user,
            b" ",
            &time,
            b" \"",
            &request,
            b"\" ",
            &status,
            b" ",
            &bytes,
            referer,
            agent,
            end,
        ] {
            out.extend_from_slice(piece);
        }
    }
}

/// An ending, taken apart.
struct Split<'a> {
    method: &'a [u8],
    target: &'a [u8],
    /// Status and bytes.
    numbers: [&'a [u8]; 2],
}

impl<'a> Split<'a> {
    /// Endings are made by this module's neighbour: they hold exactly four blanks.
    fn new(ending: &'a [u8]) -> Self {
        let mut words = ending.split(|&byte| byte == b' ');
        let mut next = || words.next().unwrap_or_default();
        let (method, target, _protocol) = (next(), next(), next());
        Self { method, target, numbers: [next(), next()] }
    }
}

const USERS: &[&str] = &["john doe", "Mary Ann Smith", "j [jr] doe", "sys op"];
const CONTROL: &[&[u8]] =
    &[b"\x05\x01", b"\x16\x03\x01", b"k\x83\xfb\x03tx\x83\xfb\x04tG", b"GET /\x1b[31mred HTTP/1.0"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_thousandths() {
        assert_eq!(Oddity::ALL.iter().map(|kind| u32::from(kind.per_mille())).sum::<u32>(), 1000);
        assert_eq!(Oddity::NoProtocol.describe(), "a request without a protocol");
    }
}
