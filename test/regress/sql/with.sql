-- WITH, also RECURSIVE and MATERIALIZED.
WITH q1 (x, y) AS (SELECT 1, 2) SELECT * FROM q1, q1 AS q2;
WITH q AS MATERIALIZED (SELECT hundred, count(*) AS n FROM wide GROUP BY hundred) SELECT max(n), min(n) FROM q;
WITH RECURSIVE t (n) AS (VALUES (1) UNION ALL SELECT n + 1 FROM t WHERE n < 100) SELECT sum(n) FROM t;
WITH RECURSIVE t (n) AS (SELECT min(unique2) FROM wide UNION ALL SELECT w.unique2 FROM wide w JOIN t ON w.unique2 = t.n + 7 WHERE t.n < 60) SELECT n FROM t ORDER BY n;
WITH RECURSIVE t (n) AS (SELECT i FROM j1 WHERE i = 1 UNION SELECT j2.k FROM j2 JOIN t ON j2.i = t.n) SELECT * FROM t;
WITH RECURSIVE sub (id, path) AS (SELECT i, ARRAY[i] FROM j1 WHERE i = 4 UNION ALL SELECT j1.j, path || j1.j FROM j1 JOIN sub ON j1.i = sub.id WHERE array_length(path, 1) < 4) SELECT * FROM sub ORDER BY path;
WITH a AS (SELECT i FROM j1), b AS (SELECT i FROM a WHERE i > 2) SELECT count(*) FROM a JOIN b USING (i);
WITH w AS (SELECT depname, avg(salary) AS avg FROM salaries GROUP BY depname) SELECT s.empno FROM salaries s JOIN w USING (depname) WHERE s.salary > w.avg ORDER BY 1;
WITH unused AS (SELECT * FROM wide) SELECT 1;
WITH q AS (SELECT * FROM nowhere) SELECT 1;
WITH q AS (SELECT 1 AS x) SELECT (WITH q AS (SELECT 2 AS x) SELECT x FROM q), x FROM q;
WITH q AS (SELECT 1), q AS (SELECT 2) SELECT * FROM q;
SELECT count(*) FROM (WITH q1 (x) AS (SELECT unique1 FROM wide WHERE unique2 < 50) SELECT * FROM q1 UNION SELECT * FROM q1) ss;
WITH ordinality AS (SELECT 1 AS x) SELECT * FROM ordinality;
WITH j1 AS (SELECT 100 AS i) SELECT * FROM j1 JOIN j2 ON j2.i IS NULL;
