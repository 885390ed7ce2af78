CREATE DATABASE IF NOT EXISTS nasalogs;
CREATE TABLE IF NOT EXISTS nasalogs.access_log (
  host string COMMENT 'client: a name, IPv4 or IPv6 address, as logged',
  ident string COMMENT 'RFC 1413 identity; null when `-`',
  authuser string COMMENT 'user name of HTTP authentication; null when `-`, empty when logged as `""`',
  ts timestamp COMMENT 'time of the request, milliseconds UTC',
  tz_offset smallint COMMENT 'the logged UTC offset in minutes east (-240 for -0400)',
  method string COMMENT 'request method; null when the request is `-`, empty or has none',
  path string COMMENT 'request target up to its first `?`; null when the request is `-` or empty',
  query string COMMENT 'what follows the target\'s first `?`; null when there is no `?`',
  protocol string COMMENT 'request protocol, as `HTTP/1.0`; null when none is logged',
  status smallint COMMENT 'HTTP status; null when `-`',
  bytes bigint COMMENT 'size of the response body in bytes; null when `-`',
  line_id string COMMENT 'id of the line: its source, a hyphen, and the byte offset of its start in the source',
  dt string COMMENT 'day of the request, YYYY-MM-DD: of UTC, unless the lake was written with days of the log\'s own zone'
)
USING PARQUET
PARTITIONED BY (dt)
LOCATION 's3://lake/access/'
COMMENT 'web server access log: a row for each line (common)';
MSCK REPAIR TABLE nasalogs.access_log;
