//! Which compression, by the first bytes; and the decoders.

use std::fmt;
use std::io::{self, BufRead, BufReader, Read};

use super::origin::{Origin, PEEK};
use crate::error::{Error, ErrorKind, Result};

/// Bytes that are read from the disk at once for a decoder.
const BUFFER: usize = 256 << 10;

/// The largest window or dictionary that a decoder may ask memory for: 2^27 bytes, 128 MiB.
const WINDOW_LOG: u32 = 27;

/// How an input is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Codec {
    /// Not compressed.
    Plain,
    /// gzip, RFC 1952, of any number of members.
    Gzip,
    /// Zstandard, RFC 8878, of any number of frames.
    Zstd,
    /// bzip2, of any number of streams.
    Bzip2,
    /// xz, of any number of streams.
    Xz,
}

impl Codec {
    /// The name.
    ///
    /// ```
    /// assert_eq!(nasalogs::source::Codec::Gzip.as_str(), "gzip");
    /// ```
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Codec::Plain => "plain",
            Codec::Gzip => "gzip",
            Codec::Zstd => "zstd",
            Codec::Bzip2 => "bzip2",
            Codec::Xz => "xz",
        }
    }
}

impl fmt::Display for Codec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What first bytes say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Found {
    Codec(Codec),
    /// A container that is not read: its name, and the command that unpacks it to standard output.
    Foreign(&'static str, &'static str),
}

/// The bytes that a kind of file begins with; at one place a range of bytes may stand.
struct Magic {
    bytes: &'static [u8],
    range: Option<(usize, u8, u8)>,
    found: Found,
}

const fn magic(bytes: &'static [u8], found: Found) -> Magic {
    assert!(bytes.len() <= PEEK);
    Magic { bytes, range: None, found }
}

/// bzip2's header alone is text (`BZh9`), and a host may be called that: the first block's number belongs to it.
const MAGICS: [Magic; 10] = [
    magic(b"\x1F\x8B", Found::Codec(Codec::Gzip)),
    magic(b"\x28\xB5\x2F\xFD", Found::Codec(Codec::Zstd)),
    Magic { range: Some((0, 0x50, 0x5F)), ..magic(b"\x50\x2A\x4D\x18", Found::Codec(Codec::Zstd)) },
    Magic { range: Some((3, b'1', b'9')), ..magic(b"BZh91AY&SY", Found::Codec(Codec::Bzip2)) },
    Magic {
        range: Some((3, b'1', b'9')),
        ..magic(b"BZh9\x17\x72\x45\x38\x50\x90", Found::Codec(Codec::Bzip2))
    },
    magic(b"\xFD7zXZ\0", Found::Codec(Codec::Xz)),
    magic(b"PK\x03\x04", Found::Foreign("ZIP", "unzip -p")),
    magic(b"7z\xBC\xAF\x27\x1C", Found::Foreign("7-Zip", "7z x -so")),
    magic(b"\x04\x22\x4D\x18", Found::Foreign("LZ4", "lz4 -dc")),
    magic(b"\x1F\x9D", Found::Foreign("compress (.Z)", "zcat")),
];

/// What the first bytes say; `None` as long as more bytes could change the answer.
pub(super) fn detect(bytes: &[u8], end: bool) -> Option<Found> {
    let mut open = false;
    for magic in &MAGICS {
        let fits =
            bytes.iter().zip(magic.bytes).enumerate().all(|(at, (&byte, &wanted))| match magic.range {
                Some((place, low, high)) if place == at => (low..=high).contains(&byte),
                _ => byte == wanted,
            });
        if fits && bytes.len() >= magic.bytes.len() {
            return Some(magic.found);
        }
        open |= fits;
    }
    (end || !open).then_some(Found::Codec(Codec::Plain))
}

/// A reader of the decompressed bytes.
pub(super) fn decoder(codec: Codec, origin: Origin) -> Result<Box<dyn Read + Send>> {
    if codec == Codec::Plain {
        return Ok(Box::new(origin));
    }
    let buffered = BufReader::with_capacity(BUFFER, origin);
    match codec {
        #[cfg(feature = "gzip")]
        Codec::Gzip => Ok(Box::new(Members {
            state: State::Inside(flate2::bufread::GzDecoder::new(buffered)),
            start: flate2::bufread::GzDecoder::new,
            end: flate2::bufread::GzDecoder::into_inner,
            first: 0x1F,
        })),
        #[cfg(feature = "bzip2")]
        Codec::Bzip2 => Ok(Box::new(Members {
            state: State::Inside(bzip2::bufread::BzDecoder::new(buffered)),
            start: bzip2::bufread::BzDecoder::new,
            end: bzip2::bufread::BzDecoder::into_inner,
            first: b'B',
        })),
        #[cfg(feature = "zstd")]
        Codec::Zstd => {
            let start = || {
                let mut decoder = zstd::stream::read::Decoder::with_buffer(buffered)?;
                decoder.window_log_max(WINDOW_LOG)?;
                Ok(decoder)
            };
            let decoder = start().map_err(|error: io::Error| {
                Error::new(ErrorKind::Compression, format!("the zstd decoder cannot start: {error}"))
                    .with_source(error)
            })?;
            Ok(Box::new(decoder))
        }
        #[cfg(feature = "xz")]
        Codec::Xz => {
            // Beside the dictionary, the decoder needs some memory of its own.
            let limit = (1 << WINDOW_LOG) + (16 << 20);
            let stream = liblzma::stream::Stream::new_stream_decoder(limit, liblzma::stream::CONCATENATED)
                .map_err(|error| {
                    Error::new(ErrorKind::Compression, format!("the xz decoder cannot start: {error}"))
                        .with_source(error)
                })?;
            Ok(Box::new(liblzma::bufread::XzDecoder::new_stream(buffered, stream)))
        }
        #[allow(unreachable_patterns, reason = "reached when a codec's feature is off")]
        _ => Err(Error::new(
            ErrorKind::Compression,
            format!("is compressed with {codec}, which this build cannot read"),
        )
        .with_hint(format!(
            "build with the feature {codec:?}, or decompress it first",
            codec = codec.as_str()
        ))),
    }
}

/// What went wrong in a decoder, in words; and what to do.
pub(super) fn explain(codec: Codec, error: &io::Error) -> (String, String) {
    let what = error.get_ref().map(ToString::to_string).unwrap_or_else(|| error.to_string());
    if let Some(trailing) = error.get_ref().and_then(|inner| inner.downcast_ref::<Trailing>()) {
        return (
            format!("the {codec} data is followed by something else, at byte {} of the file", trailing.0),
            "everything before it was read; cut the file there, or fetch it again".to_owned(),
        );
    }
    if error.kind() == io::ErrorKind::UnexpectedEof {
        return (
            format!("the {codec} data ends early: the file is incomplete"),
            "the lines before that were read; fetch the file again, or let its writer finish".to_owned(),
        );
    }
    // Both libraries have a number for it, of which one only lets the text through.
    if what.contains("too much memory") || what.contains("memory limit") {
        return (
            format!("the {codec} data needs a window of more than {} MiB", (1 << WINDOW_LOG) >> 20),
            match codec {
                Codec::Zstd => "pipe it through 'zstd -dc --long=31'".to_owned(),
                _ => format!("pipe it through '{codec} -dc'"),
            },
        );
    }
    (
        format!("the {codec} data is damaged: {what}"),
        "the lines before that were read; fetch the file again".to_owned(),
    )
}

/// Something that is no member follows the last one, at this byte of the file.
#[derive(Debug)]
struct Trailing(u64);

impl fmt::Display for Trailing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "trailing data at byte {}", self.0)
    }
}

impl std::error::Error for Trailing {}

type Buffered = BufReader<Origin>;

/// Joins the members of a file (`cat a.gz b.gz`, pigz, bgzip, logrotate). Zeros between and after them are padding
/// (tapes, block devices); anything else after them is an error, as it could be a damaged member.
#[cfg(any(feature = "gzip", feature = "bzip2"))]
struct Members<D> {
    state: State<D>,
    start: fn(Buffered) -> D,
    end: fn(D) -> Buffered,
    /// The first byte of a member.
    first: u8,
}

#[cfg(any(feature = "gzip", feature = "bzip2"))]
enum State<D> {
    Inside(D),
    Between(Buffered),
    End,
}

#[cfg(any(feature = "gzip", feature = "bzip2"))]
impl<D: Read> Read for Members<D> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() {
            return Ok(0);
        }
        loop {
            self.state = match std::mem::replace(&mut self.state, State::End) {
                State::Inside(mut decoder) => match decoder.read(buffer) {
                    Ok(0) => State::Between((self.end)(decoder)),
                    result => {
                        self.state = State::Inside(decoder);
                        return result;
                    }
                },
                State::Between(mut raw) => match raw.fill_buf()? {
                    [] => return Ok(0),
                    bytes => {
                        let zeros = bytes.iter().take_while(|&&byte| byte == 0).count();
                        let next = bytes.get(zeros).copied();
                        raw.consume(zeros);
                        match next {
                            None => State::Between(raw),
                            Some(byte) if byte == self.first => State::Inside((self.start)(raw)),
                            Some(_) => {
                                let place = raw.get_ref().position() - raw.buffer().len() as u64;
                                return Err(io::Error::new(io::ErrorKind::InvalidData, Trailing(place)));
                            }
                        }
                    }
                },
                State::End => return Ok(0),
            }
        }
    }
}
