//! The program `nasalogs`: the library beside it, with an allocator.

use std::process::ExitCode;

// Batches are large and short-lived: glibc's allocator gives their pages back and faults them in again, which halves
// the speed of parsing.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    ExitCode::from(nasalogs_cli::run(std::env::args_os()))
}
