//! The formats and columns of single lines, kept from call to call.

use std::collections::HashMap;
use std::hash::{Hash, Hasher};
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

use nasalogs::{LogFormat, Names, Naming, ParseOptions, StringType};
use pyo3::prelude::*;
use pyo3::types::PyString;

use crate::choice::raise;

/// The columns of records of one kind.
pub struct Layout {
    /// Their names.
    pub names: Vec<String>,
    /// The same, as keys of dicts.
    pub keys: Vec<Py<PyString>>,
}

impl PartialEq for Layout {
    fn eq(&self, other: &Self) -> bool {
        self.names == other.names
    }
}

impl Eq for Layout {}

impl Hash for Layout {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.names.hash(state);
    }
}

/// Layouts by the pattern of their format.
type Layouts = HashMap<String, Arc<Layout>>;

/// The format of a line, as it was named; a detected one where none was, and `common` where none fits.
pub fn known(py: Python<'_>, name: &str, line: &[u8]) -> PyResult<LogFormat> {
    /// Format strings that were understood before: a script has one or two.
    static STRINGS: LazyLock<Mutex<HashMap<String, LogFormat>>> = LazyLock::new(Mutex::default);
    const MOST: usize = 64;
    if name == "auto" {
        return Ok(LogFormat::detect(line).map_or_else(|_| LogFormat::common(), |found| found.format));
    }
    if let Some(format) = LogFormat::built_in(name) {
        return Ok(format);
    }
    let mut strings = STRINGS.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(format) = strings.get(name) {
        return Ok(format.clone());
    }
    let format: LogFormat = raise(py, name.parse())?;
    if strings.len() < MOST {
        strings.insert(name.to_owned(), format.clone());
    }
    Ok(format)
}

/// The names that columns of a format get.
pub fn layout(
    py: Python<'_>,
    format: &LogFormat,
    names: Names,
    rename: &[(String, String)],
) -> PyResult<Arc<Layout>> {
    /// By format, for each kind of names, where nothing is renamed.
    static KNOWN: LazyLock<[Mutex<Layouts>; 2]> = LazyLock::new(Default::default);
    const MOST: usize = 64;
    let make = || -> PyResult<Arc<Layout>> {
        let mut naming = Naming::new(names);
        for (from, to) in rename {
            naming = naming.with_rename(from, to);
        }
        let options = ParseOptions::new().with_strings(StringType::Utf8);
        let schema = naming.options(options).and_then(|options| options.schema(format));
        let named = raise(py, schema.and_then(|schema| naming.bind(&schema)))?;
        let names: Vec<String> = named.schema().fields().iter().map(|field| field.name().clone()).collect();
        let keys = names.iter().map(|name| PyString::intern(py, name).unbind()).collect();
        Ok(Arc::new(Layout { names, keys }))
    };
    if !rename.is_empty() {
        return make();
    }
    let known = &KNOWN[usize::from(names == Names::Classic)];
    let lock = || known.lock().unwrap_or_else(PoisonError::into_inner);
    let found = lock().get(format.pattern()).map(Arc::clone);
    if let Some(layout) = found {
        return Ok(layout);
    }
    // Not held while Python makes objects.
    let layout = make()?;
    let mut known = lock();
    if known.len() < MOST {
        known.insert(format.pattern().to_owned(), Arc::clone(&layout));
    }
    Ok(layout)
}
