-- A view with every line once, to be queried instead of access_log. A stream delivers at least once; a line has the same
-- id and the same day however often it comes, so that a condition on dt still skips the other days. Lines without an
-- id, as `nasalogs convert` writes them, are all kept.
CREATE OR REPLACE VIEW access_log_distinct AS
SELECT host, ident, authuser, ts, tz_offset, method, path, query, protocol, status, bytes,
       referer, user_agent, line_id, dt
FROM (
    SELECT *,
           row_number() OVER (PARTITION BY dt, line_id ORDER BY ts) AS copy
    FROM access_log
    WHERE line_id IS NOT NULL
)
WHERE copy = 1
UNION ALL
SELECT host, ident, authuser, ts, tz_offset, method, path, query, protocol, status, bytes,
       referer, user_agent, line_id, dt
FROM access_log
WHERE line_id IS NULL
