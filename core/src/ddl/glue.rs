//! What Glue's catalog holds of a table.

use serde_json::{Map, Value, json};

use super::{DT, Table, comment, hive_type};
use crate::schema::Column;

/// How Hive reads and writes Parquet.
pub(super) const INPUT_FORMAT: &str = "org.apache.hadoop.hive.ql.io.parquet.MapredParquetInputFormat";
pub(super) const OUTPUT_FORMAT: &str = "org.apache.hadoop.hive.ql.io.parquet.MapredParquetOutputFormat";
pub(super) const SERDE: &str = "org.apache.hadoop.hive.ql.io.parquet.serde.ParquetHiveSerDe";

/// `TableInput` of Glue's `CreateTable`.
pub(super) fn table_input(table: &Table) -> Value {
    let properties = table.properties("${dt}").into_iter().map(|(key, value)| (key.to_owned(), value.into()));
    let external = [("EXTERNAL".to_owned(), Value::from("TRUE"))];
    let parameters: Map<String, Value> = external.into_iter().chain(properties).collect();
    let keys: Vec<Value> = table.partitioned.then(|| entry(&DT)).into_iter().collect();
    json!({
        "Name": table.name,
        "Description": table.description(),
        "TableType": "EXTERNAL_TABLE",
        "Parameters": parameters,
        "PartitionKeys": keys,
        "StorageDescriptor": {
            "Columns": table.columns.iter().map(entry).collect::<Vec<_>>(),
            "Location": table.location,
            "InputFormat": INPUT_FORMAT,
            "OutputFormat": OUTPUT_FORMAT,
            "SerdeInfo": {
                "SerializationLibrary": SERDE,
                "Parameters": { "serialization.format": "1" },
            },
        },
    })
}

fn entry(column: &Column) -> Value {
    json!({ "Name": column.name, "Type": hive_type(column), "Comment": comment(column) })
}
