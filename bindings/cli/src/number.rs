//! Numbers for people.

pub use nasalogs::report::{grouped, size};

/// `1 file`, `2 files`.
pub fn counted(number: u64, noun: &str) -> String {
    format!("{} {noun}{}", grouped(number), if number == 1 { "" } else { "s" })
}

/// A share in percent that is 100 only when nothing is missing, and 0 only when nothing is there.
pub fn percent(part: u64, whole: u64) -> String {
    if part == whole {
        return "100%".to_owned();
    }
    let percent = part as f64 * 100.0 / whole as f64;
    match percent {
        _ if part == 0 => "0%".to_owned(),
        _ if percent > 99.9 => "more than 99.9%".to_owned(),
        _ if percent < 0.1 => "less than 0.1%".to_owned(),
        _ => format!("{percent:.1}%"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_read_well() {
        assert_eq!(
            ["0", "999", "1,000", "1,891,715"],
            [0, 999, 1000, 1_891_715].map(grouped).each_ref().map(String::as_str)
        );
        assert_eq!([size(999), size(1000), size(205_242_368)], ["999 bytes", "1.0 kB", "205.2 MB"]);
        assert_eq!([counted(1, "file"), counted(0, "file")], ["1 file", "0 files"]);
        assert_eq!(
            [percent(1, 1), percent(99_999, 100_000), percent(1, 3)],
            ["100%", "more than 99.9%", "33.3%"]
        );
    }
}
