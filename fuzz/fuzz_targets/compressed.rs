//! Any bytes, read as whatever they say they are: an end or an error, and never more at once than was asked for.
#![no_main]

use libfuzzer_sys::fuzz_target;
use nasalogs::source::Source;

/// A small input can hold gigabytes: this much is enough to see.
const ENOUGH: usize = 1 << 20;

fuzz_target!(|data: &[u8]| {
    let Ok(mut input) = Source::memory(data.to_vec()).open() else { return };
    let mut buffer = vec![0; 4096];
    let mut total = 0;
    while total < ENOUGH {
        match input.read_into(&mut buffer) {
            Ok(0) => break,
            Ok(count) => {
                assert!(count <= buffer.len());
                total += count;
            }
            Err(error) => {
                assert!(!error.to_string().is_empty());
                break;
            }
        }
    }
});
