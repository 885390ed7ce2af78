-- Requests in each hour of the server's own clock. Parameters: the first and the last day, as '1995-07-01'.
SELECT date_trunc('hour', ts + coalesce(tz_offset, 0) * INTERVAL '1' MINUTE) AS hour_block,
       count(*) AS requests
FROM access_log
WHERE dt BETWEEN ? AND ?
GROUP BY date_trunc('hour', ts + coalesce(tz_offset, 0) * INTERVAL '1' MINUTE)
ORDER BY hour_block
