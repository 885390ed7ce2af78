-- The busiest minutes, in UTC. Parameters: the first and the last day, as '1995-07-01'.
SELECT date_trunc('minute', ts) AS minute_utc,
       count(*) AS requests,
       count(DISTINCT host) AS hosts,
       coalesce(sum(CAST(bytes AS decimal(38, 0))), 0) AS bytes_sent
FROM access_log
WHERE dt BETWEEN ? AND ?
GROUP BY date_trunc('minute', ts)
ORDER BY requests DESC, minute_utc
LIMIT 20
