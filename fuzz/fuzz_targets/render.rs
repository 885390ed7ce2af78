//! A line that was written from a record reads back as the same record, and is written the same again.
#![no_main]

use libfuzzer_sys::fuzz_target;
use nasalogs::Value;
use nasalogs_fuzz::choose;

fuzz_target!(|data: &[u8]| {
    let Some((options, log)) = choose(data) else { return };
    let format = options.format.expect("one was chosen");
    for record in format.records(log).flatten() {
        let line = record.render();
        let again = format.parse_line(&line).expect("what was written can be read");
        let values: Vec<Value<'_>> = record.values().map(|(_, value)| value).collect();
        assert_eq!(again.values().map(|(_, value)| value).collect::<Vec<_>>(), values);
        assert_eq!(again.render(), line);
    }
});
