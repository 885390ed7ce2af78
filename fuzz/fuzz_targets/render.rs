//! A line that was written from a record reads back as the same record, and is written the same again.
#![no_main]

use libfuzzer_sys::fuzz_target;
use nasalogs::Value;
use nasalogs_fuzz::choose;

/// In milliseconds since 1970.
const YEAR_10000: i64 = 253_402_300_800_000;

fuzz_target!(|data: &[u8]| {
    let Some((options, log)) = choose(data) else { return };
    let format = options.format.expect("one was chosen");
    for record in format.records(log).flatten() {
        // The leap second that ends the year 9999 is the first instant of a year that has no form.
        let local = record.ts().unwrap_or(0) + record.tz_offset().unwrap_or(0) * 60_000;
        if local >= YEAR_10000 {
            continue;
        }
        let line = record.render();
        let again = format.parse_line(&line).expect("what was written can be read");
        let values: Vec<Value<'_>> = record.values().map(|(_, value)| value).collect();
        assert_eq!(again.values().map(|(_, value)| value).collect::<Vec<_>>(), values);
        assert_eq!(again.render(), line);
    }
});
