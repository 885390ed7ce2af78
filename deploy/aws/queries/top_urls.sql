-- The ten URLs that are asked for most. Parameters: the first and the last day, as '1995-07-01'.
SELECT path || coalesce('?' || query, '') AS url,
       count(*) AS hits
FROM access_log
WHERE dt BETWEEN ? AND ?
  AND path IS NOT NULL
GROUP BY path || coalesce('?' || query, '')
ORDER BY hits DESC, url
LIMIT 10
