//! Every line is a row, a reject or blank; what a reject says of itself is so; a projection changes nothing.
#![no_main]

use libfuzzer_sys::fuzz_target;
use nasalogs::Reject;
use nasalogs_fuzz::{choose, decode_whole};

fuzz_target!(|data: &[u8]| {
    let Some((options, log)) = choose(data) else { return };
    let Ok(given) = decode_whole(&options, log) else { return };
    let counts = given.counts;
    let log_proper = log.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(log);
    let newlines = log_proper.iter().filter(|&&byte| byte == b'\n').count() as u64;
    let unfinished = u64::from(log_proper.last().is_some_and(|&byte| byte != b'\n'));
    assert_eq!(counts.lines, newlines + unfinished);
    assert_eq!(counts.rows + counts.rejected() + counts.blanks, counts.lines);
    assert_eq!(counts.rows, given.rows.as_ref().map_or(0, |rows| rows.num_rows() as u64));
    assert_eq!(counts.rejected(), given.rejects.len() as u64);
    let mut last = 0;
    for reject in &given.rejects {
        assert!(reject.line > last && reject.line <= counts.lines);
        last = reject.line;
        assert!(reject.raw.len() <= Reject::RAW_LIMIT);
        assert!(!reject.text().contains(char::is_control));
        let start = reject.offset as usize;
        assert!(start == 0 || log[start - 1] == b'\n' || log[..start] == *b"\xEF\xBB\xBF");
        assert!(log[start..].starts_with(&reject.raw));
    }
    let narrow = decode_whole(&options.with_columns(["status"]), log);
    if let Ok(narrow) = narrow {
        assert_eq!((narrow.counts, narrow.rejects), (counts, given.rejects));
        assert_eq!(narrow.rows.map(|rows| rows.num_rows()), given.rows.map(|rows| rows.num_rows()));
    }
});
