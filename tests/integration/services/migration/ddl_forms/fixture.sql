-- What the forms of forms.txt work on. Every table has rows, so that reading them shows.
CREATE SCHEMA f;
SET search_path = f;

CREATE DOMAIN dpos AS int CHECK (VALUE > 0);
CREATE DOMAIN posint AS int;
CREATE TYPE st AS ENUM ('a', 'b');
CREATE SEQUENCE sq;
CREATE FUNCTION trg() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';

CREATE TABLE parent (id bigint PRIMARY KEY, name text);
INSERT INTO parent SELECT i FROM generate_series(1, 2000) AS i;
CREATE RULE rl AS ON UPDATE TO parent WHERE new.id < 0 DO INSTEAD NOTHING;

-- Column id and a are used by views; a is proven not to be NULL, c is only promised.
CREATE TABLE t (
    id int PRIMARY KEY,
    a int CONSTRAINT ck_a CHECK (a IS NOT NULL),
    n int NOT NULL DEFAULT 0,
    b varchar(10),
    c text,
    d numeric(10,2),
    e timestamptz DEFAULT now(),
    ts timestamp,
    tm timestamp(3),
    iv interval(3),
    ip cidr,
    j json,
    p posint,
    parent_id bigint
);
INSERT INTO t SELECT i, i, i, 'b', 'c', 1, now(), now(), now(), '1 s', '10.0.0.0/8', '{}', 1, i
  FROM generate_series(1, 2000) AS i;
CREATE INDEX t_a ON t (a);
CREATE UNIQUE INDEX t_uq ON t (n);
CREATE UNIQUE INDEX t_parent_uq ON t (parent_id);
CREATE STATISTICS stt ON a, n FROM t;
ALTER TABLE t ADD CONSTRAINT ck_nv CHECK (a > 0) NOT VALID, ADD CONSTRAINT nn_nv CHECK (c IS NOT NULL) NOT VALID,
    ADD CONSTRAINT fk_nv FOREIGN KEY (parent_id) REFERENCES parent (id) NOT VALID;
CREATE TRIGGER tr0 BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION trg();
CREATE POLICY pol ON t USING (true);
CREATE VIEW vw AS SELECT id, a FROM t;
CREATE MATERIALIZED VIEW mv AS SELECT id, a FROM t;
CREATE UNIQUE INDEX mv_id ON mv (id);

CREATE TABLE child (id int PRIMARY KEY, t_id int REFERENCES t (id));
INSERT INTO child SELECT i, i FROM generate_series(1, 2000) AS i;

-- No view on it.
CREATE TABLE w (id int PRIMARY KEY, a int);
INSERT INTO w SELECT i, i FROM generate_series(1, 2000) AS i;
CREATE INDEX w_a ON w (a);

CREATE TABLE gt (id int PRIMARY KEY, g int GENERATED ALWAYS AS (id + 1) STORED);
INSERT INTO gt SELECT i FROM generate_series(1, 2000) AS i;

CREATE TABLE pt (id int NOT NULL, k int) PARTITION BY RANGE (id);
CREATE TABLE pt1 PARTITION OF pt FOR VALUES FROM (0) TO (10);
CREATE TABLE ptdef PARTITION OF pt DEFAULT;
INSERT INTO pt SELECT i, i FROM generate_series(0, 9) AS i;
INSERT INTO pt SELECT i, i FROM generate_series(100, 200) AS i;
CREATE TABLE ptnew (id int NOT NULL, k int);
INSERT INTO ptnew SELECT i, i FROM generate_series(10, 19) AS i;
-- Its rows are proven to fit.
CREATE TABLE ptproven (id int NOT NULL CHECK (id >= 10 AND id < 20), k int);
INSERT INTO ptproven SELECT i, i FROM generate_series(10, 19) AS i;

-- Without a default partition.
CREATE TABLE pc (id int NOT NULL, k int) PARTITION BY RANGE (id);
CREATE TABLE pc1 PARTITION OF pc FOR VALUES FROM (0) TO (10);
INSERT INTO pc SELECT i, i FROM generate_series(0, 9) AS i;
CREATE TABLE pcproven (id int NOT NULL CHECK (id >= 10 AND id < 20), k int);
INSERT INTO pcproven SELECT i, i FROM generate_series(10, 19) AS i;

-- With a default partition that is proven to have no row of 10 to 20.
CREATE TABLE qt (id int NOT NULL, k int) PARTITION BY RANGE (id);
CREATE TABLE qt1 PARTITION OF qt FOR VALUES FROM (0) TO (10);
CREATE TABLE qtdef PARTITION OF qt DEFAULT;
ALTER TABLE qtdef ADD CHECK (id >= 20);
INSERT INTO qt SELECT i, i FROM generate_series(100, 200) AS i;
CREATE TABLE qtproven (id int NOT NULL CHECK (id >= 10 AND id < 20), k int);
INSERT INTO qtproven SELECT i, i FROM generate_series(10, 19) AS i;
ANALYZE;
