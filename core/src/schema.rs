//! The one table of columns: name, type, nullability and meaning, from which the Arrow schema, the docs and later the
//! table definitions of query engines are made.

use std::borrow::Cow;
use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};

use crate::options::{Encoding, ParseOptions, StringType};

/// The type of a column, before the choice of a string layout.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ColumnType {
    /// Text: a string in one of the layouts of [`StringType`], or binary with [`Encoding::Binary`].
    Text,
    /// Bytes: always binary.
    Bytes,
    /// A signed 16-bit integer.
    Int16,
    /// A signed 32-bit integer.
    Int32,
    /// A signed 64-bit integer.
    Int64,
    /// Milliseconds since 1970-01-01T00:00:00Z.
    Timestamp,
}

impl ColumnType {
    /// The Arrow type for a string layout and an encoding.
    #[must_use]
    pub fn to_arrow(self, strings: StringType, encoding: Encoding) -> DataType {
        let views = strings != StringType::Utf8;
        match self {
            ColumnType::Text if encoding != Encoding::Binary => {
                if views {
                    DataType::Utf8View
                } else {
                    DataType::Utf8
                }
            }
            ColumnType::Text | ColumnType::Bytes => {
                if views {
                    DataType::BinaryView
                } else {
                    DataType::Binary
                }
            }
            ColumnType::Int16 => DataType::Int16,
            ColumnType::Int32 => DataType::Int32,
            ColumnType::Int64 => DataType::Int64,
            ColumnType::Timestamp => DataType::Timestamp(TimeUnit::Millisecond, Some(Arc::from("UTC"))),
        }
    }
}

/// One column of a format.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Column {
    /// The name: lower case, and no reserved word in Athena, Spark, DuckDB, DataFusion or PostgreSQL.
    pub name: Cow<'static, str>,
    /// The type.
    pub column_type: ColumnType,
    /// Whether the column can be null.
    pub nullable: bool,
    /// What it holds, its unit, and when it is null.
    pub doc: Cow<'static, str>,
}

impl Column {
    /// A column whose name and meaning are known at compile time.
    #[must_use]
    pub const fn new(name: &'static str, column_type: ColumnType, nullable: bool, doc: &'static str) -> Self {
        Self { name: Cow::Borrowed(name), column_type, nullable, doc: Cow::Borrowed(doc) }
    }

    /// A nullable column with names made at run time (custom formats).
    #[must_use]
    pub fn dynamic(name: String, column_type: ColumnType, doc: String) -> Self {
        Self { name: Cow::Owned(name), column_type, nullable: true, doc: Cow::Owned(doc) }
    }
}

use ColumnType::{Bytes, Int16, Int32, Int64, Text, Timestamp};

/// The virtual host of `vhost_*` formats.
pub const VHOST: Column =
    Column::new("vhost", Text, false, "virtual host that served the request, as logged");
/// Its port.
pub const VHOST_PORT: Column = Column::new(
    "vhost_port",
    Int32,
    true,
    "port after the virtual host's last colon; null when none is logged",
);
/// The client.
pub const HOST: Column = Column::new("host", Text, false, "client: a name, IPv4 or IPv6 address, as logged");
/// RFC 1413 identity.
pub const IDENT: Column = Column::new("ident", Text, true, "RFC 1413 identity; null when `-`");
/// User of HTTP authentication.
pub const AUTHUSER: Column = Column::new(
    "authuser",
    Text,
    true,
    "user name of HTTP authentication; null when `-`, empty when logged as `\"\"`",
);
/// Time of the request.
pub const TS: Column = Column::new("ts", Timestamp, false, "time of the request, milliseconds UTC");
/// The log's UTC offset.
pub const TZ_OFFSET: Column =
    Column::new("tz_offset", Int16, false, "the logged UTC offset in minutes east (-240 for -0400)");
/// Request method.
pub const METHOD: Column =
    Column::new("method", Text, true, "request method; null when the request is `-`, empty or has none");
/// Request path.
pub const PATH: Column = Column::new(
    "path",
    Text,
    true,
    "request target up to its first `?`; null when the request is `-` or empty",
);
/// Query string.
pub const QUERY: Column =
    Column::new("query", Text, true, "what follows the target's first `?`; null when there is no `?`");
/// Protocol.
pub const PROTOCOL: Column =
    Column::new("protocol", Text, true, "request protocol, as `HTTP/1.0`; null when none is logged");
/// Status.
pub const STATUS: Column = Column::new("status", Int16, true, "HTTP status; null when `-`");
/// Size.
pub const BYTES: Column =
    Column::new("bytes", Int64, true, "size of the response body in bytes; null when `-`");
/// Referrer.
pub const REFERER: Column = Column::new("referer", Text, true, "Referer header; null when `-`");
/// User agent.
pub const USER_AGENT: Column = Column::new("user_agent", Text, true, "User-Agent header; null when `-`");
/// Forwarded-for.
pub const X_FORWARDED_FOR: Column =
    Column::new("x_forwarded_for", Text, true, "X-Forwarded-For header; null when `-`");

/// Optional: the line's number.
pub const LINE: Column = Column::new("line", Int64, false, "the line's number in its input, from 1");
/// Optional: where the line starts.
pub const BYTE_OFFSET: Column =
    Column::new("byte_offset", Int64, false, "byte offset of the line's start in the decompressed input");
/// Optional: the line's bytes.
pub const RAW: Column = Column::new("raw", Bytes, false, "the line's bytes, without its line end");
/// Optional: the input.
pub const FILE: Column = Column::new("file", Text, true, "name of the input; null when it has none");
/// Which line it is: what a table that lines are streamed into has in addition.
pub const LINE_ID: Column = Column::new(
    "line_id",
    Text,
    false,
    "id of the line: its source, a hyphen, and the byte offset of its start in the source",
);

/// The optional columns, in the order in which they are appended.
pub const EXTRA: [Column; 4] = [LINE, BYTE_OFFSET, RAW, FILE];

/// The Arrow schema of some columns.
pub(crate) fn arrow_schema(columns: &[Column], options: &ParseOptions) -> SchemaRef {
    let fields: Vec<Field> = columns
        .iter()
        .map(|column| {
            let data_type = column.column_type.to_arrow(options.strings, options.encoding);
            // A file's name is text even where the log's own text is binary.
            let data_type = if column.name == FILE.name {
                Text.to_arrow(options.strings, Encoding::Escape)
            } else {
                data_type
            };
            Field::new(column.name.as_ref(), data_type, column.nullable)
        })
        .collect();
    Arc::new(Schema::new(fields))
}

/// A schema with its strings and binaries in another layout.
#[must_use]
pub fn with_strings(schema: &Schema, strings: StringType) -> SchemaRef {
    let views = strings != StringType::Utf8;
    let field = |field: &Arc<Field>| {
        let data_type = match (field.data_type(), views) {
            (DataType::Utf8, true) => DataType::Utf8View,
            (DataType::Binary, true) => DataType::BinaryView,
            (DataType::Utf8View, false) => DataType::Utf8,
            (DataType::BinaryView, false) => DataType::Binary,
            (other, _) => other.clone(),
        };
        Arc::new(field.as_ref().clone().with_data_type(data_type))
    };
    Arc::new(Schema::new_with_metadata(
        schema.fields().iter().map(field).collect::<Vec<_>>(),
        schema.metadata().clone(),
    ))
}
