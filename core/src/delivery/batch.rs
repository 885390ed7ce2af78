//! What fits into one request.

/// The limits of a request, and how much of them is used.
#[derive(Debug, Clone)]
pub(super) struct Batch {
    max_records: usize,
    max_bytes: usize,
    pub(super) records: usize,
    pub(super) bytes: usize,
    /// Something did not fit, or nothing more would.
    pub(super) full: bool,
}

impl Batch {
    pub(super) fn new(max_records: usize, max_bytes: usize) -> Self {
        Self { max_records, max_bytes, records: 0, bytes: 0, full: false }
    }

    /// Adds a record of a size, if it fits.
    pub(super) fn add(&mut self, size: usize) -> bool {
        if self.full || self.bytes + size > self.max_bytes {
            self.full = true;
            return false;
        }
        self.records += 1;
        self.bytes += size;
        self.full = self.records == self.max_records || self.bytes == self.max_bytes;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_limits() {
        // What is added, whether it fits, whether the batch is full then.
        for (most, steps) in [
            (3, vec![(10, true, false), (90, true, true), (0, false, true)]),
            (3, vec![(10, true, false), (91, false, true), (1, false, true)]),
            (2, vec![(1, true, false), (1, true, true), (1, false, true)]),
        ] {
            let mut batch = Batch::new(most, 100);
            for (size, fits, full) in steps {
                assert_eq!((batch.add(size), batch.full), (fits, full));
            }
        }
    }
}
