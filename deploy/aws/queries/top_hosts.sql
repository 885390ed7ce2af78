-- The ten clients that ask most. Parameters: the first and the last day, as '1995-07-01'.
SELECT host,
       count(*) AS requests
FROM access_log
WHERE dt BETWEEN ? AND ?
  AND host IS NOT NULL
GROUP BY host
ORDER BY requests DESC, host
LIMIT 10
