//! Every dialect's text, whole; and what a format of somebody's own does to it.

use serde_json::Value;

use super::*;

fn table() -> Table {
    Table::new(&LogFormat::common(), "s3://lake/access")
}

#[test]
fn golden_texts() {
    for (dialect, golden) in [
        (Dialect::Athena, include_str!("golden/athena.sql")),
        (Dialect::Glue, include_str!("golden/glue.json")),
        (Dialect::Spark, include_str!("golden/spark.sql")),
        (Dialect::DuckDb, include_str!("golden/duckdb.sql")),
        (Dialect::CloudFormation, include_str!("golden/cloudformation.yaml")),
    ] {
        let text = table().to_text(dialect).unwrap();
        if dialect == Dialect::Glue {
            let [ours, theirs] = [&text, golden].map(|text| serde_json::from_str::<Value>(text).unwrap());
            assert_eq!(ours, theirs);
        } else {
            assert_eq!(text, golden, "{}", dialect.as_str());
        }
    }
}

#[test]
fn names_of_dialects() {
    for name in Dialect::NAMES {
        assert_eq!(name.parse::<Dialect>().unwrap().as_str(), *name);
    }
    let error = "hive".parse::<Dialect>().err().unwrap();
    assert!(error.to_string().contains("name one of athena, glue"), "{error}");
}

#[test]
fn references_are_filled_in_and_days_are_not() {
    let referring = Table::new(&LogFormat::common(), "s3://${Lake}/access/")
        .with_database("${DatabaseName}")
        .with_since("${FirstDay}");
    let text = referring.to_text(Dialect::CloudFormation).unwrap();
    for line in [
        "        Name: !Ref DatabaseName\n",
        "          projection.dt.range: !Sub \"${FirstDay},NOW+1DAYS\"\n",
        "          storage.location.template: !Sub \"s3://${Lake}/access/dt=${!dt}/\"\n",
        "          Location: !Sub \"s3://${Lake}/access/\"\n",
    ] {
        assert!(text.contains(line), "{line}{text}");
    }
}

#[test]
fn names_are_quoted_where_they_have_to_be() {
    for (name, athena, duckdb) in [
        ("table", "nasalogs.`table` (", "nasalogs.\"table\" AS"),
        ("_a", "nasalogs.`_a` (", "nasalogs.\"_a\" AS"),
        ("1995_jul", "nasalogs.`1995_jul` (", "nasalogs.\"1995_jul\" AS"),
        ("jul_1995", "nasalogs.jul_1995 (", "nasalogs.jul_1995 AS"),
    ] {
        let named = table().with_name(name);
        assert!(named.to_text(Dialect::Athena).unwrap().contains(athena));
        assert!(named.to_text(Dialect::Spark).unwrap().contains(athena));
        assert!(named.to_text(Dialect::DuckDb).unwrap().contains(duckdb));
    }
}

#[test]
fn without_days() {
    for dialect in Dialect::ALL {
        let text = table().with_days(false).to_text(dialect).unwrap();
        assert!(!text.contains("dt=") && !text.contains("projection"), "{text}");
        assert!(!text.contains("PARTITIONED BY") && !text.contains("MSCK"), "{text}");
    }
}

#[test]
fn further_columns_stand_before_the_id() {
    let extras = Extras { line: true, raw: true, ..Extras::default() };
    let names: Vec<String> =
        table().with_extras(extras).columns().iter().map(|column| column.name.to_string()).collect();
    assert_eq!(names[names.len() - 4..], ["bytes", "line", "raw", "line_id"]);
    let text = table().with_extras(extras).to_text(Dialect::Athena).unwrap();
    assert!(text.contains("  raw binary COMMENT "), "{text}");
}

#[test]
fn a_hostile_format_stays_inside_its_quotes() {
    let format: LogFormat = "%h %t \"%{a'b\\\\\u{e9}}i\" \"%{x\u{7}$y}i\" %D".parse().unwrap();
    let hostile = Table::new(&format, "/data/it's/").with_extras(Extras::default());
    let spark = hostile.to_text(Dialect::Spark).unwrap();
    assert!(spark.contains("LOCATION '/data/it\\'s/'"), "{spark}");
    assert!(hostile.to_text(Dialect::DuckDb).unwrap().contains("read_parquet('/data/it''s/dt=*/*.parquet'"));
    let pattern = Table::new(&format, "/data/*[1]?/").to_text(Dialect::DuckDb).unwrap();
    assert!(pattern.contains("'/data/[*][[]1][?]/dt=*/*.parquet'"), "{pattern}");
    for dialect in Dialect::ALL {
        let mut table = hostile.clone();
        table.location = "s3://lake/".to_owned();
        let text = table.to_text(dialect).unwrap();
        assert!(text.chars().all(|character| character == '\n' || !character.is_control()), "{text:?}");
        if dialect == Dialect::Athena {
            // Each quote that does not end a literal is escaped: what is outside of them is ours.
            let bare = text.replace("\\\\", "").replace("\\'", "");
            assert_eq!(bare.matches('\'').count() % 2, 0);
            assert!(bare.split('\'').step_by(2).all(|outside| !outside.contains("a'b")), "{text}");
        }
    }
}

#[test]
fn comments_are_cut_between_characters() {
    let column = Column::dynamic("a".to_owned(), ColumnType::Text, "\u{e9}".repeat(200));
    assert_eq!(comment(&column).len(), 254);
    let column = Column::dynamic("a".to_owned(), ColumnType::Text, "a\nb".to_owned());
    assert_eq!(comment(&column), "a b");
}

#[test]
fn types() {
    let format: LogFormat = "%h %t %D %p %>s".parse().unwrap();
    let text = Table::new(&format, "s3://lake/").to_text(Dialect::Athena).unwrap();
    for typed in
        ["  host string ", "  ts timestamp ", "  duration_us bigint ", "  port int ", "  status smallint "]
    {
        assert!(text.contains(typed), "{text}");
    }
}
