//! nasalogs at the shell.
fn main() {}
