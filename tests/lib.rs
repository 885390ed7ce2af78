//! What the integration tests share: where genuine logs are, and what a test does without them.

use std::io::Write;
use std::path::{Path, PathBuf};

/// The path of a genuine log, or `None` where there is none: the test then returns, having said `skipped: …`.
///
/// The logs are looked for in `NASALOGS_DATA`, or else in `../shared/data` beside the repository.
///
/// # Panics
/// When it is absent and `NASALOGS_NO_SKIPS` is `1`: a run that must not skip has to fail.
///
/// ```
/// if let Some(path) = nasalogs_tests::genuine("nasa/jul95_first_11277.log") {
///     assert!(path.exists());
/// }
/// ```
#[must_use]
pub fn genuine(name: &str) -> Option<PathBuf> {
    let beside = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/data");
    let path = std::env::var_os("NASALOGS_DATA").map_or_else(beside, PathBuf::from).join(name);
    if path.exists() {
        return Some(path);
    }
    let missing = format!("skipped: no genuine log at {}", path.display());
    assert!(std::env::var_os("NASALOGS_NO_SKIPS").is_none_or(|set| set != "1"), "{missing}");
    // Past the test harness, which swallows what a passing test prints.
    let _ = writeln!(std::io::stderr(), "{missing}");
    None
}
