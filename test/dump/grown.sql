-- What pg_dump meets in databases that have grown: odd names, and objects that depend on each other.
-- Sharded by user_id.

CREATE SCHEMA "Odd Schema";
COMMENT ON SCHEMA "Odd Schema" IS 'it''s odd; -- "really"';
CREATE TYPE "Odd Schema"."Mood Of Day" AS ENUM ('so so', 'it''s fine', 'Ünï;code', '');
CREATE DOMAIN "Odd Schema"."Positive" AS integer DEFAULT 1 NOT NULL CONSTRAINT "more; than" CHECK (VALUE > 0);
CREATE DOMAIN public.small AS "Odd Schema"."Positive" CHECK (VALUE < 1000);
COMMENT ON DOMAIN public.small IS 'a domain over a domain';
COMMENT ON CONSTRAINT "more; than" ON DOMAIN "Odd Schema"."Positive" IS 'of a domain';
CREATE TYPE public.point3 AS (x double precision, y double precision, "Z" "Odd Schema"."Mood Of Day");
CREATE TYPE public.nested AS (p public.point3, many public.point3[]);
CREATE TYPE public.float_range AS RANGE (subtype = double precision, subtype_diff = float8mi);
CREATE COLLATION public.plain (provider = libc, locale = 'C');
CREATE TEXT SEARCH CONFIGURATION public.mine (COPY = simple);
COMMENT ON TYPE public.nested IS 'within';

CREATE FUNCTION public."Body Of SQL"(n bigint) RETURNS bigint LANGUAGE sql IMMUTABLE
  BEGIN ATOMIC SELECT n + 1; END;
CREATE FUNCTION public.dollar(text, VARIADIC rest text[] DEFAULT '{}') RETURNS text LANGUAGE plpgsql STABLE STRICT
  SET work_mem = '8MB' AS $fn$ BEGIN RETURN $1 || $$;$$ || array_to_string(rest, '$'); END $fn$;
CREATE FUNCTION public.many_rows(OUT a int, OUT b text) RETURNS SETOF record LANGUAGE sql
  ROWS 3 COST 7 AS 'SELECT 1, ''x''';
CREATE CAST (public.point3 AS text) WITH INOUT;

CREATE TABLE "Odd Schema"."Weird ""Table""" (
  user_id bigint NOT NULL,
  "Column One" text DEFAULT 'a;b',
  "select" "Odd Schema"."Mood Of Day" DEFAULT 'it''s fine',
  level public.small,
  place public.nested,
  during tstzrange,
  span public.float_range,
  "Full Name" text GENERATED ALWAYS AS (COALESCE("Column One", '') || '-' || user_id::text) STORED,
  words tsvector GENERATED ALWAYS AS (to_tsvector('public.mine', COALESCE("Column One", ''))) STORED,
  matrix integer[][],
  address inet,
  "doc""s" xml,
  bits bit varying(12),
  sorted text COLLATE public.plain,
  CONSTRAINT "Weird Key" PRIMARY KEY (user_id)
);
COMMENT ON COLUMN "Odd Schema"."Weird ""Table"""."doc""s" IS E'tab\there';
COMMENT ON CONSTRAINT "Weird Key" ON "Odd Schema"."Weird ""Table""" IS 'key';
CREATE INDEX "An Index" ON "Odd Schema"."Weird ""Table""" (lower("Column One"), (user_id % 7) DESC NULLS LAST)
  WHERE "select" <> 'so so';
CREATE INDEX ON "Odd Schema"."Weird ""Table""" USING gist (during);
INSERT INTO "Odd Schema"."Weird ""Table""" (user_id, "Column One", "select", level, place, during, span, matrix, address, "doc""s", bits, sorted)
SELECT n, CASE n % 4 WHEN 0 THEN NULL WHEN 1 THEN E'\\N' WHEN 2 THEN E'\r\n\\.\n' ELSE '' END,
  (enum_range(NULL::"Odd Schema"."Mood Of Day"))[n % 4 + 1], n % 900 + 1,
  ROW(ROW(n / 3.0, 'NaN', 'so so'), ARRAY[ROW(1e300, '-infinity', NULL)::public.point3, NULL])::public.nested,
  tstzrange('epoch', 'epoch'::timestamptz + n * interval '1 s'), public.float_range(n, n + 0.1),
  ARRAY[[n, NULL], [3, 4]], '10.0.0.1'::inet + n, ('<a b="' || n || '">&amp;</a>')::xml, n::bit(12)::varbit, chr(n % 90 + 33)
FROM generate_series(1, 300) n;

-- Partitions of partitions, with columns in another order and a default.
CREATE TABLE public.events (
  user_id bigint NOT NULL,
  kind "Odd Schema"."Mood Of Day" NOT NULL,
  at timestamptz NOT NULL,
  payload jsonb DEFAULT '{}',
  PRIMARY KEY (user_id, kind, at)
) PARTITION BY LIST (kind);
CREATE TABLE public."events so so" PARTITION OF public.events FOR VALUES IN ('so so', '');
CREATE TABLE public.events_by_time PARTITION OF public.events FOR VALUES IN ('it''s fine')
  PARTITION BY RANGE (at);
CREATE TABLE public.events_old PARTITION OF public.events_by_time FOR VALUES FROM (MINVALUE) TO ('2020-01-01 00:00+00');
CREATE TABLE public.events_new (at timestamptz NOT NULL, payload jsonb DEFAULT '{"new": true}', kind "Odd Schema"."Mood Of Day" NOT NULL, user_id bigint NOT NULL);
ALTER TABLE public.events_by_time ATTACH PARTITION public.events_new FOR VALUES FROM ('2020-01-01 00:00+00') TO (MAXVALUE);
CREATE TABLE public.events_rest PARTITION OF public.events DEFAULT PARTITION BY HASH (user_id);
CREATE TABLE public.events_rest_0 PARTITION OF public.events_rest FOR VALUES WITH (MODULUS 2, REMAINDER 0);
CREATE TABLE public.events_rest_1 PARTITION OF public.events_rest FOR VALUES WITH (MODULUS 2, REMAINDER 1);
CREATE INDEX events_at ON public.events (at);
INSERT INTO public.events (user_id, kind, at, payload)
SELECT n, (enum_range(NULL::"Odd Schema"."Mood Of Day"))[n % 4 + 1], '2019-12-01'::timestamptz + n * interval '6 hours', jsonb_build_object('n', n)
FROM generate_series(1, 400) n;

-- Triggers: of statements, of partitions, with transition tables, deferred.
CREATE TABLE public.audit (user_id bigint NOT NULL, what text);
CREATE FUNCTION public.audited() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO public.audit VALUES (NEW.user_id, TG_NAME || ';' || TG_OP);
  RETURN NULL;
END $$;
CREATE TRIGGER "after; all" AFTER INSERT OR UPDATE OF payload ON public.events
  FOR EACH ROW WHEN (NEW.payload ? 'audit') EXECUTE FUNCTION public.audited();
CREATE CONSTRAINT TRIGGER late AFTER DELETE ON public.audit DEFERRABLE INITIALLY DEFERRED
  FOR EACH ROW EXECUTE FUNCTION public.audited();
ALTER TABLE public.audit DISABLE TRIGGER late;

-- Views on views, with options, and a materialized one on them.
CREATE VIEW "Odd Schema"."First View" ("User", "Mood") WITH (security_barrier = true) AS
  SELECT user_id, "select" FROM "Odd Schema"."Weird ""Table""" WHERE level < 500;
CREATE VIEW public.second_view AS SELECT v."User", count(e.*) AS events FROM "Odd Schema"."First View" v
  LEFT JOIN public.events e ON e.user_id = v."User" GROUP BY v."User";
COMMENT ON VIEW public.second_view IS 'a view on a view';
CREATE VIEW public.checked AS SELECT user_id, kind, at FROM public.events WHERE user_id > 0 WITH CASCADED CHECK OPTION;
CREATE RECURSIVE VIEW public.counting (n) AS SELECT 1 UNION ALL SELECT n + 1 FROM counting WHERE n < 5;

CREATE MATERIALIZED VIEW public.totals AS SELECT what, count(*) AS n, max(user_id) AS last FROM public.audit GROUP BY what;
CREATE UNIQUE INDEX ON public.totals (what);

-- Keys, some not valid yet.
CREATE TABLE public.member (
  user_id bigint PRIMARY KEY REFERENCES "Odd Schema"."Weird ""Table""" ON UPDATE CASCADE ON DELETE SET NULL DEFERRABLE INITIALLY DEFERRED,
  seat integer,
  CONSTRAINT "one; seat" EXCLUDE USING btree (user_id WITH =, seat WITH =)
);
INSERT INTO public.member SELECT n, n FROM generate_series(1, 50) n;
ALTER TABLE public.member ADD CONSTRAINT young CHECK (seat < 10) NOT VALID;
ALTER TABLE public.member ADD COLUMN "añadido" date DEFAULT '2024-02-29';
ALTER TABLE public.member DROP COLUMN seat;
ALTER TABLE public.member ALTER COLUMN "añadido" SET STORAGE PLAIN;

-- Policies.
CREATE FUNCTION public.is_mine(bigint) RETURNS boolean LANGUAGE sql STABLE AS
  'SELECT $1 = NULLIF(current_setting(''app.user'', true), '''')::bigint';
ALTER TABLE public.member ENABLE ROW LEVEL SECURITY;
CREATE POLICY "own; rows" ON public.member AS PERMISSIVE FOR ALL TO PUBLIC USING (true) WITH CHECK (public.is_mine(user_id) OR true);
CREATE POLICY never ON public.member AS RESTRICTIVE FOR DELETE TO pg_monitor USING (user_id <> 0);
COMMENT ON POLICY never ON public.member IS 'a policy';

-- Tables of shard 0: inheritance, rules, sequences of their own.
CREATE TABLE public.parent (id integer GENERATED ALWAYS AS IDENTITY (MINVALUE -5 START -5 CYCLE MAXVALUE 50), note text NOT NULL);
CREATE TABLE public.child (extra numeric(20, 4)[] ) INHERITS (public.parent);
INSERT INTO public.parent (note) SELECT 'p' || n FROM generate_series(1, 20) n;
INSERT INTO public.child (id, note, extra) SELECT n, 'c', ARRAY[n / 3.0, NULL] FROM generate_series(1, 5) n;
CREATE SEQUENCE public."A Sequence" START WITH 7 INCREMENT BY 3;
ALTER SEQUENCE public."A Sequence" OWNED BY public.parent.note;
CREATE RULE "no delete" AS ON DELETE TO public.parent WHERE OLD.id < 0 DO INSTEAD NOTHING;
CREATE TABLE public.empty ();
CREATE PUBLICATION news FOR TABLE public.parent;
