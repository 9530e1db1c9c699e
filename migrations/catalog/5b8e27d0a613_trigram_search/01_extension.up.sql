-- 01_extension.up.sql of "catalog: trigram search"                                          phase: EXPAND
-- Why: search by a part of a product name needs trigram indexes. Creating an extension needs a right on the database
-- that owners do not have, so the administrator runs this step. Schema public is where every owner finds it.
CREATE EXTENSION IF NOT EXISTS pg_trgm WITH SCHEMA public;
