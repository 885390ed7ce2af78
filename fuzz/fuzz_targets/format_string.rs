//! Any text is a format or an error that shows where; a format reads any line without harm.
#![no_main]

use libfuzzer_sys::fuzz_target;
use nasalogs::{LogFormat, ParseOptions};
use nasalogs_fuzz::decode_whole;

fuzz_target!(|data: &[u8]| {
    let split = data.iter().position(|&byte| byte == b'\n').unwrap_or(data.len());
    let (text, log) = (&data[..split], data.get(split + 1..).unwrap_or_default());
    let Ok(text) = std::str::from_utf8(text) else { return };
    match text.parse::<LogFormat>() {
        Err(error) => assert!(!error.to_string().is_empty()),
        Ok(format) => {
            let names: Vec<&str> = format.columns().map(|column| column.name.as_ref()).collect();
            assert!(!names.is_empty());
            for (index, name) in names.iter().enumerate() {
                assert!(!names[..index].contains(name), "{name} occurs twice");
                assert!(name.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_')), "{name}");
            }
            if format.name() == "custom" {
                assert_eq!(format.pattern().parse::<LogFormat>().expect("a format's own pattern"), format);
            }
            let options = ParseOptions::new().with_format(format);
            if let Ok(given) = decode_whole(&options, log) {
                let counts = given.counts;
                assert_eq!(counts.rows + counts.rejected() + counts.blanks, counts.lines);
            }
        }
    }
});
