//! Every backend gives what the scalar one gives.
#![no_main]

use libfuzzer_sys::fuzz_target;
use nasalogs::Backend;
use nasalogs_fuzz::{assert_same, choose, decode_whole};

fuzz_target!(|data: &[u8]| {
    let Some((options, log)) = choose(data) else { return };
    let scalar = decode_whole(&options.clone().with_backend(Backend::Scalar), log);
    for backend in Backend::available() {
        assert_same(&scalar, &decode_whole(&options.clone().with_backend(backend), log));
    }
});
