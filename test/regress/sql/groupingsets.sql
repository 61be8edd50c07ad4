-- GROUPING SETS, ROLLUP, CUBE and grouping().
SELECT ten, four, grouping(ten, four), sum(unique1), count(*), max(unique2) FROM wide GROUP BY ROLLUP (ten, four) ORDER BY 1, 2, 3;
SELECT ten, four, grouping(ten, four), sum(unique1) FROM wide GROUP BY CUBE (ten, four) ORDER BY 1, 2, 3;
SELECT two, four, count(*) FROM wide GROUP BY GROUPING SETS ((two), (four), ()) ORDER BY 1, 2, 3;
SELECT two, four, count(*) FROM wide GROUP BY GROUPING SETS ((two, four), (two, four)) ORDER BY 1, 2;
SELECT two, count(*) FROM wide GROUP BY two, ROLLUP (two) ORDER BY 1, 2;
SELECT two, count(*) FROM wide GROUP BY DISTINCT two, ROLLUP (two) ORDER BY 1, 2;
SELECT sum(four), two FROM wide GROUP BY CUBE (two) HAVING grouping(two) = 0 ORDER BY 2;
SELECT ten, sum(DISTINCT four) FROM wide GROUP BY GROUPING SETS ((ten, four), (ten)) HAVING sum(DISTINCT four) > 2 ORDER BY 1, 2;
SELECT depname, sum(salary), rank() OVER (ORDER BY sum(salary)) FROM salaries GROUP BY ROLLUP (depname) ORDER BY 3;
SELECT (SELECT grouping(a.two) FROM wide b LIMIT 1), two FROM wide a GROUP BY CUBE (two) ORDER BY 1, 2;
SELECT count(*) FROM ints WHERE false GROUP BY GROUPING SETS ((), ());
SELECT f1, count(*) FROM ints WHERE false GROUP BY GROUPING SETS ((f1), ());
SELECT grouping(ten) FROM wide GROUP BY four;
