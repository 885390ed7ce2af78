-- What is asked for and is not there, and by how many. Parameters: the first and the last day, as '1995-07-01'.
SELECT path,
       count(*) AS requests,
       count(DISTINCT host) AS hosts,
       max(ts) AS last_seen
FROM access_log
WHERE dt BETWEEN ? AND ?
  AND status = 404
GROUP BY path
ORDER BY requests DESC, path NULLS LAST
LIMIT 50
