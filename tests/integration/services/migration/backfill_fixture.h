// A table of catalog and a revision that fills a column of it in batches.
#pragma once

#include <memory>
#include <string>

#include "common/pg/connection.h"
#include "tests/integration/services/migration/engine_fixture.h"

namespace lockstep::migration {

class BackfillFixture : public EngineTest {
 protected:
  // What the backfill of most tests declares beside table and key.
  static constexpr char kFold[] =
      "set { column: \"folded\" expression: \"lower(raw)\" } trigger: \"t_folded_sync\" ";

  // aaaa: core.t with `rows` rows. Its app may write to it.
  void MakeTable(int rows, const std::string& columns = "id bigint PRIMARY KEY, raw text NOT NULL",
                 const std::string& values = "n, 'Row ' || n") {
    WriteRevision("aaaa", "",
                  {{"up.sql", "CREATE TABLE core.t (" + columns +
                                  ");\nGRANT USAGE ON SCHEMA core TO catalog_app;\n"
                                  "GRANT SELECT, INSERT, UPDATE ON core.t TO catalog_app;"},
                   {"down.sql", "DROP TABLE core.t;"},
                   {"verify.sql", "SELECT 1 FROM core.t WHERE false;"}});
    ASSERT_OK(Upgrade());
    db_.Execute("INSERT INTO core.t SELECT " + values + " FROM generate_series(1, " +
                std::to_string(rows) + ") AS n; ANALYZE core.t;");
  }
  // bbbb: a new column (text, unless `type` says otherwise), then the backfill.
  void WriteBackfill(const std::string& backfill, const std::string& key = "key: \"id\" ",
                     const std::string& type = "text") const {
    WriteRevision("bbbb",
                  "down_revision: \"aaaa\"\nlimits { lock_timeout_ms: 400 retry_for_seconds: 30 }\n"
                  "steps { name: \"add\" }\nsteps { name: \"fill\" kind: STEP_KIND_BACKFILL "
                  "backfill { table: \"core.t\" " +
                      key + backfill + "} }\n",
                  {{"01_add.up.sql", "ALTER TABLE core.t ADD COLUMN folded " + type + ";"},
                   {"01_add.down.sql", "ALTER TABLE core.t DROP COLUMN folded;"},
                   {"verify.sql", "SELECT 1 FROM core.t WHERE folded IS NULL;"}});
  }
  // Batches of exactly `rows` rows.
  static std::string BatchesOf(int rows) {
    const std::string number = std::to_string(rows);
    return "batch { start_rows: " + number + " min_rows: " + number + " max_rows: " + number +
           " } ";
  }

  std::string Count(const std::string& condition) const {
    return db_.QueryText("SELECT count(*) FROM core.t WHERE " + condition);
  }
  // "rows walked/rows changed/batches" of all ranges.
  std::string Walked() const {
    return db_.QueryText(
        "SELECT sum(rows_walked) || '/' || sum(rows_changed) || '/' || sum(batches)"
        " FROM migration.backfill_chunks");
  }
  bool HasTrigger() const {
    return db_.QueryText(
               "SELECT EXISTS (SELECT FROM pg_trigger WHERE tgname = 't_folded_sync')"
               " OR EXISTS (SELECT FROM pg_proc WHERE proname = 't_folded_sync')") == "t";
  }
  std::unique_ptr<pg::Connection> Open(std::string_view user) const {
    pg::ConnectionOptions options;
    options.database_url = db_.url(user);
    options.application_name = "the-other";
    auto connection = pg::Connection::Open(options);
    EXPECT_TRUE(connection.ok()) << connection.status();
    return *std::move(connection);
  }
};

}  // namespace lockstep::migration
