-- What was sent, day by day. Bytes add up as decimals: a log may say anything, and no sum overflows.
-- Parameters: the first and the last day, as '1995-07-01'.
SELECT dt,
       count(*) AS requests,
       coalesce(sum(CAST(bytes AS decimal(38, 0))), 0) AS bytes_sent,
       max(bytes) AS largest,
       count_if(bytes IS NULL) AS without_size
FROM access_log
WHERE dt BETWEEN ? AND ?
GROUP BY dt
ORDER BY dt
