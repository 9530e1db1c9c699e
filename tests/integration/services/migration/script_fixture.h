// Runs offline scripts with psql and compares what they leave.
#pragma once

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

#include "tests/integration/services/migration/engine_fixture.h"

namespace lockstep::migration {

class OfflineTest : public EngineTest {
 protected:
  // Exit code of psql; its words go to `errors_`.
  int Psql(const testing::TestDatabase& database, const std::string& script) {
    const std::string file = folder_.root() + "/script.sql";
    std::ofstream(file) << script;
    const std::string command = "psql -X -q -v ON_ERROR_STOP=1 -d '" +
                                database.url("lockstep_migrator") + "' -f " + file +
                                " >/dev/null 2>" + file + ".err";
    const int code = std::system(command.c_str());
    std::ifstream in(file + ".err");
    errors_ = {std::istreambuf_iterator<char>(in), {}};
    std::filesystem::remove(file);
    std::filesystem::remove(file + ".err");
    return code;
  }

  static testing::TestDatabase Bootstrapped() {
    testing::TestDatabase database = testing::TestDatabase::Create();
    EngineOptions options;
    options.database_url = database.url();
    EXPECT_TRUE(
        Engine(options, Definitions{}).Bootstrap(Context::WithTimeout(absl::Seconds(30))).ok());
    return database;
  }

  // The ledger's content without actors, times and run ids.
  static std::string LedgerText(const testing::TestDatabase& database) {
    std::string text;
    for (const char* query :
         {"SELECT revision, ordinal, service, name, kind, checksum FROM migration.applied_steps "
          "ORDER BY 1, 2",
          "SELECT revision, service, title, checksum FROM migration.applied_revisions ORDER BY 1",
          "SELECT * FROM migration.archived_scripts ORDER BY 1, 2, 3",
          "SELECT revision, service, ordinal, name, direction, checksum FROM migration.step_log "
          "ORDER BY log_id",
          "SELECT revision, check_id, expected, actual, passed FROM migration.verification_results "
          "ORDER BY result_id",
          "SELECT kind, target, state, error_reason, steps_total FROM migration.runs ORDER BY "
          "started_order",
          "SELECT e.event_offset, e.kind, e.revision, e.step, e.step_name, replace(e.message, "
          "r.actor, '-'), e.details - 'chain_head' AS details, e.details ? 'chain_head' AS has_head"
          "  FROM migration.run_events e JOIN migration.runs r ON r.run_id = e.run_id ORDER BY "
          "r.started_order, 1",
          "SELECT count(*) FROM migration.chain", "SELECT count(*) FROM migration.check_chain()",
          "SELECT count(*) FROM migration.step_intents",
          "SELECT count(*) FROM migration.runner_sessions",
          "SELECT token, expires_at FROM migration.lease"}) {
      text += database.QueryText(
                  std::string("SELECT coalesce(string_agg(to_jsonb(q)::text, E'\\n'), '') FROM (") +
                  query + ") AS q") +
              "\n--\n";
    }
    return text;
  }
  static std::string SchemaText(const testing::TestDatabase& database) {
    return database.QueryText(
        "SELECT string_agg(t, E'\\n' ORDER BY t) FROM (SELECT c.oid::regclass::text || ' ' || "
        "relkind::text || ' ' ||"
        " relowner::regrole::text || ' ' || coalesce((SELECT string_agg(attname || ' ' ||"
        " format_type(atttypid, atttypmod), ',' ORDER BY attnum) FROM pg_attribute a WHERE "
        "a.attrelid = c.oid AND attnum"
        " > 0 AND NOT attisdropped), '') || coalesce(CASE WHEN relkind = 'i' THEN "
        "pg_get_indexdef(c.oid) END, '') AS t"
        " FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace WHERE nspname IN ('core', "
        "'transactions'))"
        " AS x");
  }

  std::string errors_;
};

}  // namespace lockstep::migration
