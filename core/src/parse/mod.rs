//! Stage 2: from the places of structural bytes to columns.
//!
//! Lines of the expected shape stay rows of a matrix of places, and each field is read down its columns. All others go
//! through the careful parser ([`line`]), which gives each of them a row of places of its own, so that what
//! follows does not know the difference.

mod build;
pub(crate) mod line;
pub(crate) mod plan;
mod rows;
mod value;

use std::sync::Arc;

use arrow::array::{
    ArrayRef, AsArray, Int32Array, Int64Array, RecordBatch, RecordBatchOptions, new_null_array,
};
use arrow::datatypes::SchemaRef;

use crate::chunk::Chunk;
use crate::column::encode::{self, Encoder};
use crate::column::matrix::{Edge, Matrix, Row};
use crate::column::text::{TextColumn, fill_one};
use crate::field::time::ClfCache;
use crate::format::LogFormat;
use crate::index::Index;
use crate::options::{Encoding, ParseOptions, StringType};
use crate::reject::{RejectCounts, RejectEntry, RejectReason, Rejects};
use crate::schema;
use crate::simd::Backend;

use build::{Build, Texts};
use line::{LineParser, Span};
use plan::Plan;
use rows::{Find, Shape};
use value::{Read, Values};

/// What a chunk gave.
#[derive(Debug)]
pub(crate) struct Parsed {
    pub(crate) batch: RecordBatch,
    pub(crate) rejects: Rejects,
    pub(crate) counts: RejectCounts,
    pub(crate) lines: u64,
    pub(crate) blanks: u64,
    /// How many bytes of log the chunk had.
    pub(crate) bytes: u64,
}

/// What a column of the output comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Origin {
    /// A column of a field.
    Field {
        field: usize,
        column: usize,
    },
    Line,
    ByteOffset,
    Raw,
    File,
    /// The format has no such column.
    Null,
}

/// What all workers share about a run: the compiled format and what is wanted of it.
#[derive(Debug, Clone)]
pub(crate) struct Job {
    plan: Plan,
    shape: Shape,
    origins: Vec<Origin>,
    /// Which columns of each field are wanted.
    wanted: Vec<Vec<bool>>,
    nullable: Vec<bool>,
    pub(crate) schema: SchemaRef,
    encoding: Encoding,
    strings: StringType,
    max_line: usize,
    backend: Backend,
    /// Whether rejected lines are kept, or only counted and the first kept.
    pub(crate) keep_rejects: bool,
}

impl Job {
    /// Compiles a format. The columns are those of the batches; one that the format does not have is null.
    pub(crate) fn new(
        options: &ParseOptions,
        format: &LogFormat,
        columns: &[schema::Column],
        backend: Backend,
    ) -> Self {
        let origins: Vec<Origin> = columns.iter().map(|column| origin(format, &column.name)).collect();
        let mut wanted: Vec<Vec<bool>> =
            format.fields().map(|field| vec![false; field.columns.len()]).collect();
        for origin in &origins {
            if let Origin::Field { field, column } = *origin {
                wanted[field][column] = true;
            }
        }
        let plan = Plan::new(format);
        Self {
            shape: Shape::new(&plan),
            nullable: format.fields().map(|field| field.columns[0].nullable).collect(),
            plan,
            origins,
            wanted,
            schema: schema::arrow_schema(columns, options),
            encoding: options.encoding,
            strings: options.strings,
            max_line: options.max_line_bytes(),
            backend,
            keep_rejects: true,
        }
    }

    pub(crate) fn format(&self) -> &LogFormat {
        &self.plan.format
    }

    /// The same with another layout of strings.
    pub(crate) fn with_strings(&self, strings: StringType) -> Self {
        Self { schema: schema::with_strings(&self.schema, strings), strings, ..self.clone() }
    }
}

fn origin(format: &LogFormat, name: &str) -> Origin {
    let of_field = format.fields().enumerate().find_map(|(field, of)| {
        let column = of.columns.iter().position(|column| column.name == name)?;
        Some(Origin::Field { field, column })
    });
    of_field.unwrap_or(match name {
        name if name == schema::LINE.name => Origin::Line,
        name if name == schema::BYTE_OFFSET.name => Origin::ByteOffset,
        name if name == schema::RAW.name => Origin::Raw,
        name if name == schema::FILE.name => Origin::File,
        _ => Origin::Null,
    })
}

/// A worker's memory, used again for every chunk.
#[derive(Debug, Default)]
pub(crate) struct Scratch {
    index: Index,
    rows: Vec<Row>,
    /// The numbers of the rows that the careful parser has to look at.
    slow: Vec<u32>,
    /// The numbers of those that are no rows.
    dead: Vec<u32>,
    spans: Vec<Span>,
    cache: ClfCache,
}

impl Job {
    /// Parses a chunk.
    pub(crate) fn parse(&self, chunk: &Chunk, scratch: &mut Scratch) -> Parsed {
        let mut state = State::new(chunk);
        if chunk.too_long {
            state.lines = 1;
            state.reject(
                self,
                Row { start: 0, end: chunk.length as u32, first: 0, number: 0 },
                RejectReason::LineTooLong,
            );
            let batch = RecordBatch::new_empty(Arc::clone(&self.schema));
            return state.finish(batch, chunk);
        }
        let bytes = chunk.padded.as_slice();
        let Scratch { index, rows, slow, .. } = scratch;
        rows.clear();
        slow.clear();
        index.fill(self.backend, bytes, chunk.length);
        let (shape, hits, max_line) = (&self.shape, &mut index.hits, self.max_line);
        self.backend.run(Find { shape, hits, bytes, max_line, rows, slow });
        state.lines = rows.len() as u64;
        let values = self.values(chunk, scratch, &mut state);
        let batch = self.batch(chunk, self.matrix(chunk, scratch), &scratch.index.marks, values);
        state.finish(batch, chunk)
    }

    fn matrix<'a>(&self, chunk: &'a Chunk, scratch: &'a Scratch) -> Matrix<'a> {
        let Scratch { index, rows, .. } = scratch;
        Matrix::new(&chunk.padded, index.ascii, rows, index.hits.at(), self.plan.stride)
    }

    /// Reads the fields that can be wrong, sends the lines that are odd through the careful parser, and drops those
    /// that are no rows.
    fn values(&self, chunk: &Chunk, scratch: &mut Scratch, state: &mut State) -> Vec<Values> {
        let fields = &self.plan.fields;
        let mut cache = std::mem::take(&mut scratch.cache);
        let mut slow = std::mem::take(&mut scratch.slow);
        let matrix = self.matrix(chunk, scratch);
        let mut values: Vec<Values> =
            fields.iter().map(|field| Values::new(field, matrix.rows().len())).collect();
        let (cache_in, slow_in) = (&mut cache, &mut slow);
        self.backend.run(Read {
            fields,
            values: &mut values,
            matrix,
            from: 0,
            cache: cache_in,
            slow: slow_in,
        });
        // A line can be odd in its shape and in several fields.
        slow.sort_unstable();
        slow.dedup();
        if !slow.is_empty() {
            self.settle(chunk, scratch, state, &slow, &mut values, &mut cache);
        }
        (scratch.cache, scratch.slow) = (cache, slow);
        values
    }

    /// Sends the slow lines through the careful parser. Those that are rows get places and values, the others are
    /// dropped.
    fn settle(
        &self,
        chunk: &Chunk,
        scratch: &mut Scratch,
        state: &mut State,
        slow: &[u32],
        values: &mut [Values],
        cache: &mut ClfCache,
    ) {
        let Scratch { index, rows, spans, dead, .. } = scratch;
        spans.resize(self.plan.parser.fields(), Span::default());
        dead.clear();
        for &line in slow {
            let number = line as usize;
            match self.careful(chunk, rows[number], spans) {
                Line::Row => {
                    let places = index.hits.at_mut();
                    rows[number].first = self.plan.push_places(spans, rows[number].start, places);
                    let row = &rows[number..=number];
                    let matrix = Matrix::new(&chunk.padded, index.ascii, row, places, self.plan.stride);
                    let mut wrong = Vec::new();
                    let (fields, slow) = (&self.plan.fields, &mut wrong);
                    Backend::Scalar.run(Read { fields, values, matrix, from: number, cache, slow });
                    assert!(wrong.is_empty(), "the careful parser judged the fields");
                }
                Line::Blank => {
                    state.blanks += 1;
                    dead.push(line);
                }
                Line::Reject(reason) => {
                    state.reject(self, rows[number], reason);
                    dead.push(line);
                }
            }
        }
        values.iter_mut().for_each(|values| values.remove(dead));
        value::remove(rows, dead);
    }

    #[cold]
    fn careful(&self, chunk: &Chunk, row: Row, spans: &mut [Span]) -> Line {
        let line = &chunk.padded[row.start as usize..row.end as usize];
        if line.len() > self.max_line {
            return Line::Reject(RejectReason::LineTooLong);
        }
        if LineParser::is_blank(line) {
            return Line::Blank;
        }
        match self.plan.parser.read(line, spans) {
            Ok(()) => Line::Row,
            // A carriage return that ended the line is not part of the row.
            Err(reason) if chunk.unterminated && row.end as usize + 1 >= chunk.length => {
                Line::Reject(reason.at_end())
            }
            Err(reason) => Line::Reject(reason),
        }
    }

    /// Builds the wanted columns.
    fn batch(&self, chunk: &Chunk, matrix: Matrix<'_>, marks: &[u64], values: Vec<Values>) -> RecordBatch {
        let rows = matrix.rows().len();
        let mut texts: Vec<Texts> = Vec::with_capacity(values.len());
        for (field, wanted) in self.plan.fields.iter().zip(&self.wanted) {
            let is_wanted = wanted.contains(&true);
            texts.push(if is_wanted { Texts::new(field, rows) } else { Texts::default() });
        }
        let fields = self.plan.fields.iter().zip(&self.nullable).zip(&mut texts);
        let fields = fields
            .filter(|(_, texts)| !texts.columns.is_empty())
            .map(|((field, nullable), texts)| (field, *nullable, texts))
            .collect();
        self.backend.run(Build { fields, matrix, marks });

        // All columns of a wanted field were filled together; of those, the wanted ones become arrays.
        let encoder = Encoder::new(self.backend, &chunk.padded, matrix, self.encoding, self.strings);
        let mut built: Vec<Vec<Option<ArrayRef>>> = Vec::with_capacity(texts.len());
        for ((texts, values), wanted) in texts.into_iter().zip(values).zip(&self.wanted) {
            let columns = texts.columns.into_iter().zip(wanted);
            let mut arrays: Vec<Option<ArrayRef>> =
                columns.map(|(column, wanted)| wanted.then(|| encoder.finish(column))).collect();
            arrays.extend(texts.ports.map(|ports| Some(Arc::new(Int32Array::from(ports)) as ArrayRef)));
            arrays.extend(values.finish(self.backend).into_iter().map(Some));
            built.push(arrays);
        }
        let arrays = self
            .origins
            .iter()
            .zip(self.schema.fields())
            .map(|(origin, schema)| match *origin {
                Origin::Field { field, column } => {
                    built[field][column].clone().expect("a column that has an origin is wanted")
                }
                Origin::Null => new_null_array(schema.data_type(), rows),
                extra => self.extra(extra, chunk, matrix, &encoder),
            })
            .collect();
        let options = RecordBatchOptions::new().with_row_count(Some(rows));
        RecordBatch::try_new_with_options(Arc::clone(&self.schema), arrays, &options)
            .expect("the arrays are those of the schema")
    }

    fn extra(&self, origin: Origin, chunk: &Chunk, matrix: Matrix<'_>, encoder: &Encoder) -> ArrayRef {
        let rows = matrix.rows();
        match origin {
            Origin::Line => {
                Arc::new(Int64Array::from_iter_values(rows.iter().map(|row| i64::from(row.number) + 1)))
            }
            Origin::ByteOffset => Arc::new(Int64Array::from_iter_values(
                rows.iter().map(|row| chunk.offset as i64 + i64::from(row.start)),
            )),
            Origin::Raw => {
                let mut raw = TextColumn::with_capacity(rows.len());
                let before = Edge { at: Edge::BEFORE, delta: 1 };
                fill_one::<true>(&mut raw, matrix.as_binary(), before, before, |matrix, here| {
                    matrix.text(here.row, here.row.start, here.row.end)
                });
                encoder.finish_binary(raw)
            }
            Origin::File | Origin::Field { .. } | Origin::Null => {
                encode::constant(chunk.file.as_deref(), rows.len(), self.strings)
            }
        }
    }
}

/// What the careful parser makes of a line.
enum Line {
    Row,
    Blank,
    Reject(RejectReason),
}

/// What is counted on the way through a chunk.
struct State {
    rejects: Rejects,
    counts: RejectCounts,
    lines: u64,
    blanks: u64,
}

impl State {
    fn new(chunk: &Chunk) -> Self {
        let rejects = Rejects { file: chunk.file.clone(), offset: chunk.offset, ..Rejects::default() };
        Self { rejects, counts: RejectCounts::default(), lines: 0, blanks: 0 }
    }

    fn reject(&mut self, job: &Job, row: Row, reason: RejectReason) {
        self.counts.add(reason);
        if job.keep_rejects || self.rejects.entries.is_empty() {
            let Row { start, end, number, .. } = row;
            self.rejects.entries.push(RejectEntry { number, start, end, reason });
        }
    }

    fn finish(mut self, batch: RecordBatch, chunk: &Chunk) -> Parsed {
        if !self.rejects.entries.is_empty() {
            self.rejects.chunk = chunk.padded.clone();
        }
        let Self { rejects, counts, lines, blanks } = self;
        Parsed { batch, rejects, counts, lines, blanks, bytes: chunk.bytes }
    }
}

impl Parsed {
    /// Numbers the lines from those that came before in the same input.
    pub(crate) fn number_lines(&mut self, before: u64) {
        self.rejects.lines_before = before;
        let Ok(column) = self.batch.schema_ref().index_of(&schema::LINE.name) else { return };
        if before == 0 {
            return;
        }
        let mut arrays = self.batch.columns().to_vec();
        let numbers = arrays[column].as_primitive::<arrow::datatypes::Int64Type>();
        arrays[column] =
            Arc::new(numbers.unary::<_, arrow::datatypes::Int64Type>(|number| number + before as i64));
        let options = RecordBatchOptions::new().with_row_count(Some(self.batch.num_rows()));
        self.batch = RecordBatch::try_new_with_options(self.batch.schema(), arrays, &options)
            .expect("the same types as before");
    }
}

#[cfg(test)]
mod tests;
