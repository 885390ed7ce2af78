//! What this program is, and what it found.

use nasalogs::{Backend, Result};
use serde_json::{Value, json};

use crate::exit::Exit;
use crate::output;

/// Names of codecs and outputs, all of which this program is built with.
const INPUTS: [&str; 5] = ["plain", "gzip", "zstd", "bzip2", "xz"];

/// Says it, as JSON or for people.
pub fn run(json: bool) -> Result<Exit> {
    // A wrong NASALOGS_SIMD is an ailment to name, not a reason to be silent.
    let chosen = Backend::chosen();
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let text = if json {
        let backends: Vec<Value> = Backend::ALL
            .iter()
            .map(|backend| json!({"name": backend.name(), "available": backend.is_available()}))
            .collect();
        let report = json!({
            "version": env!("CARGO_PKG_VERSION"),
            "target": target(),
            "cpu": cpu(),
            "threads": threads,
            "backends": backends,
            "backend": chosen.as_ref().ok().map(|backend| backend.name()),
            "inputs": INPUTS,
            "outputs": outputs(),
            "formats": nasalogs::LogFormat::BUILT_IN,
            "features": FEATURES,
            "allocator": "mimalloc",
        });
        format!("{report:#}\n")
    } else {
        let backends: Vec<String> = Backend::ALL
            .iter()
            .map(|backend| match (backend.is_available(), chosen.as_ref()) {
                (true, Ok(used)) if used == backend => format!("{} (used)", backend.name()),
                (true, _) => backend.name().to_owned(),
                (false, _) => format!("{} (this processor has not got it)", backend.name()),
            })
            .collect();
        let rows = [
            ("version", env!("CARGO_PKG_VERSION").to_owned()),
            ("target", target()),
            ("processor", format!("{}, {threads} threads", cpu().as_deref().unwrap_or("unknown"))),
            ("backends", backends.join(", ")),
            ("inputs", INPUTS.join(", ")),
            ("outputs", outputs().join(", ")),
            ("formats", nasalogs::LogFormat::BUILT_IN.join(", ")),
            ("features", if FEATURES.is_empty() { "none".to_owned() } else { FEATURES.join(", ") }),
            ("allocator", "mimalloc".to_owned()),
        ];
        rows.iter().map(|(name, value)| format!("{name:10} {value}\n")).collect()
    };
    output::print(&text)?;
    chosen.map(|_| Exit::Clean)
}

/// What can be left out of this program and was not.
const FEATURES: &[&str] = &[
    #[cfg(feature = "aws")]
    "aws",
];

fn target() -> String {
    format!("{}-{}", std::env::consts::ARCH, std::env::consts::OS)
}

/// The processor's name, where the system tells it.
pub fn cpu() -> Option<String> {
    let info = std::fs::read_to_string("/proc/cpuinfo").ok()?;
    let line = info.lines().find(|line| line.starts_with("model name"))?;
    Some(line.split_once(':')?.1.trim().to_owned())
}

fn outputs() -> Vec<&'static str> {
    nasalogs::sink::OutputFormat::NAMES.to_vec()
}
