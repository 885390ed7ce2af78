//! The Arrow PyCapsule interface: batches go to other libraries without a copy, and without either knowing the other.
//!
//! See <https://arrow.apache.org/docs/format/CDataInterface/PyCapsuleInterface.html>.

use std::ffi::CStr;
use std::sync::Arc;

use arrow::array::{Array, RecordBatch, RecordBatchReader, StructArray};
use arrow::compute::{CastOptions, can_cast_types, cast_with_options};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};
use arrow::error::ArrowError;
use arrow::ffi::{FFI_ArrowArray, FFI_ArrowSchema};
use arrow::ffi_stream::FFI_ArrowArrayStream;
use nasalogs::{Error, StringType};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::{PyCapsule, PyTuple};

use crate::choice::raise;
use crate::error;
use crate::pass::{Log, Pass};
use crate::signal;

const SCHEMA: &CStr = c"arrow_schema";
const ARRAY: &CStr = c"arrow_array";
const STREAM: &CStr = c"arrow_array_stream";

/// A capsule of a schema.
pub fn of_schema<'py>(py: Python<'py>, schema: &Schema) -> PyResult<Bound<'py, PyCapsule>> {
    let schema = raise(py, FFI_ArrowSchema::try_from(schema).map_err(Error::from))?;
    PyCapsule::new_with_value(py, schema, SCHEMA)
}

/// The two capsules of a batch, cast to a schema where one was requested.
pub fn of_batch<'py>(
    py: Python<'py>,
    batch: &RecordBatch,
    requested: Option<&Bound<'py, PyCapsule>>,
) -> PyResult<Bound<'py, PyTuple>> {
    let batch = match requested {
        Some(requested) => {
            let cast = Cast::new(&batch.schema(), &imported(requested)?)?;
            raise(py, cast.apply(batch).map_err(Error::from))?
        }
        None => batch.clone(),
    };
    let schema = of_schema(py, &batch.schema())?;
    let array = FFI_ArrowArray::new(&StructArray::from(batch).to_data());
    PyTuple::new(py, [schema, PyCapsule::new_with_value(py, array, ARRAY)?])
}

/// A capsule of a stream of one batch.
pub fn of_one<'py>(
    py: Python<'py>,
    batch: &RecordBatch,
    requested: Option<&Bound<'py, PyCapsule>>,
) -> PyResult<Bound<'py, PyCapsule>> {
    let cast = match requested {
        Some(requested) => Cast::new(&batch.schema(), &imported(requested)?)?,
        None => Cast { schema: batch.schema() },
    };
    let schema = Arc::clone(&cast.schema);
    let batches = std::iter::once(batch.clone()).map(move |batch| cast.apply(&batch));
    let reader = arrow::array::RecordBatchIterator::new(batches, schema);
    PyCapsule::new_with_value(py, FFI_ArrowArrayStream::new(Box::new(reader)), STREAM)
}

/// A capsule of a log. It is read from its start when the first batch is asked for, and not before: consumers ask for
/// several streams to learn the schema, and leave most of them alone.
pub fn of_log<'py>(
    py: Python<'py>,
    log: Arc<Log>,
    schema: &SchemaRef,
    strings: StringType,
    requested: Option<&Bound<'py, PyCapsule>>,
) -> PyResult<Bound<'py, PyCapsule>> {
    let (strings, cast) = match requested {
        Some(requested) => {
            let wanted = imported(requested)?;
            // Views or plain strings are built so, and not made from the others.
            let strings = layout(&wanted).unwrap_or(strings);
            (strings, Cast::new(schema, &wanted)?)
        }
        None => (strings, Cast { schema: Arc::clone(schema) }),
    };
    let stream = Stream { log, strings, cast, pass: None, done: false };
    PyCapsule::new_with_value(py, FFI_ArrowArrayStream::new(Box::new(stream)), STREAM)
}

/// The schema that a consumer requests.
fn imported(capsule: &Bound<'_, PyCapsule>) -> PyResult<Schema> {
    let pointer = capsule.pointer_checked(Some(SCHEMA))?.cast::<FFI_ArrowSchema>();
    // SAFETY: by the interface's rules a capsule of this name holds a pointer to such a struct, which lives as long as
    // the capsule, and the capsule is borrowed here.
    let schema = unsafe { pointer.as_ref() };
    Schema::try_from(schema)
        .map_err(|error| PyValueError::new_err(format!("the requested schema cannot be read: {error}")))
}

/// The layout of strings in a schema; none where it has no strings.
fn layout(schema: &Schema) -> Option<StringType> {
    schema.fields().iter().find_map(|field| match field.data_type() {
        DataType::Utf8View | DataType::BinaryView => Some(StringType::View),
        DataType::Utf8 | DataType::Binary | DataType::LargeUtf8 | DataType::LargeBinary => {
            Some(StringType::Utf8)
        }
        _ => None,
    })
}

/// Batches of a schema made into those of another.
struct Cast {
    schema: SchemaRef,
}

impl Cast {
    /// The columns have to be the same in name and order. Where a type is not the requested one in another form, the
    /// column stays as it is: the interface leaves that to the consumer.
    fn new(from: &Schema, wanted: &Schema) -> PyResult<Self> {
        let names = |schema: &Schema| -> Vec<String> {
            schema.fields().iter().map(|field| field.name().clone()).collect()
        };
        if names(from) != names(wanted) {
            let message = format!(
                "the requested schema has the columns {}; there are {}",
                names(wanted).join(", "),
                names(from).join(", ")
            );
            return Err(PyValueError::new_err(message));
        }
        let field = |(own, wanted): (&Arc<Field>, &Arc<Field>)| {
            let data_type =
                if is_faithful(own.data_type(), wanted.data_type()) { wanted } else { own }.data_type();
            own.as_ref().clone().with_data_type(data_type.clone())
        };
        let fields: Vec<Field> = from.fields().iter().zip(wanted.fields()).map(field).collect();
        Ok(Self { schema: Arc::new(Schema::new(fields)) })
    }

    fn apply(&self, batch: &RecordBatch) -> Result<RecordBatch, ArrowError> {
        if batch.schema_ref() == &self.schema {
            return Ok(batch.clone());
        }
        let options = CastOptions { safe: false, ..CastOptions::default() };
        let columns = batch.columns().iter().zip(self.schema.fields());
        let columns = columns.map(|(column, field)| cast_with_options(column, field.data_type(), &options));
        let columns = columns.collect::<Result<_, _>>()?;
        RecordBatch::try_new(Arc::clone(&self.schema), columns)
    }
}

/// Whether values of a type stay what they are in another. A value that does not fit is an error when it is met.
fn is_faithful(from: &DataType, to: &DataType) -> bool {
    use DataType::{Binary, BinaryView, Dictionary, LargeBinary, LargeUtf8, Timestamp, Utf8, Utf8View};
    match (from, to) {
        (from, Dictionary(_, values)) => is_faithful(from, values) && can_cast_types(from, to),
        (Utf8 | Utf8View, Utf8 | Utf8View | LargeUtf8 | Binary | BinaryView | LargeBinary) => true,
        (Binary | BinaryView, Binary | BinaryView | LargeBinary) => true,
        (from, to) if from.is_integer() && to.is_integer() => true,
        // What it is read as, whatever the wall clock beside it.
        (Timestamp(_, Some(_)), Timestamp(unit, Some(_))) => *unit != TimeUnit::Second,
        (from, to) => from == to,
    }
}

/// A log as a stream of batches.
struct Stream {
    log: Arc<Log>,
    strings: StringType,
    cast: Cast,
    pass: Option<Arc<Pass>>,
    done: bool,
}

impl Stream {
    fn advance(&mut self) -> nasalogs::Result<Option<RecordBatch>> {
        let pass = match &self.pass {
            Some(pass) => pass,
            None => self.pass.insert(self.log.begin(self.strings)?),
        };
        match pass.next()? {
            Some(batch) => Ok(Some(self.cast.apply(&batch)?)),
            None => Ok(None),
        }
    }
}

impl Iterator for Stream {
    type Item = Result<RecordBatch, ArrowError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.done {
            return None;
        }
        let next = self.advance().inspect_err(|error| {
            if error::is_interrupt(error) {
                signal::interrupt_again();
            }
        });
        self.done = !matches!(next, Ok(Some(_)));
        next.map_err(ArrowError::from).transpose()
    }
}

impl RecordBatchReader for Stream {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.cast.schema)
    }
}
