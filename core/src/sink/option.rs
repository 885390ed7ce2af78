//! What a caller can choose about the output.

use std::path::Path;
use std::str::FromStr;

use crate::error::{Error, ErrorKind, Result};
use crate::options::named;
use crate::sink::Compression;

/// A format of output.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum OutputFormat {
    /// Apache Parquet.
    #[default]
    Parquet,
    /// Arrow IPC: the file format, also called Feather; on a stream the streaming format. Views are written as plain
    /// strings.
    Arrow,
    /// A JSON object a line. Every line has all keys; times are RFC 3339 with milliseconds, UTC; bytes that are not
    /// UTF-8 are written as `\xHH`.
    Ndjson,
    /// Comma-separated values, RFC 4180 but for its line ends, which are `\n`; times and bytes as in NDJSON. Null and
    /// the empty string are both an empty cell: the format cannot tell them apart.
    Csv,
}

named!(OutputFormat, "output format", {
    "parquet" => Parquet, "arrow" => Arrow, "ndjson" => Ndjson, "csv" => Csv,
});

impl OutputFormat {
    /// The format that a file name's extension names, in any case: `.parquet`; `.arrow`, `.ipc`, `.feather`;
    /// `.ndjson`, `.jsonl`; `.csv`.
    ///
    /// ```
    /// use nasalogs::sink::OutputFormat;
    /// assert_eq!(OutputFormat::from_path("logs/july.jsonl".as_ref()).unwrap(), OutputFormat::Ndjson);
    /// assert!(OutputFormat::from_path("july".as_ref()).is_err());
    /// ```
    ///
    /// # Errors
    /// [`ErrorKind::Options`] when there is no such extension.
    pub fn from_path(path: &Path) -> Result<Self> {
        let extension = path.extension().map(|text| text.to_ascii_lowercase());
        match extension.as_ref().and_then(|text| text.to_str()) {
            Some("parquet") => Ok(Self::Parquet),
            Some("arrow" | "ipc" | "feather") => Ok(Self::Arrow),
            Some("ndjson" | "jsonl") => Ok(Self::Ndjson),
            Some("csv") => Ok(Self::Csv),
            _ => Err(Error::new(ErrorKind::Options, "the name does not say in which format to write")
                .with_file(path.to_string_lossy())
                .with_hint(format!(
                    "end it in .parquet, .arrow, .ndjson or .csv, or pass --to with one of {}",
                    Self::NAMES.join(", ")
                ))),
        }
    }

    /// The extension of files in this format, without its dot.
    #[must_use]
    pub const fn extension(self) -> &'static str {
        self.as_str()
    }
}

/// How to write.
///
/// ```
/// use nasalogs::sink::{Compression, OutputFormat, SinkOptions};
/// let options = SinkOptions::new(OutputFormat::Parquet).with_compression(Compression::Snappy);
/// assert_eq!(options.compression, Some(Compression::Snappy));
/// ```
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct SinkOptions {
    /// The format.
    pub format: OutputFormat,
    /// The compression inside the file. `None` is the format's own choice: Zstandard for Parquet, none for others,
    /// which have no choice.
    pub compression: Option<Compression>,
    /// CSV only: puts `'` before text that a spreadsheet would run as a formula, that is, which begins with one of
    /// `=`, `+`, `-`, `@`, tab or carriage return. Such cells are no longer what was logged.
    pub csv_safe: bool,
}

impl SinkOptions {
    /// A format with its defaults.
    #[must_use]
    pub fn new(format: OutputFormat) -> Self {
        Self { format, ..Self::default() }
    }

    /// Chooses the compression.
    #[must_use]
    pub fn with_compression(mut self, compression: Compression) -> Self {
        self.compression = Some(compression);
        self
    }

    /// Makes CSV safe to open in a spreadsheet.
    #[must_use]
    pub fn with_csv_safe(mut self, safe: bool) -> Self {
        self.csv_safe = safe;
        self
    }

    /// Whether the options fit together.
    pub(super) fn validate(&self) -> Result<()> {
        let plain = matches!(self.compression, None | Some(Compression::None));
        if self.format != OutputFormat::Parquet && !plain {
            return Err(Error::new(
                ErrorKind::Options,
                format!("{} is written without compression", self.format.as_str()),
            )
            .with_hint("leave the compression away, or write parquet"));
        }
        if self.csv_safe && self.format != OutputFormat::Csv {
            return Err(Error::new(ErrorKind::Options, "only CSV can be made safe for spreadsheets")
                .with_hint("write csv, or leave that option away"));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn extensions_name_formats() {
        for (path, format) in [
            ("a.parquet", OutputFormat::Parquet),
            ("a.b/c.PARQUET", OutputFormat::Parquet),
            ("a.arrow", OutputFormat::Arrow),
            ("a.ipc", OutputFormat::Arrow),
            ("a.feather", OutputFormat::Arrow),
            ("a.ndjson", OutputFormat::Ndjson),
            ("a.jsonl", OutputFormat::Ndjson),
            ("a.csv", OutputFormat::Csv),
        ] {
            assert_eq!(OutputFormat::from_path(path.as_ref()).unwrap(), format, "{path}");
        }
        for path in ["", "csv", ".csv", "a.csv.gz", "a.json", "a."] {
            let error = OutputFormat::from_path(path.as_ref()).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Options);
            assert!(error.to_string().contains("--to"), "{error}");
        }
        for name in OutputFormat::NAMES {
            assert_eq!(OutputFormat::from_str(name).unwrap().as_str(), *name);
        }
    }

    #[test]
    fn options_that_do_not_fit_are_refused() {
        let csv = SinkOptions::new(OutputFormat::Csv);
        assert!(csv.clone().with_csv_safe(true).with_compression(Compression::None).validate().is_ok());
        assert!(csv.with_compression(Compression::default()).validate().is_err());
        assert!(SinkOptions::new(OutputFormat::Parquet).with_csv_safe(true).validate().is_err());
    }
}
