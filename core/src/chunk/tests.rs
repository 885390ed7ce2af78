//! No byte is lost, lines are whole, and memory is bounded.

use super::*;
use proptest::prelude::*;

/// All chunks of a text that comes in pieces of a size.
fn chunks(text: &[u8], piece: usize, options: &ParseOptions) -> Vec<Chunk> {
    let mut chunker = Chunker::new(options);
    let (mut chunks, mut at) = (vec![], 0);
    while at < text.len() {
        let space = chunker.space();
        let count = piece.min(space.len()).min(text.len() - at);
        assert!(count > 0);
        space[..count].copy_from_slice(&text[at..at + count]);
        chunker.advance(count);
        at += count;
        while let Some(chunk) = chunker.next(false).unwrap() {
            chunks.push(chunk);
        }
    }
    while let Some(chunk) = chunker.next(true).unwrap() {
        chunks.push(chunk);
    }
    chunks
}

proptest! {
    #[test]
    fn no_byte_is_lost_and_lines_are_whole(
        lines in proptest::collection::vec(0..3000usize, 0..20), piece in 1..5000usize, newline in any::<bool>(),
        returns in any::<bool>(),
    ) {
        let end: &[u8] = if returns { b"\r\n" } else { b"\n" };
        let mut text: Vec<u8> = lines.iter().flat_map(|&length| [&vec![b'x'; length], end].concat()).collect();
        if !newline { text.pop(); }
        let mut options = ParseOptions::new().with_max_line(1500);
        options.chunk = Some(1024);
        let (mut at, mut passed) = (0, 0);
        for chunk in chunks(&text, piece, &options) {
            prop_assert_eq!(chunk.offset, at as u64);
            passed += chunk.bytes;
            if chunk.too_long {
                let end = memchr(b'\n', &text[at..]).map_or(text.len(), |newline| at + newline);
                let line = text[at..end].strip_suffix(b"\r").unwrap_or(&text[at..end]);
                prop_assert!(line.len() > 1500);
                prop_assert_eq!(&chunk.padded[..chunk.length], line);
                at = (end + 1).min(text.len());
            } else {
                prop_assert_eq!(&chunk.padded[..chunk.length], &text[at..at + chunk.length]);
                at += chunk.length;
                prop_assert!(text[at - 1] == b'\n' || (at == text.len() && chunk.unterminated));
                prop_assert_eq!(chunk.padded.len(), chunk.length + PADDING);
                let behind = &chunk.padded[chunk.length..];
                prop_assert_eq!(behind[0], if chunk.unterminated { b'\n' } else { 0 });
                prop_assert!(behind[1..].iter().all(|&byte| byte == 0));
            }
        }
        prop_assert_eq!((at, passed), (text.len(), text.len() as u64));
    }
}

#[test]
fn memory_returns_to_the_pool() {
    let mut options = ParseOptions::new();
    options.chunk = Some(1024);
    let mut chunker = Chunker::new(&options);
    let line = [b'x'; 511].into_iter().chain([b'\n']).collect::<Vec<u8>>();
    let mut places = std::collections::HashSet::new();
    for _ in 0..100 {
        chunker.space()[..512].copy_from_slice(&line);
        chunker.advance(512);
        if let Some(chunk) = chunker.next(false).unwrap() {
            places.insert(chunk.padded.as_ptr());
        }
    }
    assert!(places.len() <= 2, "{}", places.len());
}

#[test]
fn few_lines_do_not_keep_much_memory() {
    let chunk = &chunks(b"a\nb", 2, &ParseOptions::new())[..];
    assert_eq!(chunk.len(), 2);
    assert!(chunk.iter().all(|chunk| chunk.padded.capacity() < 1000), "{chunk:?}");
    assert_eq!((&chunk[0].padded[..2], &chunk[1].padded[..2]), (&b"a\n"[..], &b"b\n"[..]));
}

#[test]
fn a_line_without_end_takes_little_memory() {
    let options = ParseOptions::new();
    let mut chunker = Chunker::new(&options);
    let mut largest = 0;
    for _ in 0..400 {
        let space = chunker.space();
        space.fill(b'x');
        let count = space.len();
        chunker.advance(count);
        assert!(chunker.next(false).unwrap().is_none());
        let kept = chunker.skipping.as_ref().map_or(0, |(_, raw)| raw.capacity());
        largest = largest.max(chunker.buffer.capacity() + kept);
    }
    assert!(chunker.offset > 100 << 20, "{}", chunker.offset);
    assert!(largest < 3 * ParseOptions::MAX_LINE, "{largest}");
    assert!(chunker.buffer.capacity() < 2 * ParseOptions::CHUNK);
    chunker.space()[..3].copy_from_slice(b"\na\n");
    chunker.advance(3);
    let long = chunker.next(false).unwrap().unwrap();
    assert!(long.too_long && !long.unterminated);
    assert_eq!((long.offset, long.length), (0, Reject::RAW_LIMIT));
    let rest = chunker.next(true).unwrap().unwrap();
    assert_eq!((&rest.padded[..2], rest.offset), (&b"a\n"[..], long.bytes));
    assert!(chunker.next(true).unwrap().is_none());
}

#[test]
fn buffers_of_long_lines_are_not_kept() {
    let mut options = ParseOptions::new();
    (options.chunk, options.max_line) = (Some(1024), Some(1 << 16));
    let line = [vec![b'x'; 60_000], vec![b'\n']].concat();
    let mut chunker = Chunker::new(&options);
    for mut rest in std::iter::repeat_n(&line[..], 20) {
        while !rest.is_empty() {
            let space = chunker.space();
            let count = space.len().min(rest.len());
            space[..count].copy_from_slice(&rest[..count]);
            chunker.advance(count);
            rest = &rest[count..];
            drop(chunker.next(rest.is_empty()).unwrap());
        }
    }
    let kept: usize = chunker.pool.kept.lock().unwrap().iter().map(Vec::capacity).sum();
    assert!(kept <= Pool::KEEP * 2 * (1024 + PADDING), "{kept}");
}

#[test]
fn the_limit_counts_no_line_end() {
    let options = ParseOptions::new().with_max_line(100);
    for (length, end, too_long) in [
        (100, "\n", false),
        (100, "\r\n", false),
        (100, "", false),
        (100, "\r", false),
        // One more carriage return is data; the parser, which sees whole lines, rejects these two.
        (101, "\n", false),
        (101, "", false),
        (101, "\r", true),
        (102, "", true),
    ] {
        let text = ["x".repeat(length), end.to_owned()].concat();
        for piece in [1, 1000] {
            let chunks = chunks(text.as_bytes(), piece, &options);
            assert_eq!(chunks.len(), 1);
            assert_eq!((chunks[0].too_long, chunks[0].bytes), (too_long, text.len() as u64), "{text:?}");
        }
    }
}

#[test]
fn the_end_of_a_damaged_input_is_no_line() {
    let options = ParseOptions { max_line: Some(100), chunk: Some(64), ..ParseOptions::default() };
    let given = |text: &[u8]| {
        let mut chunker = Chunker::new(&options);
        let mut given = vec![];
        for byte in text {
            chunker.space()[0] = *byte;
            chunker.advance(1);
            given.extend(chunker.next(false).unwrap());
        }
        chunker.forget_unended();
        while let Some(chunk) = chunker.next(true).unwrap() {
            given.push(chunk);
        }
        given.iter().map(|chunk| (chunk.length, chunk.too_long)).collect::<Vec<_>>()
    };
    assert_eq!(given(b"ab\ncd"), [(3, false)]);
    assert_eq!(given(b"ab\n"), [(3, false)]);
    assert_eq!(given(b"ab"), []);
    assert_eq!(given(&[b'x'; 101]), []);
    // However it goes on, this line is too long.
    assert_eq!(given(&[b'x'; 102]), [(102, true)]);
    assert_eq!(given(&[&[b'x'; 150][..], b"\nab\ncd"].concat()), [(150, true), (3, false)]);
    assert_eq!(given(&[&[b'x'; 150][..], b"\nab"].concat()), [(150, true)]);
}

#[test]
fn marks_at_the_start() {
    let options = ParseOptions::new();
    let marked = chunks(b"\xEF\xBB\xBFa\n", 1, &options);
    assert_eq!((&marked[0].padded[..2], marked[0].offset), (&b"a\n"[..], 3));
    let mut chunker = Chunker::new(&options);
    chunker.space()[..4].copy_from_slice(b"\xFF\xFEa\0");
    chunker.advance(4);
    assert_eq!(chunker.next(true).unwrap_err().kind(), ErrorKind::Encoding);
    assert!(chunks(b"", 1, &options).is_empty());
    assert!(chunks(b"\xEF\xBB\xBF", 1, &options).is_empty());
}

#[test]
fn an_archive_is_not_a_log() {
    let mut head = vec![0; 512];
    head[257..262].copy_from_slice(b"ustar");
    let error = start_of_text(&head).unwrap_err();
    assert!(error.to_string().starts_with("the input is a tar archive"), "{error}");
    head[257] = b'U';
    assert_eq!(start_of_text(&head).unwrap(), 0);
    assert_eq!(start_of_text(b"h").unwrap(), 0);
}
