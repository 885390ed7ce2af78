//! Where an answer goes, and in which shape.

use std::io::{self, IsTerminal};
use std::path::{Path, PathBuf};
use std::time::Instant;

use nasalogs::arrow::array::{RecordBatch, RecordBatchOptions};
use nasalogs::arrow::datatypes::SchemaRef;
use nasalogs::sink::{self, BatchSink, OutputFormat, SinkOptions};
use nasalogs::{Error, ErrorKind, Result};
use nasalogs_datafusion::datafusion::sql::parser::Statement;

use super::grid::Grid;
use super::json::JsonArray;
use super::parquet::ParquetFile;
use super::{Args, statement};
use crate::interrupt::{Held, Stop};
use crate::output::{Output, STANDARD};
use crate::paths;
use crate::terminal::Terminal;

/// The shape of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Shape {
    /// Columns of text, for people
    Table,
    /// Comma-separated values with a header
    Csv,
    /// A JSON object a line
    Ndjson,
    /// One JSON array of objects
    Json,
    /// Apache Parquet
    Parquet,
    /// Arrow IPC
    Arrow,
}

impl Shape {
    fn of(path: &Path) -> Result<Self> {
        let extension =
            path.extension().and_then(|extension| extension.to_str()).map(str::to_ascii_lowercase);
        match extension.as_deref() {
            Some("txt") => Ok(Self::Table),
            Some("json") => Ok(Self::Json),
            _ => OutputFormat::from_path(path).map(|format| match format {
                OutputFormat::Parquet => Self::Parquet,
                OutputFormat::Arrow => Self::Arrow,
                OutputFormat::Csv => Self::Csv,
                _ => Self::Ndjson,
            }),
        }
        .map_err(|error| error.with_hint("pass --output with a shape"))
    }

    /// As the library writes it; none for what is written here.
    fn format(self) -> Option<OutputFormat> {
        match self {
            Self::Table | Self::Json | Self::Parquet => None,
            Self::Csv => Some(OutputFormat::Csv),
            Self::Ndjson => Some(OutputFormat::Ndjson),
            Self::Arrow => Some(OutputFormat::Arrow),
        }
    }
}

/// Where answers go.
#[derive(Debug, Clone)]
pub struct Target {
    shape: Shape,
    path: Option<PathBuf>,
    overwrite: bool,
    talk: bool,
}

impl Target {
    /// What the command line says.
    ///
    /// # Errors
    /// When that does not go together, or with the statements.
    pub fn new(args: &Args, inputs: &[PathBuf], statements: &[Statement]) -> Result<Self> {
        let target = Self::of(args, inputs, false)?;
        let one =
            target.path.is_some() || matches!(target.shape, Shape::Json | Shape::Parquet | Shape::Arrow);
        if one && statements.iter().filter(|statement| statement::answers(statement)).count() > 1 {
            return Err(Error::new(
                ErrorKind::Options,
                "one output cannot take the answers of several statements",
            )
            .with_hint("run them one by one"));
        }
        Ok(target)
    }

    /// For a talk at the prompt.
    ///
    /// # Errors
    /// When the options do not go together.
    pub fn talk(args: &Args) -> Result<Self> {
        Self::of(args, &[], true)
    }

    fn of(args: &Args, inputs: &[PathBuf], talk: bool) -> Result<Self> {
        let path = args.out.clone().filter(|path| path.as_os_str() != STANDARD);
        if talk && path.is_some() {
            return Err(
                Error::new(ErrorKind::Options, "--out is for one statement").with_hint("name the statement")
            );
        }
        let shape = match (args.output, &path) {
            (Some(shape), _) => shape,
            (None, Some(path)) => Shape::of(path)?,
            (None, None) => Shape::Table,
        };
        if path.is_none() && matches!(shape, Shape::Parquet | Shape::Arrow) && io::stdout().is_terminal() {
            return Err(Error::new(ErrorKind::Options, "this shape is nothing for a terminal")
                .with_hint("name a file with --out, or redirect"));
        }
        let tables = args.tables.iter().map(|(_, path)| path);
        let read = inputs.iter().chain(tables).chain(&args.file).filter(|input| !input.is_dir());
        paths::check(&read.cloned().collect::<Vec<_>>(), &[("--out", path.as_deref())])?;
        Ok(Self { shape, path, overwrite: args.overwrite, talk })
    }

    /// Whether someone sits there.
    pub fn is_talk(&self) -> bool {
        self.talk
    }

    /// Begins an answer.
    ///
    /// # Errors
    /// When the output cannot be written, or cannot hold such columns.
    pub fn open(&self, schema: &SchemaRef, stop: &Stop, begun: Instant) -> Result<Answer> {
        let sink: Box<dyn BatchSink> = match (self.shape, self.shape.format()) {
            (_, Some(format)) => sink::create(self.place(), schema.clone(), &SinkOptions::new(format))?,
            (Shape::Json, None) => Box::new(JsonArray::try_new(self.output()?, schema, self.is_shown())?),
            (Shape::Parquet, None) => Box::new(ParquetFile::try_new(self.output()?, schema)?),
            (_, None) => {
                Box::new(Grid::new(self.output()?, schema, self.is_shown(), self.talk.then_some(begun)))
            }
        };
        Ok(Answer { sink: Held::new(sink, stop), schema: schema.clone() })
    }

    /// Whether it goes to a terminal.
    fn is_shown(&self) -> bool {
        self.path.is_none() && io::stdout().is_terminal()
    }

    fn place(&self) -> sink::Output {
        match &self.path {
            Some(path) => sink::Output::File { path: path.clone(), overwrite: self.overwrite },
            None if self.is_shown() => sink::Output::Writer(Box::new(Terminal::new(io::stdout()))),
            None => sink::Output::Stdout,
        }
    }

    fn output(&self) -> Result<Output> {
        match &self.path {
            Some(path) => sink::AtomicFile::create(path, self.overwrite).map(Output::File),
            None => Output::create(Path::new(STANDARD)),
        }
    }
}

/// An answer that is being written.
pub struct Answer {
    sink: Held<Box<dyn BatchSink>>,
    schema: SchemaRef,
}

impl Answer {
    /// Writes some rows.
    ///
    /// # Errors
    /// As the sink has them.
    pub fn write(&mut self, batch: &RecordBatch) -> Result<()> {
        // A plan can be less strict about what may be null than its batches are.
        let counted = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
        let batch =
            RecordBatch::try_new_with_options(self.schema.clone(), batch.columns().to_vec(), &counted)?;
        self.sink.with(|sink| sink.write(&batch))
    }

    /// Completes it.
    ///
    /// # Errors
    /// As the sink has them, or that someone asked to stop.
    pub fn finish(self, stop: &Stop) -> Result<()> {
        stop.check()?;
        self.sink.finish(|sink| sink.finish().map(|_| ()))
    }
}
