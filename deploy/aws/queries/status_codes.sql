-- How requests ended. Parameters: the first and the last day, as '1995-07-01'.
SELECT status,
       count(*) AS requests
FROM access_log
WHERE dt BETWEEN ? AND ?
GROUP BY status
ORDER BY requests DESC, status NULLS LAST
