//! How much memory there is.

use std::fs;

/// Where nothing is known.
const USUAL: u64 = 4_000_000_000;

/// The bytes of memory of this machine, or of the container, where that has less.
pub(crate) fn total() -> u64 {
    let machine = fs::read_to_string("/proc/meminfo").ok().and_then(|text| machine(&text));
    let container = ["/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"]
        .iter()
        .find_map(|path| fs::read_to_string(path).ok()?.trim().parse::<u64>().ok());
    [machine, container].into_iter().flatten().min().unwrap_or(USUAL)
}

fn machine(text: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()?.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_known_or_guessed() {
        assert_eq!(machine("MemTotal:       24571384 kB\nMemFree: 1 kB\n"), Some(24_571_384 * 1024));
        assert_eq!(machine("nonsense"), None);
        assert!(total() > 1 << 20);
    }
}
