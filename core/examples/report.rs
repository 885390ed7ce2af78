//! Counts logs on several threads and prints the first URLs.
//!
//! `cargo run --release --example report -- access.log`

use std::io::Write;
use std::sync::Arc;
use std::time::Instant;

use nasalogs::report::{Account, COLUMNS, Cube, CubeOptions, ReportOptions, Tallies};
use nasalogs::{ParseOptions, ReaderBuilder};

type Result<T = (), E = Box<dyn std::error::Error>> = std::result::Result<T, E>;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> Result {
    let inputs: Vec<String> = std::env::args().skip(1).collect();
    let options = ReportOptions::new().with_approx(std::env::var_os("APPROX").is_some());
    let begun = Instant::now();
    let wanted = ["host", "ts", "method", "path", "protocol", "status", "bytes"];
    debug_assert!(wanted.iter().all(|column| COLUMNS.contains(column)));
    let tallies = Arc::new(Tallies::new(options));
    let counting = Arc::clone(&tallies);
    let mut reader = ReaderBuilder::new()
        .with_options(ParseOptions::new().with_columns(wanted))
        .with_map(move |batch| counting.push(&batch).map(|()| batch.slice(0, 0)))
        .open(&inputs)?;
    while reader.next_batch()?.is_some() {}
    let tally = tallies.merge()?;
    let counted = begun.elapsed();
    let report = tally.report(&Account::default(), 10);
    let mut out = std::io::stdout().lock();
    for url in &report.urls.rows {
        let hosts = url.hosts.unwrap_or(0);
        writeln!(out, "{:>9} {hosts:>7} {}", url.requests, url.name.escape_debug())?;
    }
    eprintln!("counted in {counted:?}, answered in {:?}, {} MB", begun.elapsed(), tally.memory() / 1_000_000);

    if std::env::var_os("CUBE").is_some() {
        let begun = Instant::now();
        let mut cube = Cube::new(&tally, &CubeOptions::new());
        let options = ParseOptions::new().with_columns(wanted);
        let mut reader = ReaderBuilder::new().with_options(options).open(&inputs)?;
        while let Some(batch) = reader.next_batch()? {
            cube.push(&batch)?;
        }
        eprintln!("{} cells in {:?}", cube.len(), begun.elapsed());
        let encoded = cube.encode();
        eprintln!(
            "{} cells, {} sampled 1 of {}, {} bytes, {:?}, {:?}",
            encoded.meta.cells,
            encoded.meta.sample.cells,
            encoded.meta.sample.rate,
            encoded.data.len(),
            encoded.meta.coarse,
            begun.elapsed()
        );
    }
    Ok(())
}
