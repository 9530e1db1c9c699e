// Two services with tables, and repeatable views on them.
#pragma once

#include <string>

#include "tests/integration/services/migration/engine_fixture.h"

namespace lockstep::migration {

class RepeatableTest : public EngineTest {
 protected:
  RepeatableTest() {
    WriteRevision(
        "aaaa", "",
        {{"up.sql",
          "CREATE TABLE core.t (id int PRIMARY KEY, n int);\n"
          "GRANT USAGE ON SCHEMA core TO finance_owner;"},
         {"down.sql", "DROP TABLE core.t;\nREVOKE USAGE ON SCHEMA core FROM finance_owner;"},
         {"verify.sql", "SELECT id FROM core.t WHERE id < 0;"}});
    WriteRevision("ffff", "depends_on: \"aaaa\"\n",
                  {{"up.sql", "CREATE TABLE finance.f (id int PRIMARY KEY);"},
                   {"down.sql", "DROP TABLE finance.f;"},
                   {"verify.sql", "SELECT id FROM finance.f WHERE id < 0;"}},
                  "finance");
    WriteStock("SELECT id, n FROM core.t");
    WriteReport("SELECT id FROM core.stock");
  }

  void WriteStock(const std::string& query) const {
    folder_.Write("catalog/repeatable/stock.sql",
                  "CREATE OR REPLACE VIEW core.stock AS " + query +
                      ";\nCOMMENT ON VIEW core.stock IS 'what is there';\n"
                      "GRANT SELECT ON core.stock TO finance_owner;\n");
  }
  void WriteReport(const std::string& query) const {
    folder_.Write("finance/repeatable/report.sql",
                  "-- references: core.stock\n"
                  "CREATE OR REPLACE VIEW finance.report AS " +
                      query + ";\n");
  }
  // A revision after aaaa that adds core.t.m.
  void AddColumn() const {
    WriteRevision("abbb", "down_revision: \"aaaa\"\n",
                  {{"up.sql", "ALTER TABLE core.t ADD COLUMN m int;"},
                   {"down.sql", "ALTER TABLE core.t DROP COLUMN m;"},
                   {"verify.sql", "SELECT id FROM core.t WHERE m < 0;"}});
  }

  // "id,n" - columns of a view; "" = it is not there.
  std::string Columns(const std::string& view) const {
    return db_.QueryText(
        "SELECT coalesce(string_agg(attname, ',' ORDER BY attnum), '') FROM pg_attribute"
        " WHERE attrelid = to_regclass('" +
        view + "') AND attnum > 0 AND NOT attisdropped");
  }
  // "catalog/stock apply, ..." - what the log of steps has of repeatable definitions.
  std::string Log() const {
    return db_.QueryText(
        "SELECT coalesce(string_agg(substr(revision, 12) || ' ' || name, ', ' ORDER BY log_id),"
        " '') FROM migration.step_log WHERE revision LIKE 'repeatable:%'");
  }
  std::string SetAside() const {
    return db_.QueryText("SELECT count(*) FROM migration.repeatables WHERE is_set_aside");
  }
};

}  // namespace lockstep::migration
