-- The share of requests that failed, hour by hour in UTC. Parameters: the first and the last day, as '1995-07-01'.
SELECT date_trunc('hour', ts) AS hour_utc,
       count(*) AS requests,
       count_if(status BETWEEN 400 AND 499) AS client_errors,
       count_if(status BETWEEN 500 AND 599) AS server_errors,
       round(CAST(100 * count_if(status BETWEEN 400 AND 599) AS double) / count(*), 3) AS error_percent
FROM access_log
WHERE dt BETWEEN ? AND ?
GROUP BY date_trunc('hour', ts)
ORDER BY hour_utc
