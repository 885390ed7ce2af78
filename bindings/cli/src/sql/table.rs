//! What stands behind a table's name: logs, or Parquet.

use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use nasalogs::source::{Source, expand as expand_local};
use nasalogs::{Error, ErrorKind, LogFormat, ParseOptions, Result};
use nasalogs_datafusion::datafusion::arrow::datatypes::DataType;
use nasalogs_datafusion::datafusion::catalog::TableProvider;
use nasalogs_datafusion::datafusion::datasource::file_format::parquet::ParquetFormat;
use nasalogs_datafusion::datafusion::datasource::listing::{
    ListingOptions, ListingTable, ListingTableConfig, ListingTableUrl,
};
use nasalogs_datafusion::{LogTable, LogTableBuilder};
use url::Url;

use super::session::Session;
use super::{Args, place};
use crate::object::{Access, expand, is_remote};
use crate::output::STANDARD;

/// A table.
pub enum Opened {
    /// Raw logs.
    Logs(Arc<LogTable>),
    /// Parquet files.
    Parquet(Arc<dyn TableProvider>),
}

/// Whether a word on the command line is an input, and no statement.
pub fn is_input(word: &Path, access: &Access) -> bool {
    if word.as_os_str() == STANDARD || is_remote(word) || word.exists() {
        return true;
    }
    let text = word.to_string_lossy();
    // A statement can have `*` too; but there is no file that it matches.
    text.contains(['*', '?', '[']) && expand(&[word.to_owned()], access).is_ok()
}

/// Opens the inputs of a table.
///
/// # Errors
/// When one cannot be opened, or some are logs and some Parquet.
pub fn open(session: &Session, paths: &[PathBuf], args: &Args) -> Result<Opened> {
    let (mut parquet, mut sources) = (Vec::new(), Vec::new());
    for path in paths {
        if path.is_dir() {
            parquet.push(path.clone());
            continue;
        }
        for source in expand(std::slice::from_ref(path), &args.access)? {
            match source.as_path() {
                Some(file) if is_parquet(file) => parquet.push(file.to_owned()),
                _ => sources.push(source),
            }
        }
    }
    match (parquet.first(), sources.first()) {
        (Some(file), Some(log)) => Err(Error::new(
            ErrorKind::Options,
            format!("is Parquet, and {} is not", log.name().as_deref().unwrap_or("standard input")),
        )
        .with_file(file.to_string_lossy())
        .with_hint("make two tables of them: --table NAME=PATH; and UNION ALL in the statement")),
        (Some(_), None) => open_parquet(session, &parquet).map(Opened::Parquet),
        (None, _) => open_logs(sources, args).map(Opened::Logs),
    }
}

fn open_logs(sources: Vec<Source>, args: &Args) -> Result<Arc<LogTable>> {
    if sources.iter().filter(|source| source.name().is_none()).count() > 1 {
        expand_local([STANDARD, STANDARD])?;
    }
    let mut options = ParseOptions::new()
        .with_strings(args.strings.unwrap_or(LogTableBuilder::STRINGS))
        .with_extras(args.with)
        .with_encoding(args.encoding);
    if args.format != "auto" {
        options = options.with_format(args.format.parse::<LogFormat>()?);
    }
    LogTableBuilder::new().with_options(options).open_sources(sources)
}

/// Whether a file begins as Parquet does. A pipe is not looked into.
fn is_parquet(path: &Path) -> bool {
    let mut magic = [0; 4];
    fs::metadata(path).is_ok_and(|metadata| metadata.is_file())
        && File::open(path).is_ok_and(|mut file| file.read_exact(&mut magic).is_ok())
        && magic == *b"PAR1"
}

fn open_parquet(session: &Session, paths: &[PathBuf]) -> Result<Arc<dyn TableProvider>> {
    let urls = paths.iter().map(|path| location(path)).collect::<Result<Vec<_>>>()?;
    let mut options = ListingOptions::new(Arc::new(ParquetFormat::default())).with_file_extension("");
    let directories: Vec<&PathBuf> = paths.iter().filter(|path| path.is_dir()).collect();
    if let Some((directory, others)) = directories.split_first() {
        let days = partitioned(directory)?;
        // One table is read in one way: what does not fit would be left out without a word.
        for other in others {
            if partitioned(other)? != days {
                return Err(apart(directory, other));
            }
        }
        if let Some(file) = paths.iter().find(|path| !path.is_dir()) {
            return Err(apart(directory, file));
        }
        // As `nasalogs ddl` has them: a day is a text.
        let columns = days.into_iter().map(|name| (name, DataType::Utf8)).collect();
        options = options.with_file_extension(".parquet").with_table_partition_cols(columns);
    }
    let config = ListingTableConfig::new_with_multi_paths(urls).with_listing_options(options);
    let state = session.ctx.state();
    let config = session.wait(config.infer_schema(&state));
    let table = config.and_then(ListingTable::try_new);
    let name = paths.first().map(|path| path.to_string_lossy().into_owned()).unwrap_or_default();
    let table = table.map_err(|error| place::explain(error, "").with_file(name))?;
    Ok(Arc::new(table.with_cache(session.ctx.runtime_env().cache_manager.get_file_statistic_cache())))
}

/// The columns that the directories of a table are.
fn partitioned(directory: &Path) -> Result<Vec<String>> {
    partitions(directory)?.ok_or_else(|| {
        Error::new(ErrorKind::NoRows, "holds no Parquet file")
            .with_file(directory.to_string_lossy())
            .with_hint("name a directory of Parquet files, or log files such as 'logs/*.gz'")
    })
}

fn apart(one: &Path, other: &Path) -> Error {
    let message = format!("is not laid out as {} is", one.display());
    Error::new(ErrorKind::Options, message)
        .with_file(other.to_string_lossy())
        .with_hint("make two tables of them: --table NAME=PATH; and UNION ALL in the statement")
}

fn location(path: &Path) -> Result<ListingTableUrl> {
    let failed = |message: String| Error::new(ErrorKind::Io, message).with_file(path.to_string_lossy());
    let absolute = fs::canonicalize(path).map_err(|error| Error::io(path.to_string_lossy(), error))?;
    let url = match absolute.is_dir() {
        true => Url::from_directory_path(&absolute),
        false => Url::from_file_path(&absolute),
    };
    let url = url.map_err(|()| failed("has no URL".to_owned()))?;
    ListingTableUrl::try_new(url, None).map_err(|error| failed(error.to_string()))
}

/// The names in `name=value` directories above the first Parquet file; none where there is no such file.
fn partitions(directory: &Path) -> Result<Option<Vec<String>>> {
    let entries = fs::read_dir(directory).and_then(|entries| entries.collect::<Result<Vec<_>, _>>());
    let mut entries = entries.map_err(|error| Error::io(directory.to_string_lossy(), error))?;
    entries.sort_by_key(fs::DirEntry::file_name);
    let is_hidden = |path: &Path| {
        path.file_name().is_some_and(|name| matches!(name.as_encoded_bytes().first(), Some(b'.' | b'_')))
    };
    for path in entries.into_iter().map(|entry| entry.path()).filter(|path| !is_hidden(path)) {
        if path.is_file() && path.extension().is_some_and(|extension| extension == "parquet") {
            return Ok(Some(Vec::new()));
        }
        if path.is_dir()
            && let Some(mut names) = partitions(&path)?
        {
            let name = path.file_name().and_then(|name| name.to_str());
            if let Some((name, _)) = name.and_then(|name| name.split_once('=')) {
                names.insert(0, name.to_owned());
            }
            return Ok(Some(names));
        }
    }
    Ok(None)
}
