//! Arrow IPC: the file format for files, the streaming format for streams.

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use arrow::error::ArrowError;
use arrow::ipc::writer::{FileWriter, StreamWriter};

use super::Writer;
use super::compact;
use super::failure::Label;
use super::out::Out;
use crate::error::Result;
use crate::options::StringType;
use crate::schema::with_strings;

/// What the two formats have in common.
trait Ipc: Send + Sized {
    fn write(&mut self, batch: &RecordBatch) -> Result<(), ArrowError>;
    /// Gives what was written to the reader of a stream.
    fn pass_on(&mut self) -> Result<(), ArrowError>;
    fn into_out(self) -> Result<Out, ArrowError>;
}

impl Ipc for FileWriter<Out> {
    fn write(&mut self, batch: &RecordBatch) -> Result<(), ArrowError> {
        FileWriter::write(self, batch)
    }

    fn pass_on(&mut self) -> Result<(), ArrowError> {
        Ok(())
    }

    fn into_out(self) -> Result<Out, ArrowError> {
        self.into_inner()
    }
}

impl Ipc for StreamWriter<Out> {
    fn write(&mut self, batch: &RecordBatch) -> Result<(), ArrowError> {
        StreamWriter::write(self, batch)
    }

    fn pass_on(&mut self) -> Result<(), ArrowError> {
        self.flush()
    }

    fn into_out(self) -> Result<Out, ArrowError> {
        self.into_inner()
    }
}

/// Starts Arrow IPC on an output.
pub(super) fn writer(out: Out, schema: &SchemaRef) -> Result<Box<dyn Writer>> {
    let schema = with_strings(schema, StringType::Utf8);
    let label = out.label().clone();
    let fail = |error| label.foreign(error);
    if out.is_stream() {
        let ipc = StreamWriter::try_new(out, &schema).map_err(fail)?;
        Ok(Box::new(Compacted { ipc, schema, label }))
    } else {
        let ipc = FileWriter::try_new(out, &schema).map_err(fail)?;
        Ok(Box::new(Compacted { ipc, schema, label }))
    }
}

struct Compacted<I> {
    ipc: I,
    /// Without views.
    schema: SchemaRef,
    label: Label,
}

impl<I: Ipc> Writer for Compacted<I> {
    fn write(&mut self, batch: &RecordBatch) -> Result<()> {
        let batch = compact::batch(batch, &self.schema, &self.label)?;
        self.ipc.write(&batch).and_then(|()| self.ipc.pass_on()).map_err(|error| self.label.foreign(error))
    }

    fn finish(self: Box<Self>) -> Result<Out> {
        let label = self.label;
        self.ipc.into_out().map_err(|error| label.foreign(error))
    }
}
