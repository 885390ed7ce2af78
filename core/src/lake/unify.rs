//! One schema for files that do not all have the same columns.

use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, new_null_array};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};

use crate::error::{Error, ErrorKind, Result};
use crate::schema::LINE_ID;
use crate::sink::parquet::is_written;

/// A column, and the file in which it was seen first.
#[derive(Debug)]
struct Column {
    name: String,
    data_type: DataType,
    nullable: bool,
    file: String,
    /// In how many files it is.
    files: usize,
}

/// Collects the columns of files.
#[derive(Debug, Default)]
pub(super) struct Unifier {
    columns: Vec<Column>,
    files: usize,
}

impl Unifier {
    /// Takes a file's columns. New ones come behind those that are there.
    pub(super) fn add(&mut self, file: &str, schema: &Schema) -> Result<()> {
        self.files += 1;
        for (at, field) in schema.fields().iter().enumerate() {
            if schema.fields()[..at].iter().any(|other| other.name().eq_ignore_ascii_case(field.name())) {
                return Err(refuse(file, format!("two columns are called {:?}", field.name())));
            }
            if !is_written(field.data_type()) {
                return Err(refuse(
                    file,
                    format!(
                        "column {:?} has the type {}, which tables here do not have",
                        field.name(),
                        field.data_type()
                    ),
                ));
            }
            let same = |column: &&mut Column| column.name.eq_ignore_ascii_case(field.name());
            let Some(known) = self.columns.iter_mut().find(same) else {
                self.columns.push(Column {
                    name: field.name().clone(),
                    data_type: field.data_type().clone(),
                    nullable: field.is_nullable(),
                    file: file.to_owned(),
                    files: 1,
                });
                continue;
            };
            if known.name != *field.name() {
                return Err(refuse(
                    file,
                    format!("column {:?} is called {:?} in {}", field.name(), known.name, known.file),
                ));
            }
            if known.data_type != *field.data_type() {
                return Err(refuse(
                    file,
                    format!(
                        "column {:?} has the type {}, but {} in {}",
                        field.name(),
                        field.data_type(),
                        known.data_type,
                        known.file
                    ),
                ));
            }
            known.nullable |= field.is_nullable();
            known.files += 1;
        }
        Ok(())
    }

    /// The schema of all: what a file lacks can be null; ids of lines are last, as they are in each file of ours.
    pub(super) fn schema(&self) -> SchemaRef {
        let (ids, others): (Vec<&Column>, Vec<&Column>) =
            self.columns.iter().partition(|column| column.name == LINE_ID.name);
        let fields = others.into_iter().chain(ids).map(|column| {
            let nullable = column.nullable || column.files < self.files;
            Field::new(&column.name, column.data_type.clone(), nullable)
        });
        Arc::new(Schema::new(fields.collect::<Vec<_>>()))
    }
}

/// A batch in the columns of a schema that has all of its own.
pub(super) fn conform(batch: &RecordBatch, schema: &SchemaRef) -> Result<RecordBatch> {
    let columns: Vec<ArrayRef> = schema
        .fields()
        .iter()
        .map(|field| match batch.column_by_name(field.name()) {
            Some(column) => Arc::clone(column),
            None => new_null_array(field.data_type(), batch.num_rows()),
        })
        .collect();
    Ok(RecordBatch::try_new(Arc::clone(schema), columns)?)
}

fn refuse(file: &str, message: String) -> Error {
    Error::new(ErrorKind::Format, message).with_file(file).with_hint(
        "the files of a partition are merged when columns of a name have one type; write this one again",
    )
}
