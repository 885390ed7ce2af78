//! What was written.

/// What became of the lines, and of what they were written to. `rows + rejected + blanks == lines`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Rolls.
    pub rolls: u64,
    /// Lines.
    pub lines: u64,
    /// Lines that became rows.
    pub rows: u64,
    /// Lines that were rejected.
    pub rejected: u64,
    /// Lines that are empty or only blanks.
    pub blanks: u64,
    /// Bytes of log.
    pub bytes_in: u64,
    /// Files that were put.
    pub files: u64,
    /// Files that were there already, from a run that ended before it could say so.
    pub files_there: u64,
    /// Bytes of the files that were put.
    pub bytes_out: u64,
}

impl Counts {
    /// Adds another's.
    pub fn add(&mut self, other: &Self) {
        self.rolls += other.rolls;
        self.lines += other.lines;
        self.rows += other.rows;
        self.rejected += other.rejected;
        self.blanks += other.blanks;
        self.bytes_in += other.bytes_in;
        self.files += other.files;
        self.files_there += other.files_there;
        self.bytes_out += other.bytes_out;
    }
}
