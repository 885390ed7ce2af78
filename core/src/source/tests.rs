use std::collections::VecDeque;
use std::io::Write;

use super::*;

const TEXT: &[u8] = b"one - - [01/Jul/1995:00:00:01 -0400] \"GET / HTTP/1.0\" 200 1\ntwo\nthree\n";

/// Gives its parts one `read` at a time; an error is a part too.
struct Parts(VecDeque<io::Result<Vec<u8>>>);

impl Read for Parts {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self.0.pop_front() {
            None => Ok(0),
            Some(Err(error)) => Err(error),
            Some(Ok(mut bytes)) => {
                let rest = bytes.split_off(bytes.len().min(buffer.len()));
                buffer[..bytes.len()].copy_from_slice(&bytes);
                if !rest.is_empty() {
                    self.0.push_front(Ok(rest));
                }
                Ok(bytes.len())
            }
        }
    }
}

/// One byte at a time, with an interruption before each.
fn dripping(bytes: &[u8]) -> Source {
    let parts = bytes.iter().flat_map(|&byte| [Err(io::ErrorKind::Interrupted.into()), Ok(vec![byte])]);
    Source::reader(Parts(parts.collect()))
}

/// All that can be read, and the error that ended it.
fn drain(source: Source, room: usize) -> (Vec<u8>, Option<Error>) {
    let mut input = match source.open() {
        Ok(input) => input,
        Err(error) => return (Vec::new(), Some(error)),
    };
    let mut bytes = Vec::new();
    let mut buffer = vec![0; room];
    loop {
        match input.read_into(&mut buffer) {
            Ok(0) => {
                assert_eq!(input.read_into(&mut buffer).unwrap(), 0, "the end is the end");
                return (bytes, None);
            }
            Ok(count) => bytes.extend_from_slice(&buffer[..count]),
            Err(error) => {
                assert!(input.read_into(&mut buffer).is_err(), "an error is not followed by an end");
                return (bytes, Some(error));
            }
        }
    }
}

fn read(source: Source) -> Vec<u8> {
    match drain(source, 4096) {
        (bytes, None) => bytes,
        (_, Some(error)) => panic!("{error}"),
    }
}

fn failure(source: Source) -> Error {
    drain(source, 4096).1.expect("an error")
}

fn compress(codec: Codec, bytes: &[u8]) -> Vec<u8> {
    match codec {
        Codec::Plain => bytes.to_vec(),
        #[cfg(feature = "gzip")]
        Codec::Gzip => {
            let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
            encoder.write_all(bytes).unwrap();
            encoder.finish().unwrap()
        }
        #[cfg(feature = "zstd")]
        Codec::Zstd => zstd::encode_all(bytes, 3).unwrap(),
        #[cfg(feature = "bzip2")]
        Codec::Bzip2 => {
            let mut encoder = bzip2::write::BzEncoder::new(Vec::new(), bzip2::Compression::default());
            encoder.write_all(bytes).unwrap();
            encoder.finish().unwrap()
        }
        #[cfg(feature = "xz")]
        Codec::Xz => {
            let mut encoder = liblzma::write::XzEncoder::new(Vec::new(), 1);
            encoder.write_all(bytes).unwrap();
            encoder.finish().unwrap()
        }
        #[allow(unreachable_patterns, reason = "codecs whose feature is off")]
        _ => unreachable!("{codec} is not compiled in"),
    }
}

/// The codecs that are compiled in.
fn codecs() -> Vec<Codec> {
    let mut codecs = Vec::new();
    for (codec, compiled) in [
        (Codec::Gzip, cfg!(feature = "gzip")),
        (Codec::Zstd, cfg!(feature = "zstd")),
        (Codec::Bzip2, cfg!(feature = "bzip2")),
        (Codec::Xz, cfg!(feature = "xz")),
    ] {
        if compiled {
            codecs.push(codec);
        }
    }
    codecs
}

#[test]
fn every_codec_is_recognised_and_read() {
    let large: Vec<u8> = TEXT.iter().copied().cycle().take(400_000).collect();
    for codec in codecs().into_iter().chain([Codec::Plain]) {
        for text in [TEXT, &large, b"", b"x"] {
            let packed = compress(codec, text);
            let input = Source::memory(packed.clone()).open().unwrap();
            assert_eq!(input.codec(), codec);
            assert_eq!(input.total_bytes(), Some(packed.len() as u64));
            assert!(read(Source::memory(packed)) == text, "{codec}, {} bytes", text.len());
        }
        let packed = compress(codec, TEXT);
        for room in [1, 2, 3, 100] {
            assert_eq!(drain(dripping(&packed), room).0, TEXT, "{codec} in drops, room {room}");
        }
    }
}

#[test]
fn members_frames_and_streams_are_joined() {
    for codec in codecs() {
        let mut packed = compress(codec, TEXT);
        packed.extend(compress(codec, b""));
        packed.extend(compress(codec, TEXT));
        let doubled = TEXT.repeat(2);
        assert_eq!(read(Source::memory(packed.clone())), doubled, "{codec}");
        assert_eq!(read(dripping(&packed)), doubled, "{codec} in drops");
    }
}

#[test]
fn every_truncation_is_an_error_and_no_panic() {
    for codec in codecs() {
        let mut packed = compress(codec, TEXT);
        let one = packed.len();
        packed.extend(compress(codec, TEXT));
        for cut in 0..packed.len() {
            let (bytes, error) = drain(Source::memory(packed[..cut].to_vec()), 1000);
            if matches!(detect_all(&packed[..cut]), Codec::Plain) {
                assert!(error.is_none() && bytes == packed[..cut], "{codec} cut at {cut} is plain");
            } else if cut == one {
                assert!(error.is_none() && bytes == TEXT, "{codec} cut between members");
            } else {
                let error = error.unwrap_or_else(|| panic!("{codec} cut at {cut} passed"));
                assert_eq!(error.kind(), ErrorKind::Compression, "{error}");
                assert_eq!(error.offset(), Some(bytes.len() as u64));
                assert!(TEXT.repeat(2).starts_with(&bytes));
                assert!(error.to_string().contains(codec.as_str()), "{error}");
            }
        }
    }
}

fn detect_all(bytes: &[u8]) -> Codec {
    match codec::detect(bytes, true) {
        Some(codec::Found::Codec(codec)) => codec,
        other => panic!("{other:?}"),
    }
}

#[test]
fn every_flipped_byte_is_survived() {
    for codec in codecs() {
        let packed = compress(codec, TEXT);
        for place in 0..packed.len() {
            let mut damaged = packed.clone();
            damaged[place] ^= 0x5A;
            let _ = drain(Source::memory(damaged), 1000);
        }
    }
}

#[test]
fn an_early_end_says_what_to_do() {
    for codec in codecs() {
        let mut packed = compress(codec, &TEXT.repeat(50));
        packed.truncate(packed.len() - 3);
        let error = failure(Source::memory(packed).with_name("a.log"));
        let text = error.to_string();
        assert!(text.starts_with(&format!("a.log: the {codec} data ends early")), "{text}");
        assert!(text.contains("fetch the file again"), "{text}");
    }
}

#[cfg(feature = "gzip")]
#[test]
fn what_follows_the_last_member() {
    let packed = compress(Codec::Gzip, TEXT);
    let with = |tail: &[u8]| Source::memory([&packed, tail].concat());
    assert_eq!(read(with(&[0; 600_000])), TEXT, "zeros are padding");
    assert_eq!(read(with(&[&[0; 512][..], &packed].concat())), TEXT.repeat(2), "zeros between members too");
    let (bytes, error) = drain(with(b"\0\0garbage"), 4096);
    let error = error.unwrap();
    assert_eq!(bytes, TEXT);
    assert_eq!(error.kind(), ErrorKind::Compression);
    assert!(error.to_string().contains(&format!("at byte {} of the file", packed.len() + 2)), "{error}");
    assert!(failure(with(b"\x1f")).to_string().contains("ends early"));
    assert!(failure(with(b"\x1f\x8b\x07")).to_string().contains("ends early"));
    assert!(failure(with(b"\x1fnot gzip at all")).to_string().contains("damaged"));
}

#[cfg(feature = "zstd")]
#[test]
fn zstd_windows_are_bounded_and_skippable_frames_skipped() {
    let mut encoder = zstd::stream::write::Encoder::new(Vec::new(), 1).unwrap();
    encoder.window_log(28).unwrap();
    encoder.include_contentsize(false).unwrap();
    encoder.write_all(TEXT).unwrap();
    let error = failure(Source::memory(encoder.finish().unwrap()));
    assert!(
        error.to_string().contains("more than 128 MiB") && error.to_string().contains("--long"),
        "{error}"
    );

    let mut packed = b"\x5A\x2A\x4D\x18\x03\0\0\0abc".to_vec();
    packed.extend(compress(Codec::Zstd, TEXT));
    assert_eq!(read(Source::memory(packed)), TEXT);
}

#[cfg(feature = "xz")]
#[test]
fn xz_dictionaries_are_bounded_and_padding_is_padding() {
    use liblzma::stream::{Check, Filters, LzmaOptions, Stream};
    let mut options = LzmaOptions::new_preset(1).unwrap();
    options.dict_size(256 << 20);
    let mut filters = Filters::new();
    filters.lzma2(&options);
    let stream = Stream::new_stream_encoder(&filters, Check::Crc32).unwrap();
    let mut encoder = liblzma::write::XzEncoder::new_stream(Vec::new(), stream);
    encoder.write_all(TEXT).unwrap();
    let error = failure(Source::memory(encoder.finish().unwrap()));
    assert!(error.to_string().contains("more than 128 MiB"), "{error}");

    let mut packed = compress(Codec::Xz, TEXT);
    packed.extend([0; 8]);
    assert_eq!(read(Source::memory(packed.clone())), TEXT);
    packed.extend(b"garbage!");
    assert_eq!(failure(Source::memory(packed)).kind(), ErrorKind::Compression);
}

#[test]
fn short_and_deceptive_starts_are_plain() {
    for text in
        [&b""[..], b"B", b"BZ", b"BZh9", b"BZh9.example.net - -", b"PK", b"7zip.org - - [", b"\x1f", b"("]
    {
        assert_eq!(read(Source::memory(text.to_vec())), text);
        assert_eq!(read(dripping(text)), text);
    }
}

#[test]
fn archives_that_are_not_read_are_named() {
    let error = failure(Source::memory(b"PK\x03\x04rest").with_name("a.zip"));
    assert_eq!(error.kind(), ErrorKind::Compression);
    assert!(
        error.to_string().contains("a.zip: is a ZIP file") && error.to_string().contains("unzip -p"),
        "{error}"
    );
}

#[cfg(not(feature = "gzip"))]
#[test]
fn a_codec_that_is_not_compiled_in_is_named() {
    let error = failure(Source::memory(b"\x1f\x8b\x08").with_name("a.gz"));
    assert_eq!(error.kind(), ErrorKind::Compression);
    assert!(
        error.to_string().contains("a.gz: is compressed with gzip, which this build cannot read"),
        "{error}"
    );
}

#[test]
fn first_bytes_are_not_waited_for_longer_than_needed() {
    // Were more than one byte asked for, the second part would be reached, and it fails.
    let parts = [Ok(b"h".to_vec()), Err(io::Error::other("too far"))];
    let mut input = Source::reader(Parts(parts.into())).open().unwrap();
    assert_eq!(input.read_into(&mut [0; 100]).unwrap(), 1);
}

#[test]
fn an_error_of_the_disk_is_not_called_damage() {
    let mut packed = compress(*codecs().first().unwrap_or(&Codec::Plain), TEXT);
    packed.truncate(20);
    let parts = [Ok(packed), Err(io::Error::other("the cable was pulled"))];
    let error = failure(Source::reader(Parts(parts.into())).with_name("nfs.log"));
    assert_eq!(error.kind(), ErrorKind::Io);
    assert!(error.to_string().starts_with("nfs.log: cannot be read: the cable was pulled"), "{error}");
    assert_eq!(error.io_error().unwrap().to_string(), "the cable was pulled");

    let parts = [Err(io::Error::other("no tape"))];
    assert!(
        failure(Source::reader(Parts(parts.into()))).to_string().starts_with("the input: cannot be read")
    );
}

#[test]
fn what_is_opened_when_needed_is_named_and_can_be_opened_again() {
    let opened = Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let counter = Arc::clone(&opened);
    let open = move || {
        counter.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        Ok(Box::new(io::Cursor::new(TEXT)) as Box<dyn Read + Send>)
    };
    let source = Source::opener(open, Some(7)).with_name("store:a");
    let again = source.again().unwrap();
    assert_eq!(opened.load(std::sync::atomic::Ordering::Relaxed), 0);
    assert_eq!((source.total_bytes(), again.name().as_deref()), (Some(7), Some("store:a")));
    assert_eq!((read(source), read(again)), (TEXT.to_vec(), TEXT.to_vec()));
    assert_eq!(opened.load(std::sync::atomic::Ordering::Relaxed), 2);
    assert!(Source::stdin().again().is_none() && Source::memory(TEXT).again().is_none());

    let failing = || Err(Error::new(ErrorKind::Io, "is locked").with_hint("unlock it"));
    let error = Source::opener(failing, None).with_name("store:b").open().unwrap_err();
    assert_eq!(error.to_string(), "store:b: is locked; unlock it");
}

#[test]
fn a_reader_may_say_itself_what_to_do() {
    let own = Error::new(ErrorKind::Io, "was replaced").with_hint("read it again");
    let parts = [Ok(b"abc".to_vec()), Err(io::Error::other(own))];
    let error = failure(Source::reader(Parts(parts.into())).with_name("store:a"));
    assert_eq!(error.to_string(), "store:a: was replaced (at byte 3); read it again");
}

#[test]
fn read_gives_the_same_and_keeps_the_error() {
    let mut text = String::new();
    Source::memory(TEXT).open().unwrap().read_to_string(&mut text).unwrap();
    assert_eq!(text.as_bytes(), TEXT);
    if let Some(&codec) = codecs().first() {
        let packed = compress(codec, TEXT);
        let mut input = Source::memory(packed[..packed.len() - 1].to_vec()).open().unwrap();
        let error = input.read_to_end(&mut Vec::new()).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
        assert_eq!(error.downcast::<Error>().unwrap().kind(), ErrorKind::Compression);
    }
}

#[test]
fn progress_counts_raw_bytes() {
    use std::sync::atomic::Ordering::Relaxed;
    for codec in codecs() {
        let packed = compress(codec, &TEXT.repeat(1000));
        let mut input = Source::memory(packed.clone()).open().unwrap();
        let counter = input.bytes_in();
        io::copy(&mut input, &mut io::sink()).unwrap();
        assert_eq!(counter.load(Relaxed), packed.len() as u64);
        assert_eq!(input.offset(), (TEXT.len() * 1000) as u64);
    }
}

fn names(sources: &[Source]) -> Vec<String> {
    let file =
        |source: &Source| source.as_path().unwrap().file_name().unwrap().to_string_lossy().into_owned();
    sources.iter().map(file).collect()
}

#[test]
fn patterns_are_expanded() {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name);
    for name in ["b.log", "a.log", "c[1].log", ".hidden.log", "other.txt"] {
        fs_write(&at(name), TEXT);
    }
    std::fs::create_dir(at("d.log")).unwrap();
    std::fs::create_dir(at("sub")).unwrap();
    fs_write(&at("sub/e.log"), TEXT);

    let sources = expand([at("*.log")]).unwrap();
    assert_eq!(names(&sources), ["a.log", "b.log", "c[1].log"]);
    assert_eq!(names(&expand([at("c[1].log")]).unwrap()), ["c[1].log"], "what exists is meant");
    assert_eq!(names(&expand([at("?.log"), at("a.log")]).unwrap()), ["a.log", "b.log", "a.log"]);
    assert_eq!(names(&expand([at("**/*.log")]).unwrap()).len(), 4);
    for source in sources {
        assert_eq!(read(source), TEXT);
    }
    assert!(expand(["-"]).unwrap()[0].name().is_none());
    assert!(expand(Vec::<&str>::new()).unwrap().is_empty());
    assert_eq!(expand(["-", "-"]).unwrap_err().kind(), ErrorKind::Options);

    for (pattern, text) in [
        (at("*.gz"), "no file matches this pattern"),
        (at("nothing.log"), "no such file"),
        (at("[.log"), "no valid pattern"),
        (at("sub"), "is a directory"),
        (at("su*"), "matches only directories"),
        (PathBuf::new(), "no such file"),
    ] {
        let error = expand([&pattern]).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Io);
        assert!(error.to_string().contains(text), "{pattern:?}: {error}");
        assert_eq!(error.file().unwrap(), pattern.to_str().unwrap());
    }
    let error = expand([at("sub/")]).unwrap_err();
    assert!(error.to_string().contains(&format!("'{}/*'", at("sub").display())), "{error}");
}

fn fs_write(path: &Path, bytes: &[u8]) {
    std::fs::write(path, bytes).unwrap();
}

#[test]
fn files_that_cannot_be_opened() {
    let dir = tempfile::tempdir().unwrap();
    let error = Source::path(dir.path().join("gone")).open().unwrap_err();
    assert!(error.to_string().contains("gone: no such file"), "{error}");
    assert_eq!(error.io_error().unwrap().kind(), io::ErrorKind::NotFound);
    let error = Source::path(dir.path()).open().unwrap_err();
    assert!(error.to_string().contains("is a directory"), "{error}");
    assert!(error.hint().unwrap().contains("/*'"), "{error}");
    let error = open_error(Path::new("x"), io::ErrorKind::PermissionDenied.into());
    assert!(error.to_string().starts_with("x: permission denied; run as"), "{error}");
}

#[cfg(unix)]
#[test]
fn names_that_are_not_text() {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join(OsStr::from_bytes(b"caf\xe9*.log"));
    if std::fs::write(&path, TEXT).is_err() {
        return; // This file system takes only UTF-8.
    }
    let sources = expand([&path]).unwrap();
    assert!(sources[0].name().unwrap().ends_with(r"caf\xE9*.log"));
    assert_eq!(sources.len(), 1);
    let missing = dir.path().join(OsStr::from_bytes(b"\xff*"));
    assert!(expand([&missing]).unwrap_err().to_string().contains("no file matches"));
}

#[cfg(unix)]
#[test]
fn names_that_are_not_utf8_match_patterns_too() {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;
    let dir = tempfile::tempdir().unwrap();
    let odd = dir.path().join(OsStr::from_bytes(b"caf\xe9"));
    std::fs::create_dir(&odd).unwrap();
    for name in [&b"a\xff.log"[..], b"b.log", b".hidden.log", b"c.txt"] {
        std::fs::write(odd.join(OsStr::from_bytes(name)), "").unwrap();
    }
    let names = |pattern: &std::path::Path| -> Vec<Vec<u8>> {
        let sources = expand([pattern]).unwrap();
        let name = |source: &Source| source.as_path().unwrap().file_name().unwrap().as_bytes().to_vec();
        sources.iter().map(name).collect()
    };
    let expected = [&b"a\xff.log"[..], b"b.log"];
    assert_eq!(names(&odd.join("*.log")), expected);
    assert_eq!(names(&dir.path().join("c*/[ab]*")), expected);
    assert_eq!(names(&dir.path().join("**/?.log")), [&b"b.log"[..]]);
    assert_eq!(names(&dir.path().join("**/.h*")), [&b".hidden.log"[..]]);
}
