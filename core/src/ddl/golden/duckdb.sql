CREATE SCHEMA IF NOT EXISTS nasalogs;
CREATE OR REPLACE VIEW nasalogs.access_log AS
SELECT
  host,
  ident,
  authuser,
  ts AT TIME ZONE 'UTC' AS ts,
  tz_offset,
  method,
  path,
  query,
  protocol,
  status,
  bytes,
  line_id,
  dt
FROM (
  SELECT NULL::VARCHAR AS host, NULL::VARCHAR AS ident, NULL::VARCHAR AS authuser, NULL::TIMESTAMPTZ AS ts, NULL::SMALLINT AS tz_offset, NULL::VARCHAR AS method, NULL::VARCHAR AS path, NULL::VARCHAR AS query, NULL::VARCHAR AS protocol, NULL::SMALLINT AS status, NULL::BIGINT AS bytes, NULL::VARCHAR AS line_id, NULL::VARCHAR AS dt
  WHERE false
  UNION ALL BY NAME
  SELECT * FROM read_parquet('s3://lake/access/dt=*/*.parquet', union_by_name = true, hive_partitioning = true, hive_types = {'dt': VARCHAR})
);
