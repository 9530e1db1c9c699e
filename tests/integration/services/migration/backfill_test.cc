// Backfills: what they fill, cover, verify and refuse.
#include <string>

#include "gmock/gmock.h"
#include "tests/integration/services/migration/backfill_fixture.h"

namespace lockstep::migration {
namespace {

using ::lockstep::testing::IsOk;
using ::lockstep::testing::Reason;
using ::lockstep::testing::StatusIs;
using ::testing::AllOf;
using ::testing::Contains;
using ::testing::HasSubstr;

class BackfillTest : public BackfillFixture {};

TEST_F(BackfillTest, FillsTheColumnInBatchesAndGoesBack) {
  MakeTable(5'000);
  WriteBackfill(kFold + BatchesOf(400));
  ASSERT_OK(Upgrade());
  EXPECT_EQ(AppliedText(), "aaaa:1! bbbb:1,2!");
  EXPECT_EQ(Count("folded = lower(raw)"), "5000");
  EXPECT_EQ(Walked(), "5000/5000/13");
  EXPECT_TRUE(HasTrigger());
  EXPECT_THAT(sink_.Messages("backfill_started"), Contains(HasSubstr("keys from 1 to 5000")));
  EXPECT_THAT(sink_.Messages("backfill_verified"), Contains(HasSubstr("5000 rows as declared")));
  EXPECT_EQ(db_.QueryText("SELECT actual FROM migration.verification_results"
                          " WHERE check_id = 'backfill fill'"),
            "5000 rows as declared");
  ASSERT_OK_AND_ASSIGN(const auto backfills, NewEngine()->ListBackfills(context_, 10));
  ASSERT_EQ(backfills.size(), 1U);
  EXPECT_EQ(backfills[0].state, "finished");
  EXPECT_EQ(backfills[0].rows_done, 5'000);
  EXPECT_EQ(backfills[0].batches, 13);

  ASSERT_OK(Downgrade("aaaa"));
  EXPECT_FALSE(HasTrigger());
  EXPECT_EQ(db_.QueryText("SELECT count(*) FROM migration.backfills"), "0");
  ASSERT_OK(Upgrade());
  EXPECT_EQ(Count("folded = lower(raw)"), "5000");
}

TEST_F(BackfillTest, AnEmptyTableNeedsNoBatch) {
  MakeTable(0);
  WriteBackfill(kFold);
  ASSERT_OK(Upgrade());
  EXPECT_EQ(AppliedText(), "aaaa:1! bbbb:1,2!");
  EXPECT_TRUE(HasTrigger());
}

struct KeyCase {
  std::string name;
  std::string columns;  // of the table, without raw
  std::string values;   // for them
  std::string key;
};

class BackfillKeyTest : public BackfillFixture, public ::testing::WithParamInterface<KeyCase> {};

TEST_P(BackfillKeyTest, EveryRowIsInExactlyOneBatch) {
  const KeyCase& key = GetParam();
  MakeTable(3'000, key.columns + ", raw text NOT NULL", key.values + ", 'Row ' || n");
  WriteBackfill(kFold + BatchesOf(170) + "workers: 3 ", key.key);
  ASSERT_OK(Upgrade());
  EXPECT_EQ(Count("folded = lower(raw)"), "3000");
  EXPECT_EQ(db_.QueryText("SELECT sum(rows_walked) || '/' || sum(rows_changed) || '/'"
                          " || (count(*) > 3) FROM migration.backfill_chunks"),
            "3000/3000/true");
}

INSTANTIATE_TEST_SUITE_P(
    Keys, BackfillKeyTest,
    ::testing::Values(
        KeyCase{"integer", "id integer PRIMARY KEY", "n * 3", "key: \"id\" "},
        KeyCase{"uuid", "id uuid PRIMARY KEY", "gen_random_uuid()", "key: \"id\" "},
        KeyCase{"text", "id text PRIMARY KEY", "'it''s \\ ' || md5(n::text)", "key: \"id\" "},
        KeyCase{"composite", "shop text, number integer, PRIMARY KEY (shop, number)",
                "'shop ' || n % 7, n", "key: \"shop\" key: \"number\" "},
        KeyCase{"timestamp", "at timestamptz PRIMARY KEY",
                "'2024-03-31 00:00+00'::timestamptz + n * interval '1 minute'", "key: \"at\" "}),
    [](const auto& tested) { return tested.param.name; });

TEST_F(BackfillTest, WritesOfTheServiceAreCoveredByTheTrigger) {
  MakeTable(10);
  WriteBackfill(kFold);
  ASSERT_OK(Upgrade());
  const auto app = Open("catalog_app");
  ASSERT_OK(
      app->Script("INSERT INTO core.t (id, raw) VALUES (11, 'NEW');"
                  "UPDATE core.t SET raw = 'CHANGED' WHERE id = 3;"
                  "UPDATE core.t SET folded = 'nonsense' WHERE id = 4;"));
  EXPECT_EQ(Count("folded = lower(raw)"), "11");
}

TEST_F(BackfillTest, BothShapesAreKeptInStep) {
  MakeTable(10, "id bigint PRIMARY KEY, raw text", "n, '1' || n || '.50'");
  WriteBackfill(
      "set { column: \"folded\" expression: \"(raw::numeric * 100)::bigint\" }"
      " set_back { column: \"raw\" expression: \"(folded / 100.0)::numeric(12,2)::text\" }"
      " trigger: \"t_folded_sync\" ",
      "key: \"id\" ", "bigint");
  ASSERT_OK(Upgrade());
  EXPECT_EQ(Count("folded = raw::numeric * 100"), "10");
  const auto app = Open("catalog_app");
  // Old and new builds, each with its own shape.
  ASSERT_OK(
      app->Script("INSERT INTO core.t (id, raw) VALUES (11, '7.25');"
                  "INSERT INTO core.t (id, folded) VALUES (12, 725);"
                  "UPDATE core.t SET raw = '1.00' WHERE id = 1;"
                  "UPDATE core.t SET folded = 200 WHERE id = 2;"));
  EXPECT_EQ(db_.QueryText("SELECT string_agg(id || ':' || raw || '=' || folded, ' ' ORDER BY id)"
                          " FROM core.t WHERE id IN (1, 2, 11, 12)"),
            "1:1.00=100 2:2.00=200 11:7.25=725 12:7.25=725");
}

TEST_F(BackfillTest, WhatTheNewShapeCannotHoldStaysInTheOldOne) {
  MakeTable(10, "id bigint PRIMARY KEY, raw text, rate numeric NOT NULL DEFAULT 100",
            "n, n || '.999'");
  WriteBackfill(
      "set { column: \"folded\" expression: \"trunc(raw::numeric * rate)::bigint\" }"
      " set_back { column: \"raw\" expression: \"(folded / rate)::numeric(12,2)::text\" }"
      " trigger: \"t_folded_sync\" ",
      "key: \"id\" ", "bigint");
  ASSERT_OK(Upgrade());
  EXPECT_EQ(Count("raw = id || '.999' AND folded = trunc(raw::numeric * 100)"), "10");
  const auto app = Open("catalog_app");
  // Another input of the new shape.
  ASSERT_OK(app->Script("UPDATE core.t SET rate = 10 WHERE id = 5;"));
  EXPECT_EQ(db_.QueryText("SELECT raw || '=' || folded FROM core.t WHERE id = 5"), "5.999=59");
}

TEST_F(BackfillTest, ColumnsWithoutEqualityAreComparedToo) {
  MakeTable(5, "id bigint PRIMARY KEY, raw json", "n, json_build_object('n', n)");
  WriteBackfill(
      "set { column: \"folded\" expression: \"(raw ->> 'n')::bigint\" }"
      " set_back { column: \"raw\" expression: \"json_build_object('n', folded)\" }"
      " trigger: \"t_folded_sync\" ",
      "key: \"id\" ", "bigint");
  ASSERT_OK(Upgrade());
  const auto app = Open("catalog_app");
  ASSERT_OK(
      app->Script("UPDATE core.t SET folded = 7 WHERE id = 1;"
                  "UPDATE core.t SET raw = '{\"n\": 8}' WHERE id = 2;"));
  EXPECT_EQ(Count("(raw ->> 'n')::bigint = folded"), "5");
}

TEST_F(BackfillTest, RowsWithoutTheConditionAreNoneToCompute) {
  MakeTable(6, "id bigint PRIMARY KEY, raw text NOT NULL",
            "n, CASE WHEN n % 2 = 0 THEN n::text ELSE 'n/a' END");
  WriteRevision(
      "bbbb",
      "down_revision: \"aaaa\"\nsteps { name: \"add\" }\nsteps { name: \"fill\" kind: "
      "STEP_KIND_BACKFILL backfill { table: \"core.t\" key: \"id\" set { column: \"folded\""
      " expression: \"raw::bigint\" } where: \"raw ~ '^[0-9]+$'\" trigger: "
      "\"t_folded_sync\" } }\n",
      {{"01_add.up.sql", "ALTER TABLE core.t ADD COLUMN folded bigint;"},
       {"01_add.down.sql", "ALTER TABLE core.t DROP COLUMN folded;"},
       {"verify.sql", "SELECT 1 WHERE false;"}});
  ASSERT_OK(Upgrade());
  const auto app = Open("catalog_app");
  ASSERT_OK(
      app->Script("INSERT INTO core.t VALUES (7, 'n/a'), (8, '8');"
                  "UPDATE core.t SET raw = '70' WHERE id = 7;"));
  EXPECT_EQ(Count("folded = raw::bigint AND raw <> 'n/a'"), "5");
  EXPECT_EQ(Count("folded IS NULL"), "3");
}

TEST_F(BackfillTest, TheTriggerComputesInUtcLikeTheBatches) {
  MakeTable(3, "id bigint PRIMARY KEY, raw timestamptz NOT NULL", "n, '2024-01-01 02:00+00'");
  WriteBackfill("set { column: \"folded\" expression: \"raw::date\" } trigger: \"t_folded_sync\" ",
                "key: \"id\" ", "date");
  ASSERT_OK(Upgrade());
  const auto app = Open("catalog_app");
  ASSERT_OK(
      app->Script("SET TimeZone = 'America/New_York';"
                  "INSERT INTO core.t (id, raw) VALUES (4, '2024-01-01 02:00+00');"));
  EXPECT_EQ(Count("folded = '2024-01-01'"), "4");
}

TEST_F(BackfillTest, AStatementOfItsOwnIsVerifiedRangeByRange) {
  MakeTable(2'500);
  WriteRevision(
      "bbbb",
      "down_revision: \"aaaa\"\nsteps { name: \"add\" }\nsteps { name: \"copy\" kind: "
      "STEP_KIND_BACKFILL expect_file: \"expect.sql\" backfill { table: \"core.t\" key: \"id\" "
      "uncovered_reason: \"nobody writes yet\" " +
          BatchesOf(300) + "} }\n",
      {{"01_add.up.sql", "CREATE TABLE core.copy (id bigint PRIMARY KEY, folded text);"},
       {"01_add.down.sql", "DROP TABLE core.copy;"},
       {"02_copy.up.sql",
        "-- :lo in a comment is none\nINSERT INTO core.copy SELECT id, lower(raw) FROM core.t\n"
        " WHERE id BETWEEN :lo AND :hi ON CONFLICT (id) DO NOTHING;"},
       {"expect.sql",
        "SELECT 'copied', (SELECT count(*) FROM core.t WHERE id BETWEEN :lo AND :hi)::text,\n"
        " (SELECT count(*) FROM core.copy WHERE id BETWEEN :lo AND :hi)::text;"},
       {"verify.sql", "SELECT 1 WHERE false;"}});
  ASSERT_OK(Upgrade());
  EXPECT_EQ(db_.QueryText("SELECT count(*) FROM core.copy"), "2500");
  EXPECT_EQ(Walked(), "2500/2500/9");
}

TEST_F(BackfillTest, WhatWasNotFilledAsDeclaredFailsTheStep) {
  MakeTable(1'000);
  db_.Execute(
      "CREATE FUNCTION core.spoil() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
      " IF NEW.id = 700 THEN NEW.folded := 'spoilt'; END IF; RETURN NEW; END $$;"
      "CREATE TRIGGER zz_spoil BEFORE UPDATE ON core.t FOR EACH ROW EXECUTE FUNCTION "
      "core.spoil();");
  WriteBackfill(kFold);
  const auto refused = Upgrade();
  EXPECT_THAT(refused.status(), Reason("EXPECTATION_FAILED"));
  EXPECT_THAT(std::string(refused.status().message()),
              AllOf(HasSubstr("of 1000 rows of core.t"), HasSubstr(", 1 do not hold")));
  EXPECT_EQ(AppliedText(), "aaaa:1! bbbb:1");
  // Once the cause is gone the range is walked again.
  db_.Execute("DROP TRIGGER zz_spoil ON core.t;");
  ASSERT_OK(Upgrade());
  EXPECT_EQ(Walked(), "1000/1000/1");
  EXPECT_EQ(Count("folded = lower(raw)"), "1000");
}

TEST_F(BackfillTest, RefusesKeysThatDoNotReachEveryRow) {
  MakeTable(3, "id bigint, raw text NOT NULL");
  WriteBackfill(kFold);
  EXPECT_THAT(Upgrade().status(), Reason("BACKFILL_INVALID"));
  db_.Execute("ALTER TABLE core.t ALTER COLUMN id SET NOT NULL");
  const auto no_index = Upgrade();
  EXPECT_THAT(no_index.status(), Reason("BACKFILL_INVALID"));
  EXPECT_THAT(std::string(no_index.status().message()), HasSubstr("no unique index"));
  db_.Execute("ALTER TABLE core.t ADD PRIMARY KEY (id)");
  EXPECT_OK(Upgrade());
}

TEST_F(BackfillTest, RefusesWhatATriggerOrACheckCouldNotFollow) {
  MakeTable(3,
            "id bigint PRIMARY KEY, raw text NOT NULL,"
            " made text GENERATED ALWAYS AS ('x' || raw) STORED");
  const auto refusal = [&](const std::string& backfill, const std::string& type) {
    WriteBackfill(backfill, "key: \"id\" ", type);
    const absl::Status status = Upgrade().status();
    EXPECT_THAT(status, Reason("BACKFILL_INVALID"));
    EXPECT_FALSE(HasTrigger());
    EXPECT_OK(Downgrade("aaaa").status());
    return std::string(status.message());
  };
  EXPECT_THAT(refusal("set { column: \"folded\" expression: \"gen_random_uuid()::text\" } trigger: "
                      "\"t_folded_sync\" ",
                      "text"),
              HasSubstr("gen_random_uuid() gives another value"));
  EXPECT_THAT(refusal("set { column: \"folded\" expression: \"lower(made)\" } trigger: "
                      "\"t_folded_sync\" ",
                      "text"),
              HasSubstr("made is a generated column"));
  EXPECT_THAT(refusal("set { column: \"folded\" expression: \"lower(raw)\" } set_back { column: "
                      "\"raw\" expression: \"folded\" } trigger: \"t_folded_sync\" ",
                      "text DEFAULT 'x'"),
              HasSubstr("folded has a default"));
}

TEST_F(BackfillTest, OneThatNobodyDeclaresAnyMoreIsTakenBack) {
  MakeTable(3);
  db_.Execute(
      "CREATE TRIGGER stray BEFORE UPDATE ON core.t FOR EACH ROW EXECUTE FUNCTION"
      " suppress_redundant_updates_trigger();"
      "INSERT INTO migration.backfills (revision, ordinal, service, name, table_name, checksum,"
      " undo_sql, state, rows_estimated, batch_rows, run_id) VALUES ('gone', 1, 'catalog', 'x',"
      " 'core.t', '', 'DROP TRIGGER stray ON core.t;', 'running', 0, 1, gen_random_uuid())");
  WriteBackfill(kFold);
  ASSERT_OK(Upgrade());
  EXPECT_THAT(sink_.Messages("leftover_cleared"), Contains(HasSubstr("of revision gone")));
  EXPECT_EQ(db_.QueryText("SELECT count(*) FROM pg_trigger WHERE tgname = 'stray'"), "0");
}

TEST_F(BackfillTest, AnExpressionThatCannotBeEvaluatedMakesNoTrigger) {
  MakeTable(3);
  WriteBackfill(
      "set { column: \"folded\" expression: \"lower(rwa)\" } trigger: \"t_folded_sync\" ");
  const auto refused = Upgrade();
  EXPECT_THAT(refused.status(), Reason("STEP_FAILED"));
  EXPECT_THAT(std::string(refused.status().message()), HasSubstr("rwa"));
  EXPECT_FALSE(HasTrigger());
  // The mended file is what runs.
  WriteBackfill(kFold);
  EXPECT_OK(Upgrade());
}

TEST_F(BackfillTest, ATableHasOneUnfinishedBackfill) {
  MakeTable(3);
  // Of a revision that is declared, and that this upgrade leaves out.
  WriteRevision(
      "cccc",
      "down_revision: \"bbbb\"\nsteps { name: \"other\" kind: STEP_KIND_BACKFILL backfill { "
      "table: \"core.t\" key: \"id\" set { column: \"folded\" expression: \"upper(raw)\" } "
      "trigger: \"t_other_sync\" } }\n",
      {{"verify.sql", "SELECT 1 WHERE false;"}});
  db_.Execute(
      "INSERT INTO migration.backfills (revision, ordinal, service, name, table_name, checksum,"
      " undo_sql, state, rows_estimated, batch_rows, run_id) VALUES ('cccc', 1, 'catalog', 'x',"
      " 'core.t', '', '', 'running', 0, 1, gen_random_uuid())");
  WriteBackfill(kFold);
  EXPECT_THAT(Upgrade().status(), Reason("BACKFILL_TABLE_BUSY"));
  EXPECT_FALSE(HasTrigger());
}

TEST_F(BackfillTest, AScriptCannotDoIt) {
  MakeTable(3);
  WriteBackfill(kFold);
  EXPECT_THAT(NewEngine()->UpgradeScript("head", {}).status(), Reason("BACKFILL_NEEDS_ENGINE"));
  EXPECT_OK(NewEngine()->UpgradeScript("aaaa", {}).status());
}

}  // namespace
}  // namespace lockstep::migration
