//! Where batches go.

#[cfg(feature = "parquet")]
pub mod parquet;
