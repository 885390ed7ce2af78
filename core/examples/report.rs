//! Counts logs on several threads and prints the first URLs.
//!
//! `cargo run --release --example report -- access.log`

use std::sync::{Arc, Mutex, mpsc};
use std::time::Instant;

use nasalogs::report::{Account, COLUMNS, Cube, CubeOptions, ReportOptions, Tally};
use nasalogs::{ParseOptions, ReaderBuilder, Result};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> Result<()> {
    let inputs: Vec<String> = std::env::args().skip(1).collect();
    let options = ReportOptions::new().with_approx(std::env::var_os("APPROX").is_some());
    let threads = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let begun = Instant::now();
    let wanted = ["host", "ts", "method", "path", "protocol", "status", "bytes"];
    debug_assert!(wanted.iter().all(|column| COLUMNS.contains(column)));
    let mut reader =
        ReaderBuilder::new().with_options(ParseOptions::new().with_columns(wanted)).open(&inputs)?;

    let (send, receive) = mpsc::sync_channel(2 * threads);
    let receive = Arc::new(Mutex::new(receive));
    let tally = std::thread::scope(|scope| -> Result<Tally> {
        let count = || {
            let mut tally = Tally::new(&options);
            loop {
                let Ok(batch) = receive.lock().expect("no thread panicked").recv() else { return Ok(tally) };
                tally.push(&batch)?;
            }
        };
        let counting: Vec<_> = (0..threads).map(|_| scope.spawn(count)).collect();
        while let Some(batch) = reader.next_batch()? {
            send.send(batch).expect("the threads end when this does");
        }
        drop(send);
        let mut tallies = counting.into_iter().map(|thread| thread.join().expect("no thread panicked"));
        let mut whole = tallies.next().unwrap_or_else(|| Ok(Tally::new(&options)))?;
        tallies.try_for_each(|tally| whole.merge(tally?))?;
        Ok(whole)
    })?;
    let counted = begun.elapsed();
    let report = tally.report(&Account::default(), 10);
    for url in &report.urls.rows {
        println!("{:>9} {:>7} {}", url.requests, url.hosts.unwrap_or(0), url.name.escape_debug());
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
