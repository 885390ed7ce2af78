-- How many clients there were, day by day. Parameters: the first and the last day, as '1995-07-01'.
SELECT dt,
       count(*) AS requests,
       count(DISTINCT host) AS hosts,
       round(CAST(count(*) AS double) / nullif(count(DISTINCT host), 0), 3) AS requests_per_host
FROM access_log
WHERE dt BETWEEN ? AND ?
GROUP BY dt
ORDER BY dt
