-- Tables of the statement corpus: small ones with odd values, and some hundreds of rows with many columns.
CREATE TABLE ints (f1 int, note text, k int);
INSERT INTO ints VALUES (0, 'zero', 1), (123456, 'some', 2), (-123456, 'less', 3), (2147483647, 'most', 4), (-2147483647, 'least', 5), (NULL, 'none', -6);
CREATE TABLE bigs (q1 int8, q2 int8);
INSERT INTO bigs VALUES (123, 456), (123, 4567890123456789), (4567890123456789, 123), (4567890123456789, 4567890123456789), (4567890123456789, -4567890123456789);
CREATE TABLE floats (k int, f1 float8);
INSERT INTO floats VALUES (1, 0.0), (2, -34.84), (3, -1004.30), (4, -1.2345678901234e+200), (5, -1.2345678901234e-200);
CREATE TABLE texts (k int, f1 text);
INSERT INTO texts VALUES (1, 'doh!'), (2, 'hi de ho neighbor'), (3, NULL), (4, ''), (5, 'more stuff');
CREATE TABLE wide (unique1 int, unique2 int, two int, four int, ten int, twenty int, hundred int, odd int, even int, stringu1 name, string4 name);
INSERT INTO wide SELECT (n * 613) % 997, n, n % 2, n % 4, n % 10, n % 20, n % 100, (n % 100) * 2 + 1, (n % 100) * 2, chr(65 + n % 26) || chr(65 + n % 7) || 'AAAA', (ARRAY['AAAAxx', 'HHHHxx', 'OOOOxx', 'VVVVxx'])[1 + n % 4] FROM generate_series(0, 499) n;
CREATE TABLE salaries (empno int, depname varchar, salary int, enroll_date date);
INSERT INTO salaries VALUES (10, 'develop', 5200, '2007-08-01'), (1, 'sales', 5000, '2006-10-01'), (5, 'personnel', 3500, '2007-12-10'), (8, 'develop', 6000, '2006-10-01'), (11, 'develop', 5200, '2007-08-15'), (2, 'personnel', 3900, '2006-12-23'), (7, 'develop', 4200, '2008-01-01'), (9, 'develop', 4500, '2008-01-01'), (3, 'sales', 4800, '2007-08-01'), (4, 'sales', 4800, '2007-08-08');
CREATE TABLE j1 (i int, j int, t text, kx int);
INSERT INTO j1 VALUES (1, 4, 'one', 1), (2, 3, 'two', 2), (3, 2, 'three', 3), (4, 1, 'four', 4), (5, 0, 'five', 5), (6, 6, 'six', 6), (7, 7, 'seven', 7), (8, 8, 'eight', 8), (0, NULL, 'zero', 9), (NULL, NULL, 'null', 10), (NULL, 0, 'zero', 11);
CREATE TABLE j2 (i int, k int, ky int);
INSERT INTO j2 VALUES (1, -1, 1), (2, 2, 2), (3, -3, 3), (2, 4, 4), (5, -5, 5), (5, -5, 6), (0, NULL, 7), (NULL, NULL, 8), (NULL, 0, 9);
CREATE TABLE numbers (id int, val numeric);
INSERT INTO numbers VALUES (0, 0), (1, 0), (2, -34338492.215397047), (3, 4.31), (4, 7799461.4119), (5, 16397.038491), (6, 93901.57763026), (7, -83028485), (8, 74881), (9, -24926804.045047420), (10, 'NaN'), (11, 'Infinity'), (12, 1e-1000);
