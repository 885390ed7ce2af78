-- What the server failed at. Parameters: the first and the last day, as '1995-07-01'.
SELECT status,
       path,
       count(*) AS requests,
       min(ts) AS first_seen,
       max(ts) AS last_seen
FROM access_log
WHERE dt BETWEEN ? AND ?
  AND status BETWEEN 500 AND 599
GROUP BY status, path
ORDER BY requests DESC, status, path NULLS LAST
LIMIT 50
