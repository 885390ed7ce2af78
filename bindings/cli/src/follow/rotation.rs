//! How rotated logs are called.

/// Endings of compressed logs.
const PACKED: [&str; 6] = [".gz", ".zst", ".bz2", ".xz", ".zstd", ".Z"];
/// Words that old logs are marked with instead of a number or a date.
const WORDS: [&str; 4] = ["old", "bak", "prev", "orig"];

/// The names that a file may have had before it was rotated: `access.log.1.gz` was `access.log.1`, and that was
/// `access.log`; `access-20240131.log` was `access.log`. Some of them may never have been.
pub(super) fn earlier_names(name: &str) -> Vec<String> {
    let mut names = Vec::new();
    let plain = PACKED.iter().find_map(|ending| name.strip_suffix(ending)).filter(|plain| !plain.is_empty());
    if let Some(plain) = plain {
        names.push(plain.to_owned());
    }
    let plain = plain.unwrap_or(name);
    names.extend(unmarked(plain).map(str::to_owned));
    if let Some((body, extension)) = plain.rsplit_once('.') {
        names.extend(unmarked(body).map(|stem| format!("{stem}.{extension}")));
    }
    names
}

/// Whether `name` is what `earlier` may be called after a rotation.
pub(super) fn is_rotated(name: &str, earlier: &str) -> bool {
    name != earlier && name.len() > earlier.len() && earlier_names(name).iter().any(|name| name == earlier)
}

/// Whether `name` is what `other` may be called after one rotation or several: it is a rotated form of that, or of what
/// that is a rotated form of.
pub(super) fn is_kin(name: &str, other: &str) -> bool {
    let (names, others) = (earlier_names(name), earlier_names(other));
    names.iter().any(|name| name == other || others.contains(name))
}

/// What stands before a mark at the end, for every reading of it.
fn unmarked(name: &str) -> impl Iterator<Item = &str> {
    name.char_indices()
        .filter(|&(at, separator)| at > 0 && matches!(separator, '.' | '-' | '_') && is_mark(&name[at + 1..]))
        .map(|(at, _)| &name[..at])
}

/// A number, a date, a time, or a word for old.
fn is_mark(mark: &str) -> bool {
    WORDS.contains(&mark)
        || (mark.starts_with(|first: char| first.is_ascii_digit())
            && mark.bytes().all(|byte| byte.is_ascii_digit() || b"-_.:+TZ".contains(&byte)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_rotated_logs() {
        for name in [
            "access.log.1",
            "access.log.12",
            "access.log.1.gz",
            "access.log.gz",
            "access.log-20240131",
            "access.log-20240131.zst",
            "access.log.2024-01-31_00-00-00",
            "access.log.20240131T235959Z",
            "access-20240131.log",
            "access_2024-01-31.log.xz",
            "access.1.log",
            "access.log.old",
            "access.log.0",
        ] {
            assert!(is_rotated(name, "access.log"), "{name}");
        }
        assert!(is_rotated("access.log.1.gz", "access.log.1"));
        for name in [
            "access.log",
            "error.log.1",
            "access.log.txt",
            "access.log.",
            "access.logs.1",
            "other",
            ".gz",
            "",
        ] {
            assert!(!is_rotated(name, "access.log"), "{name}");
        }
        assert!(!is_rotated("access.log", "access.log.1") && !is_kin("access.log", "access.log.1"));
        for name in ["access.log.2", "access.log.2.gz", "access.log.1.gz", "access-20240131.log"] {
            assert!(is_kin(name, "access.log") && is_kin(name, "access.log.1"), "{name}");
        }
        assert!(is_kin("access.log.1", "access.log.1") && !is_kin("access.log", "access.log"));
        assert!(!is_kin("error.log.2", "access.log.1"));
        assert!(is_rotated("größe.log.1", "größe.log"));
    }
}
