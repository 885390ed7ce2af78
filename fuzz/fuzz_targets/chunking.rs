//! However a log is cut, and in pieces of whatever size it comes: the same rows and rejects.
#![no_main]

use libfuzzer_sys::fuzz_target;
use nasalogs_fuzz::{assert_same, choose, decode, decode_whole};

fuzz_target!(|data: &[u8]| {
    let Some((&[chunk, seed], rest)) = data.split_first_chunk() else { return };
    let Some((options, log)) = choose(rest) else { return };
    let whole = decode_whole(&options, log);
    let options = options.with_chunk(1024 + usize::from(chunk) * 8);
    assert_same(&whole, &decode_whole(&options, log));
    // A small generator of its own: the pieces are as many as the log needs.
    let mut state = u32::from(seed) + 1;
    let pieces = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as usize % 97
    };
    assert_same(&whole, &decode(&options, log, pieces));
});
