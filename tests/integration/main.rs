//! One integration binary.

mod cli;
mod cli_convert;
mod cli_ddl;
mod cli_error;
mod cli_generate;
mod cli_info;
mod cli_report;
mod cli_serve;
mod cli_signal;
mod cli_stream;
mod cli_stream_fault;
mod cli_stream_loss;
mod cli_stream_outage;
mod cli_stream_seed;
mod cli_stream_table;
mod cli_stream_table_fault;
mod golden;
