//! The module `nasalogs._core`: the crate `nasalogs`, in shapes that Python expects.
//!
//! Whatever waits or computes does so detached from the interpreter; whatever a Python object has to be asked for attaches
//! for as long as that takes. No class can be changed after it was made, and all can be used from many threads.

mod batch;
mod capsule;
mod choice;
mod convert;
mod detect;
mod error;
mod event;
mod file;
mod generate;
mod input;
mod layout;
mod parse;
mod pass;
mod reader;
mod record;
mod reject;
mod report;
mod schema;
mod signal;
mod summary;
mod value;

use pyo3::prelude::*;

// Batches are large and short-lived: glibc's allocator gives their pages back and faults them in again, which halves
// the speed of parsing.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// The compiled half of the package `nasalogs`, which is where to look for what is offered.
#[pymodule(gil_used = false)]
mod _core {
    #[pymodule_export]
    use super::batch::RecordBatch;
    #[pymodule_export]
    use super::convert::{command_line, convert};
    #[pymodule_export]
    use super::detect::{Detection, detect};
    #[pymodule_export]
    use super::event::{
        KinesisBatch, Requests, StreamReject, deliver, parse_kinesis_event, requests,
        transform_firehose_event,
    };
    #[pymodule_export]
    use super::generate::{Traffic, generate};
    #[pymodule_export]
    use super::parse::parse;
    #[pymodule_export]
    use super::reader::{Batches, Reader, read};
    #[pymodule_export]
    use super::record::{Record, parse_line};
    #[pymodule_export]
    use super::reject::Reject;
    #[pymodule_export]
    use super::report::{Report, report};
    #[pymodule_export]
    use super::schema::{Field, Schema, schema};
    #[pymodule_export]
    use super::summary::Summary;

    use pyo3::prelude::*;

    #[pymodule_init]
    fn init(module: &Bound<'_, PyModule>) -> PyResult<()> {
        super::signal::remember_main_thread(module.py())?;
        module.add("__version__", env!("CARGO_PKG_VERSION"))?;
        // Built without optimisation it is some ten times slower: a bench should be able to tell.
        module.add("__debug_build__", cfg!(debug_assertions))
    }
}
