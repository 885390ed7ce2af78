//! The table that the lake is: its definition for Athena, Glue, CloudFormation, Spark and DuckDB, from the one list of
//! columns in [`schema`](crate::schema).
//!
//! ```
//! use nasalogs::LogFormat;
//! use nasalogs::ddl::{Dialect, Table};
//! let table = Table::new(&LogFormat::common(), "s3://lake/access/").with_database("logs");
//! let text = table.to_text(Dialect::Athena)?;
//! assert!(text.starts_with("CREATE EXTERNAL TABLE IF NOT EXISTS logs.access_log (\n  host string COMMENT"));
//! # Ok::<(), nasalogs::Error>(())
//! ```
//!
//! # Types
//! Parquet's INT64 `TIMESTAMP(MILLIS, isAdjustedToUTC)` is `timestamp` in Athena, Glue and Spark; Athena shows it in UTC,
//! Spark in the zone of the session. DuckDB's view gives a `TIMESTAMP` in UTC, so that queries need no zone there either.
//! The day `dt` is a `string` everywhere, as crawlers make it: `dt BETWEEN '1995-07-01' AND '1995-07-31'`.
//!
//! # Columns
//! Those of the format; the optional ones that are asked for; and `line_id`, which only tables that lines are streamed
//! into have: engines find columns by name, and give null where a file lacks one.

mod check;
mod cloudformation;
mod glue;
mod sql;
#[cfg(test)]
mod tests;

use crate::error::{Error, ErrorKind, Result};
use crate::format::LogFormat;
use crate::options::Extras;
use crate::schema::{BYTE_OFFSET, Column, ColumnType, FILE, LINE, LINE_ID, RAW};

/// What understands a definition.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Dialect {
    /// `CREATE EXTERNAL TABLE` with partition projection: one statement, for Amazon Athena.
    Athena,
    /// The `TableInput` of Glue's API, as JSON: `aws glue create-table --table-input file://…`.
    Glue,
    /// Statements for Spark, the last of which registers the partitions that are there.
    Spark,
    /// Statements for DuckDB: a view of the files.
    DuckDb,
    /// A template with a Glue database and table. Location, names and first day may refer to what is around it, as
    /// `s3://${Bucket}/access/`.
    CloudFormation,
}

impl Dialect {
    /// The names, as on the command line.
    pub const NAMES: &'static [&'static str] = &["athena", "glue", "spark", "duckdb", "cloudformation"];

    const ALL: [Self; 5] = [Self::Athena, Self::Glue, Self::Spark, Self::DuckDb, Self::CloudFormation];

    /// The name.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        Self::NAMES[self as usize]
    }

    /// Whether locations are in S3 and nowhere else.
    fn is_aws(self) -> bool {
        !matches!(self, Self::Spark | Self::DuckDb)
    }
}

impl std::str::FromStr for Dialect {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self> {
        Self::ALL.into_iter().find(|dialect| dialect.as_str() == name).ok_or_else(|| {
            Error::new(ErrorKind::Options, format!("there are no table definitions for {name:?}"))
                .with_hint(format!("name one of {}", Self::NAMES.join(", ")))
        })
    }
}

/// A table of Parquet files: where it lies, what it is called, and its columns.
#[derive(Debug, Clone)]
pub struct Table {
    database: String,
    name: String,
    location: String,
    format: String,
    columns: Vec<Column>,
    partitioned: bool,
    since: String,
}

impl Table {
    /// The database unless another is named.
    pub const DATABASE: &'static str = "nasalogs";
    /// The table's name unless it gets another.
    pub const NAME: &'static str = "access_log";
    /// The first day that Athena looks for unless another is named.
    pub const SINCE: &'static str = "1995-01-01";

    /// The table of lines of a format at a location, with a directory `dt=YYYY-MM-DD` for each day.
    #[must_use]
    pub fn new(format: &LogFormat, location: impl Into<String>) -> Self {
        Self {
            database: Self::DATABASE.to_owned(),
            name: Self::NAME.to_owned(),
            location: location.into(),
            format: format.name().to_owned(),
            columns: format.columns().cloned().chain([LINE_ID]).collect(),
            partitioned: true,
            since: Self::SINCE.to_owned(),
        }
    }

    /// In another database.
    #[must_use]
    pub fn with_database(mut self, database: impl Into<String>) -> Self {
        self.database = database.into();
        self
    }

    /// With another name.
    #[must_use]
    pub fn with_name(mut self, name: impl Into<String>) -> Self {
        self.name = name.into();
        self
    }

    /// With optional columns that the files have.
    #[must_use]
    pub fn with_extras(mut self, extras: Extras) -> Self {
        let wanted =
            [(extras.line, LINE), (extras.byte_offset, BYTE_OFFSET), (extras.raw, RAW), (extras.file, FILE)];
        let wanted = wanted.into_iter().filter(|(wanted, _)| *wanted).map(|(_, column)| column);
        // The id stays the last.
        let end = self.columns.len().saturating_sub(1);
        self.columns.splice(end..end, wanted);
        self
    }

    /// Whether it has a directory for each day, which it has unless this says otherwise.
    #[must_use]
    pub fn with_days(mut self, partitioned: bool) -> Self {
        self.partitioned = partitioned;
        self
    }

    /// Athena looks for days from this one on, `YYYY-MM-DD`: the nearer it is to the first day there is, the faster are
    /// queries that do not say which days they want.
    #[must_use]
    pub fn with_since(mut self, day: impl Into<String>) -> Self {
        self.since = day.into();
        self
    }

    /// The columns, without the day.
    #[must_use]
    pub fn columns(&self) -> &[Column] {
        &self.columns
    }

    /// The definition, ending with a line end.
    ///
    /// # Errors
    /// [`ErrorKind::Options`] when a name is none that all engines take unquoted or quoted, when the location is none
    /// of the dialect's, or the first day is no date.
    pub fn to_text(&self, dialect: Dialect) -> Result<String> {
        let table = self.checked(dialect)?;
        Ok(match dialect {
            Dialect::Athena => sql::athena(&table),
            Dialect::Glue => format!("{:#}\n", glue::table_input(&table)),
            Dialect::Spark => sql::spark(&table),
            Dialect::DuckDb => sql::duckdb(&table),
            Dialect::CloudFormation => cloudformation::template(&table),
        })
    }

    fn description(&self) -> String {
        format!("web server access log: a row for each line ({})", self.format)
    }

    /// What Athena has to know to find the days without a list of them; `day` is how the text around it writes `${dt}`.
    fn properties(&self, day: &str) -> Vec<(&'static str, String)> {
        let mut properties = vec![("classification", "parquet".to_owned())];
        if self.partitioned {
            properties.extend([
                ("projection.enabled", "true".to_owned()),
                ("projection.dt.type", "date".to_owned()),
                ("projection.dt.format", "yyyy-MM-dd".to_owned()),
                // Where it is tomorrow already, days of the log's own zone are ahead of those of UTC.
                ("projection.dt.range", format!("{},NOW+1DAYS", self.since)),
                ("projection.dt.interval", "1".to_owned()),
                ("projection.dt.interval.unit", "DAYS".to_owned()),
                ("storage.location.template", format!("{}dt={day}/", self.location)),
            ]);
        }
        properties
    }
}

/// The day, as a column of the table.
static DT: Column = Column::new(
    "dt",
    ColumnType::Text,
    false,
    "day of the request, YYYY-MM-DD: of UTC, unless the lake was written with days of the log's own zone",
);

/// The type in the words of Hive, which Athena, Glue and Spark share.
fn hive_type(column: &Column) -> &'static str {
    match column.column_type {
        ColumnType::Text => "string",
        ColumnType::Bytes => "binary",
        ColumnType::Int16 => "smallint",
        ColumnType::Int32 => "int",
        ColumnType::Int64 => "bigint",
        ColumnType::Timestamp => "timestamp",
    }
}

/// What a column holds, as catalogs take it: at most 255 bytes, on one line.
fn comment(column: &Column) -> String {
    let mut text = column.doc.replace(char::is_control, " ");
    let end = (0..=text.len().min(255)).rev().find(|&end| text.is_char_boundary(end)).unwrap_or(0);
    text.truncate(end);
    text
}
