//! Records that nobody should have sent.

use super::*;

/// The record with its checksum made right, so that what is behind it is looked at too.
fn repaired(mut data: Vec<u8>) -> Vec<u8> {
    if data.starts_with(&block::MAGIC) && data.len() >= block::HEADER {
        let mut crc = flate2::Crc::new();
        crc.update(&data[..36]);
        crc.update(&data[40..]);
        data[36..40].copy_from_slice(&crc.sum().to_le_bytes());
    } else if data.starts_with(&kpl::MAGIC) && data.len() > 20 {
        let end = data.len() - 16;
        let digest = Md5::digest(&data[4..end]);
        data[end..].copy_from_slice(&digest);
    }
    data
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn nothing_panics(data in prop::collection::vec(any::<u8>(), 0..200), prefix in 0..6usize, key in any::<String>()) {
        let prefix: &[u8] = match prefix {
            0 => &block::MAGIC,
            1 => &kpl::MAGIC,
            2 => b"\x1F\x8B\x08",
            3 => b"\x28\xB5\x2F\xFD",
            4 => b"{\"ip\":\"h\",\"timestamp\":",
            _ => b"",
        };
        let data = [prefix, &data].concat();
        RecordDecoder::default().decode(&data, &key, &mut |_| ());
    }

    /// One byte of a record is another: the lines may be others, but nothing panics; a block and an aggregate notice.
    #[test]
    fn damage_is_seen(
        lines in prop::collection::vec(made(), 1..10),
        form in prop::sample::select(vec![RecordForm::Kpl, RecordForm::Block]),
        at in any::<prop::sample::Index>(),
        bits in 1..=255u8,
    ) {
        let (records, _) = packed(EncodeOptions::new(form), &lines, false, 1000);
        let mut data = records[0].data.to_vec();
        let at = at.index(data.len());
        data[at] ^= bits;
        let mut damaged = 0;
        RecordDecoder::default().decode(&data, "", &mut |item| {
            damaged += usize::from(matches!(item, Item::Damaged { .. }));
        });
        if form == RecordForm::Block && at >= block::MAGIC.len() {
            prop_assert_eq!(damaged, 1);
        }
        prop_assert_ne!(RecordDecoder::packing(&data), Packing::Kpl);
    }

    /// Whoever damages a record on purpose makes its checksum right.
    #[test]
    fn checksums_are_not_trusted(
        lines in prop::collection::vec(made(), 1..10),
        form in prop::sample::select(vec![RecordForm::Kpl, RecordForm::Block]),
        edits in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
        header in any::<bool>(),
        cut in prop::option::weighted(0.2, any::<prop::sample::Index>()),
        limit in prop_oneof![Just(100usize), Just(1 << 20)],
    ) {
        let (records, _) = packed(EncodeOptions::new(form), &lines, header, 1000);
        let mut data = records[0].data.to_vec();
        for (at, byte) in edits {
            // Most of a record is text, in which there is little to find.
            let places = if header { data.len().min(48) } else { data.len() };
            data[at.index(places)] = byte;
        }
        if let Some(cut) = cut {
            data.truncate(cut.index(data.len()));
        }
        let data = repaired(data);
        let (mut given, mut last) = (0, None);
        RecordDecoder::new(DecodeOptions::new().with_limit(limit)).decode(&data, "", &mut |item| {
            if let Item::Line { bytes, id } = item {
                given += bytes.len();
                // Within a block, offsets grow.
                let now = id.filter(|_| data.starts_with(&block::MAGIC)).map(|id| id.offset);
                assert!(now.is_none() || now > last, "{now:?} behind {last:?}");
                last = now;
            }
        });
        prop_assert!(given <= limit + data.len(), "{} bytes", given);
    }
}

/// What the header of a block says has to be so.
#[test]
fn headers_that_lie() {
    let honest = one(RecordForm::Block, &[(b"one", 0, 4), (b"two", 9, 13)]).data.to_vec();
    let lie = |at: usize, bytes: &[u8]| {
        let mut data = honest.clone();
        data[at..at + bytes.len()].copy_from_slice(bytes);
        items(&repaired(data), 1000).join("; ")
    };
    for (at, bytes, complaint) in [
        (4, &[2][..], "version 2"),
        (5, &[1], "flags 0x01"),
        (6, &[0, 1], "only version 1"),
        (16, &[0xFF; 8], "beyond the last offset"),
        (16, &[0xF7, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF], "beyond the last offset"),
        (24, &[3, 0, 0, 0], "holds 2 lines, its header says 3"),
        (24, &[1, 0, 0, 0], "holds 2 lines, its header says 1"),
        (28, &[0, 0, 0, 0], "lines"),
        (28, &[0xFF, 0xFF, 0xFF, 0xFF], "no room"),
        (32, &[21, 0, 0, 0], "holds 20 bytes"),
        (32, &[19, 0, 0, 0], "more than the limit"),
        (32, &[0xFF, 0xFF, 0xFF, 0xFF], "more than the limit"),
        (40, b"nozstd", "damaged"),
        // The content is too short to be compressed: the gap is what the record ends with.
        (honest.len() - 12, &[2, 0, 0, 0], "impossible gap"),
    ] {
        let found = lie(at, bytes);
        assert!(found.starts_with("damaged") && found.contains(complaint), "{at} {bytes:?}: {found}");
    }
    assert!(items(&honest[..39], 1000)[0].contains("fewer than its header"));
    assert!(items(&honest[..honest.len() - 1], 1000)[0].contains("checksum"));
}

/// The limit is for all parts of a record together.
#[test]
fn many_bombs_in_one_record() {
    let zstd = zstd::bulk::compress(&vec![b'x'; 1 << 20], 3).unwrap();
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    gzip.write_all(&vec![b'x'; 1 << 14]).unwrap();
    let aggregate = |bomb: &[u8]| {
        let mut message = Vec::new();
        for _ in 0..100 {
            let mut record = vec![0x08, 0, 0x1A, bomb.len() as u8];
            record.extend_from_slice(bomb);
            message.extend_from_slice(&[0x1A, record.len() as u8]);
            message.extend_from_slice(&record);
        }
        [&kpl::MAGIC[..], &message, &Md5::digest(&message)].concat()
    };
    let found = items(&aggregate(&zstd), 5 << 20);
    let damaged = found.iter().filter(|item| item.starts_with("damaged")).count();
    assert_eq!((found.len(), damaged), (100, 95));
    // One that does not fit has had its share, too: nothing is left for those behind it.
    for (bomb, size) in [(zstd, 1 << 20), (gzip.finish().unwrap(), 1 << 14)] {
        let mut limits = Vec::new();
        let options = DecodeOptions::new().with_limit(size - 1);
        RecordDecoder::new(options).decode(&aggregate(&bomb), "k", &mut |item| match item {
            Item::Damaged { error, .. } => limits.push(error.message().to_owned()),
            other => panic!("{other:?}"),
        });
        assert!(limits[0].contains(&format!("limit of {} bytes", size - 1)), "{}", limits[0]);
        assert!(limits[1..].iter().all(|text| text.contains("limit of 0 bytes")), "{}", limits[1]);
    }
}

#[test]
fn a_window_is_bounded() {
    let mut encoder = zstd::stream::Encoder::new(Vec::new(), 1).unwrap();
    encoder.window_log(27).unwrap();
    encoder.write_all(b"a line\n").unwrap();
    let data = encoder.finish().unwrap();
    assert!(items(&data, 1000)[0].starts_with("damaged"));
}
