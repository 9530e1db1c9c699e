// Two tables with the same sales, a view over the first, and a revision that moves it to the other.
#pragma once

#include <string>
#include <vector>

#include "common/status/error.h"
#include "gmock/gmock.h"
#include "tests/integration/services/migration/engine_fixture.h"

namespace lockstep::migration {

MATCHER_P(Says, inner, "has a message that matches") {
  return ::testing::ExplainMatchResult(inner, MessageOf(arg), result_listener);
}

class ViewRewriteFixture : public EngineTest {
 protected:
  static constexpr char kColumns[] =
      "id bigint PRIMARY KEY, shop text, sold_at timestamptz, price numeric(10,2), raw_price "
      "numeric,"
      " fee double precision, lasted interval, note json, code char(4), tags text[], paid boolean";

  // aaaa: core.old_sales and core.new_sales with equal rows, some of them NULL here and there, and
  // `views`, made over core.old_sales.
  void MakeTables(const std::string& views) {
    WriteRevision(
        "aaaa", "",
        {{"up.sql", std::string("CREATE TABLE core.old_sales (") + kColumns +
                        ");\nCREATE TABLE core.new_sales (" + kColumns + ");\n" + views},
         {"down.sql", "DROP TABLE core.old_sales CASCADE; DROP TABLE core.new_sales CASCADE;"},
         kHolds});
    ASSERT_OK(Upgrade());
    for (const char* table : {"core.old_sales", "core.new_sales"}) {
      db_.Execute(std::string("INSERT INTO ") + table +
                  " SELECT n, CASE WHEN n % 7 > 0 THEN 'shop ' || n % 5 END,"
                  " '2025-01-31 22:30+00'::timestamptz + n * interval '7 hours', n % 13 * 1.50,"
                  " n % 11 * 1.5, CASE WHEN n % 9 > 0 THEN n / 4.0 ELSE 0 END,"
                  " n * interval '1 hour', json_build_object('n', n % 3), 'c' || n % 10,"
                  " ARRAY['t' || n % 2], CASE n % 3 WHEN 0 THEN true WHEN 1 THEN false END"
                  " FROM generate_series(1, 500) AS n;");
    }
    db_.Execute("ANALYZE core.old_sales; ANALYZE core.new_sales;");
  }

  // bbbb: rewrites with `up`, declared as `rewrite` says.
  void WriteRewrite(const std::string& up, const std::string& down,
                    const std::string& rewrite = "") const {
    WriteRevision("bbbb",
                  "down_revision: \"aaaa\"\nsteps { name: \"views\" kind: STEP_KIND_VIEW_REWRITE " +
                      (rewrite.empty() ? "" : "view_rewrite { " + rewrite + " } ") + "}\n",
                  {{"01_views.up.sql", up}, {"01_views.down.sql", down}, kHolds});
  }

  static std::string Replace(const std::string& query, const std::string& name = "core.v") {
    return "CREATE OR REPLACE VIEW " + name + " AS " + query + ";\n";
  }
  // `query` names its table $T.
  static std::string Over(const std::string& table, std::string query) {
    for (std::size_t at; (at = query.find("$T")) != std::string::npos;) query.replace(at, 2, table);
    return query;
  }

  std::string DefinitionOf(const std::string& view) const {
    return db_.QueryText("SELECT pg_get_viewdef('" + view + "'::regclass)");
  }
  std::string Evidence() const {
    return db_.QueryText(
        "SELECT string_agg(check_id || ': ' || actual, '; ' ORDER BY check_id)"
        " FROM migration.verification_results WHERE check_id LIKE 'view %'");
  }

  static inline const std::pair<std::string, std::string> kHolds = {"verify.sql",
                                                                    "SELECT 1 WHERE false;"};
};

}  // namespace lockstep::migration
