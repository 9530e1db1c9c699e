// core.p: partitioned by range, and one of its partitions by list again; bbbb builds an index on
// it.
#pragma once

#include <string>

#include "tests/integration/services/migration/engine_fixture.h"

namespace lockstep::migration {

class PartitionedFixture : public EngineTest {
 protected:
  PartitionedFixture() {
    WriteRevision("aaaa", "",
                  {{"up.sql",
                    "CREATE TABLE core.p (id int NOT NULL, n int) PARTITION BY RANGE (id);\n"
                    "CREATE TABLE core.p_1 PARTITION OF core.p FOR VALUES FROM (0) TO (1000);\n"
                    "CREATE TABLE core.p_2 PARTITION OF core.p FOR VALUES FROM (1000) TO (2000)\n"
                    "  PARTITION BY LIST (n);\n"
                    "CREATE TABLE core.p_2a PARTITION OF core.p_2 FOR VALUES IN (1);\n"
                    "CREATE TABLE core.p_2b PARTITION OF core.p_2 FOR VALUES IN (2);\n"},
                   {"down.sql", "DROP TABLE core.p;"},
                   {"verify.sql", "SELECT id FROM core.p WHERE id < 0;"}});
    const auto done = Upgrade();
    EXPECT_TRUE(done.ok()) << done.status();
    db_.Execute(
        "INSERT INTO core.p SELECT g, g % 7 FROM generate_series(0, 999) AS g;"
        "INSERT INTO core.p SELECT 1000 + g, 1 + g % 2 FROM generate_series(0, 99) AS g");
    WriteBuild("CREATE INDEX CONCURRENTLY p_n_idx ON core.p (n);");
  }
  void WriteBuild(const std::string& up,
                  const std::string& down = "DROP INDEX CONCURRENTLY core.p_n_idx;") const {
    WriteRevision("bbbb",
                  "down_revision: \"aaaa\"\nlimits { lock_timeout_ms: 400 retry_for_seconds: 30 }\n"
                  "steps { name: \"alone\" kind: STEP_KIND_NON_TRANSACTIONAL }\n",
                  {{"01_alone.up.sql", up},
                   {"01_alone.down.sql", down},
                   {"verify.sql", "SELECT 1 WHERE false;"}});
  }
  // "core.p core.p_1 ...": the tables that have their part of the index, each valid.
  std::string ValidParts(const std::string& index = "core.p_n_idx") const {
    return db_.QueryText(
        "SELECT coalesce(string_agg(i.indrelid::regclass::text, ' ' ORDER BY"
        " i.indrelid::regclass::text), '') FROM pg_partition_tree('" +
        index + "') AS t JOIN pg_index AS i ON i.indexrelid = t.relid WHERE i.indisvalid");
  }
  // Indexes of core.
  std::string CountIndexes(const std::string& where = "true") const {
    return db_.QueryText(
        "SELECT count(*) FROM pg_index AS i JOIN pg_class AS c ON c.oid = i.indexrelid"
        " WHERE c.relnamespace = 'core'::regnamespace AND " +
        where);
  }
  std::string Intents() const {
    return db_.QueryText("SELECT count(*) FROM migration.step_intents");
  }
};

inline constexpr char kAllParts[] = "core.p core.p_1 core.p_2 core.p_2a core.p_2b";

}  // namespace lockstep::migration
