//! Column names that need no quoting anywhere, made of whatever a header, a cookie or a variable is called.

/// The longest name made here, in bytes: PostgreSQL cuts at 63, and a number may follow.
const LONGEST: usize = 59;

/// Words that some engine takes for something else: Athena (Hive's DDL and Trino), Spark in ANSI mode, DuckDB,
/// DataFusion, PostgreSQL; then the columns that a caller may append, and the partition's. Sorted.
#[rustfmt::skip]
static RESERVED: &[&str] = &[
    "all", "alter", "analyse", "analyze", "and", "anti", "any", "array", "as", "asc", "asof", "asymmetric", "at",
    "authorization", "between", "bigint", "binary", "boolean", "both", "by", "byte_offset", "cache", "call",
    "case", "cast", "char", "character", "check", "cluster", "collate", "collation", "column", "columns",
    "comment", "commit", "concurrently", "conf", "constraint", "create", "cross", "cube", "current",
    "current_catalog", "current_date", "current_path", "current_role", "current_schema", "current_time",
    "current_timestamp", "current_user", "cursor", "database", "date", "dayofweek", "dayofyear", "deallocate",
    "decimal", "default", "deferrable", "delete", "desc", "describe", "distinct", "distribute", "div", "do",
    "double", "drop", "dt", "else", "end", "escape", "except", "exchange", "execute", "exists", "extended",
    "external", "extract", "false", "fetch", "file", "filter", "first", "float", "floor", "following", "for",
    "force", "foreign", "freeze", "from", "full", "function", "functions", "glob", "global", "grant", "group",
    "grouping", "having", "hour", "if", "ignore", "ilike", "import", "in", "initially", "inner", "inout",
    "insert", "int", "integer", "intersect", "interval", "into", "is", "isnull", "join", "json_array",
    "json_exists", "json_object", "json_query", "json_table", "json_value", "lambda", "lateral", "leading",
    "left", "less", "like", "limit", "line", "line_id", "lines", "listagg", "local", "localtime",
    "localtimestamp", "macro", "map", "minus", "minute", "month", "more", "national", "natural", "nchar",
    "none", "normalize", "not", "notnull", "null", "nullif", "numeric", "of", "offset", "on", "only",
    "option", "or", "order", "out", "outer", "over", "overlaps", "overlay", "partialscan", "partition",
    "percent", "pivot", "pivot_longer", "pivot_wider", "placing", "position", "positional", "preceding",
    "precision", "prepare", "preserve", "primary", "procedure", "qualify", "range", "raw", "reads", "real",
    "recursive", "reduce", "references", "regexp", "returning", "revoke", "right", "rlike", "rollback",
    "rollup", "row", "rows", "second", "select", "semi", "session_user", "set", "setof", "show", "similar",
    "skip", "smallint", "some", "sort", "sql", "start", "substring", "summarize", "symmetric", "sync",
    "system_user", "table", "tablesample", "then", "time", "timestamp", "timestamplocaltz", "to", "trailing",
    "transform", "treat", "trigger", "trim", "true", "truncate", "uescape", "unbounded", "union", "unique",
    "uniquejoin", "unknown", "unnest", "unpack", "unpivot", "update", "user", "using", "utc_timestamp", "values",
    "varchar", "variadic", "verbose", "view", "views", "when", "where", "window", "with", "within",
    "xmlattributes", "xmlconcat", "xmlelement", "year",
];

/// Whether a name would have to be quoted somewhere, or stands for another column.
pub(crate) fn is_reserved(name: &str) -> bool {
    RESERVED.binary_search(&name).is_ok()
}

/// A text in snake case: lower case, every run of other characters one underscore, none at its ends.
pub(super) fn snake_case(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        if character.is_ascii_alphanumeric() {
            out.push(character.to_ascii_lowercase());
        } else if !out.is_empty() && !out.ends_with('_') {
            out.push('_');
        }
    }
    // Everything in it is ASCII, so any cut is one between characters.
    out.truncate(LONGEST);
    out.truncate(out.trim_end_matches('_').len());
    out
}

/// The name of a column for something that is called `own`, where `template` says `NAME` for it.
///
/// A name that would begin with a digit, be empty, or be `taken` by a column that means something else gets
/// `guard` in front; a reserved word gets an underscore behind.
pub(super) fn column_name(template: &str, own: &str, guard: &str, taken: impl Fn(&str) -> bool) -> String {
    let mut name = snake_case(&template.replace("NAME", own));
    if name.is_empty() || name.starts_with(|first: char| first.is_ascii_digit()) || taken(&name) {
        name = snake_case(&format!("{guard}_{name}"));
    }
    if is_reserved(&name) {
        name.push('_');
    }
    name
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(own: &str) -> String {
        column_name("NAME", own, "http", |name| name == "host")
    }

    #[test]
    fn the_list_is_sorted() {
        assert!(RESERVED.windows(2).all(|pair| pair[0] < pair[1]), "binary search needs it");
    }

    #[test]
    fn headers_become_snake_case() {
        for (own, name) in [
            ("Referer", "referer"),
            ("User-Agent", "user_agent"),
            ("X-Forwarded-For", "x_forwarded_for"),
            ("JSESSIONID", "jsessionid"),
            ("_ga", "ga"),
            ("a..b--", "a_b"),
            ("Host", "http_host"),
            ("3scale-id", "http_3scale_id"),
            ("", "http"),
            ("\u{65e5}\u{672c}", "http"),
            ("Date", "date_"),
            ("From", "from_"),
            ("Range", "range_"),
            ("User", "user_"),
            ("File", "file_"),
        ] {
            assert_eq!(header(own), name, "{own}");
        }
        assert_eq!(column_name("cookie_NAME", "_ga", "cookie", |_| false), "cookie_ga");
        assert_eq!(column_name("cookie_NAME", "date", "cookie", |_| false), "cookie_date");
        assert_eq!(column_name("cookie_NAME", "", "cookie", |_| false), "cookie");
    }

    #[test]
    fn long_names_are_cut() {
        assert_eq!(header(&"x".repeat(500)).len(), LONGEST);
        assert_eq!(header(&format!("{}-y", "x".repeat(LONGEST - 1))).len(), LONGEST - 1);
    }
}
