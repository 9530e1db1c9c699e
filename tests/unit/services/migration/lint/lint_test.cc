// What the pages' examples cannot show: levels, sizes, suppressions, plans of several revisions.
#include "services/migration/engine/lint/lint.h"

#include <gtest/gtest.h>

#include <deque>
#include <string>
#include <utility>
#include <vector>

#include "services/migration/engine/sql.h"

namespace lockstep::migration {
namespace {

constexpr char kIndex[] = "CREATE INDEX orders_sold_at ON transactions.orders (sold_at);\n";

Script Read(std::string_view file, std::string_view text) {
  std::vector<Problem> problems;
  std::vector<Problem> warnings;
  return ReadScript(file, text, problems, warnings);
}

LintReport LintText(const std::string& text, LintOptions options = {}, SchemaModel model = {}) {
  const Script script = Read("a.sql", text);
  return Lint({{.script = &script}}, options, model);
}

SchemaModel WithRows(std::int64_t rows) {
  SchemaModel model;
  model.is_connected = true;
  ModelTable table;
  table.rows = rows;
  table.knows_everything = true;
  model.Add("transactions.orders", std::move(table));
  return model;
}

// The only finding of this rule.
LintFinding One(const LintReport& report, std::string_view rule) {
  std::vector<LintFinding> found;
  for (const LintFinding& finding : report.findings) {
    if (finding.rule == rule) found.push_back(finding);
  }
  EXPECT_EQ(found.size(), 1U) << rule;
  return found.empty() ? LintFinding{} : found.front();
}

bool Has(const LintReport& report, std::string_view rule) {
  for (const LintFinding& finding : report.findings) {
    if (finding.rule == rule && finding.suppressed_because.empty()) return true;
  }
  return false;
}

// A revision with one step, kept alive with its scripts.
Revision Made(std::string id, std::string service, std::string_view up, Phase phase) {
  Revision revision;
  revision.id = std::move(id);
  revision.service = std::move(service);
  revision.folder = revision.service + "/" + revision.id;
  revision.phase = phase;
  Step& step = revision.steps.emplace_back();
  step.up = Read(revision.folder + "/up.sql", up);
  return revision;
}

TEST(Lint, SaysWhereWithLineAndColumn) {
  const LintReport report = LintText("SELECT 1;\n\n  " + std::string(kIndex));
  const LintFinding finding = One(report, "L01");
  EXPECT_EQ(finding.file, "a.sql");
  EXPECT_EQ(finding.line, 3);
  EXPECT_EQ(finding.column, 3);
  EXPECT_EQ(finding.object, "transactions.orders");
  EXPECT_EQ(report.statements, 2);
}

TEST(Lint, JudgesByTheSizeOfTheTable) {
  Revision revision = Made("a1", "orders", kIndex, Phase::kExpand);
  const auto look = [&](SchemaModel model) { return Lint(UnitsOf(revision), {}, model); };
  const LintFinding large = One(look(WithRows(2'000'000)), "L01");
  EXPECT_EQ(large.level, LintLevel::kError);
  EXPECT_TRUE(large.is_forbidden);
  EXPECT_EQ(large.rows, 2'000'000);
  EXPECT_NE(large.message.find("2,000,000 rows"), std::string::npos) << large.message;
  const LintFinding small = One(look(WithRows(10'000)), "L01");
  EXPECT_EQ(small.level, LintLevel::kNote);
  EXPECT_FALSE(small.is_forbidden);
  EXPECT_FALSE(Has(look(WithRows(0)), "L01"));
  // Without a catalog nobody knows: an error, but nothing that a run could refuse.
  const LintFinding unknown = One(look({}), "L01");
  EXPECT_EQ(unknown.level, LintLevel::kError);
  EXPECT_FALSE(unknown.is_forbidden);
}

TEST(Lint, TakesNamesWithoutASchemaForPublicOnes) {
  EXPECT_TRUE(Has(LintText("CREATE INDEX i ON t (a);"), "L01"));
  EXPECT_FALSE(Has(LintText("CREATE TABLE t (a int); CREATE INDEX i ON t (a);"), "L01"));
  EXPECT_FALSE(Has(LintText("CREATE TABLE t (a int); CREATE INDEX i ON public.t (a);"), "L01"));
  EXPECT_FALSE(
      Has(LintText("CREATE TEMP TABLE t (a int); CREATE INDEX i ON pg_temp.t (a);"), "L01"));
}

TEST(Lint, RatesWhatItCannotReadWorst) {
  const LintReport report = LintText("SELECT 1;\nCREATE INDEXX i ON t (a);");
  EXPECT_EQ(report.unreadable_files, 1);
  const LintFinding finding = One(report, "L35");
  EXPECT_EQ(finding.level, LintLevel::kError);
  EXPECT_EQ(finding.line, 2);
}

TEST(Lint, IsAllowedByAComment) {
  const std::string allowed =
      "-- lint: allow L01 until 2027-01-31 because the table has ten rows\n" + std::string(kIndex);
  const LintReport report = LintText(allowed, {.today = "2026-11-28"});
  EXPECT_EQ(One(report, "L01").suppressed_because, "the table has ten rows");
  EXPECT_FALSE(Has(report, "M09"));
  EXPECT_EQ(CountOf(report, LintLevel::kError), 0);
}

TEST(Lint, DoesNotTakeASuppressionThatEnded) {
  const std::string allowed =
      "-- lint: allow L01 until 2026-11-27 because the table has ten rows\n" + std::string(kIndex);
  const LintReport report = LintText(allowed, {.today = "2026-11-28"});
  EXPECT_TRUE(Has(report, "L01"));
  EXPECT_NE(One(report, "M09").message.find("ended on 2026-11-27"), std::string::npos);
}

TEST(Lint, TellsOfASuppressionThatCannotCount) {
  const auto complaint = [](const std::string& comment) {
    return One(LintText(comment + "\n" + kIndex), "M09").message;
  };
  EXPECT_NE(complaint("-- lint: allow L99 because of it").find("no rule L99"), std::string::npos);
  EXPECT_NE(complaint("-- lint: allow L01").find("no reason"), std::string::npos);
  EXPECT_NE(complaint("-- lint: allow L01 until soon because x").find("no day"), std::string::npos);
  EXPECT_NE(complaint("-- lint: allow L02 because of it").find("allows nothing"),
            std::string::npos);
}

TEST(Lint, AllowsOnlyTheStatementAfterTheComment) {
  const LintReport report = LintText("-- lint: allow L01 because of it\n" + std::string(kIndex) +
                                     "CREATE INDEX other ON transactions.orders (id);");
  EXPECT_TRUE(Has(report, "L01"));
  EXPECT_FALSE(Has(report, "M09"));
}

TEST(Lint, ForgetsWhatIsNewOnceThePlanIsOver) {
  const Script made = Read("a.sql", "CREATE TABLE core.t (id bigint);");
  const Script indexed = Read("b.sql", "CREATE INDEX i ON core.t (id);");
  SchemaModel model;
  EXPECT_FALSE(Has(Lint({{.script = &made}, {.script = &indexed}}, {}, model), "L01"));
  model.Settle();
  const Script more = Read("c.sql", "CREATE INDEX j ON core.t (id, id);");
  EXPECT_TRUE(Has(Lint({{.script = &more}}, {}, model), "L01"));
}

TEST(Lint, KnowsThatATemporaryTableIsNobodys) {
  const LintReport report = LintText(
      "SET lock_timeout = '2s'; CREATE TEMPORARY TABLE kept (id uuid) ON COMMIT DROP;"
      " CREATE INDEX kept_id ON kept (id); ALTER TABLE kept ADD COLUMN n int NOT NULL;"
      " DELETE FROM kept WHERE id IS NULL; DROP TABLE kept;");
  EXPECT_TRUE(report.findings.empty());
}

TEST(Lint, DoesNotFallIntoWhatIsNestedTooDeeply) {
  std::string sum = "SELECT 1";
  for (int i = 0; i < 7'000; ++i) sum += "+1";
  const LintReport report = LintText(sum + ";");
  EXPECT_EQ(One(report, "L35").level, LintLevel::kError);
  EXPECT_EQ(report.unreadable_files, 1);
}

TEST(Lint, SeesChangesInsideOfWith) {
  EXPECT_TRUE(Has(LintText("WITH gone AS (DELETE FROM transactions.orders RETURNING id)"
                           " SELECT count(*) FROM gone;"),
                  "L41"));
}

TEST(Lint, ReadsWhetherAnOptionIsSwitchedOff) {
  EXPECT_TRUE(Has(LintText("REINDEX (CONCURRENTLY FALSE) TABLE core.t;"), "L04"));
  EXPECT_FALSE(Has(LintText("REINDEX (CONCURRENTLY) TABLE core.t;"), "L04"));
  EXPECT_FALSE(Has(LintText("VACUUM (FULL FALSE) core.t;"), "L06"));
  EXPECT_TRUE(Has(LintText("VACUUM FULL;"), "L06"));
}

TEST(Lint, TakesUsingForNothingWhereItSaysWhatIsDoneAnyway) {
  const auto look = [](const std::string& old_type, const std::string& change) {
    const Script made = Read("a.sql", "CREATE TABLE core.t (c " + old_type + ");");
    SchemaModel model;
    Lint({{.script = &made}}, {}, model);
    model.Settle();
    return Has(LintText("ALTER TABLE core.t ALTER COLUMN c TYPE " + change + ";", {}, model),
               "L18");
  };
  EXPECT_FALSE(look("varchar(10)", "text USING c::text"));
  EXPECT_TRUE(look("varchar(10)", "text USING upper(c)"));
  EXPECT_TRUE(look("text", "text COLLATE \"C\""));
  EXPECT_TRUE(look("interval(6)", "interval(3)"));
  EXPECT_FALSE(look("interval", "interval(6)"));
  EXPECT_FALSE(look("timestamp(3)", "timestamp(6)"));
}

TEST(Lint, AllowsWhatIsOnlyKnownAtTheEndOfThePlan) {
  const LintReport report = LintText(
      "CREATE TABLE core.p (id bigint PRIMARY KEY);\n"
      "-- lint: allow L39 because nobody deletes parents\n"
      "CREATE TABLE core.c (id bigint PRIMARY KEY, p_id bigint REFERENCES core.p (id));");
  EXPECT_FALSE(Has(report, "L39"));
  EXPECT_FALSE(Has(report, "M09"));
}

TEST(Lint, AllowsTheStatementAndNotItsLine) {
  const LintReport report = LintText(
      "-- lint: allow L01 because it is small\n"
      "CREATE INDEX a ON core.t (a); CREATE INDEX b ON core.u (b);");
  EXPECT_TRUE(Has(report, "L01"));
}

TEST(Lint, ReadsNothingWhenAnIndexIsAttached) {
  EXPECT_FALSE(Has(LintText("ALTER INDEX core.all_i ATTACH PARTITION core.part_i;"), "N07"));
}

TEST(Lint, CountsColumnsInCharacters) {
  EXPECT_EQ(One(LintText("SELECT '\xC3\xA4\xE2\x82\xAC'; " + std::string(kIndex)), "L01").column,
            14);
}

TEST(Lint, NamesTwoServicesThatLockTheSameTable) {
  constexpr char kReference[] =
      "CREATE TABLE %.a (id uuid PRIMARY KEY, item uuid REFERENCES products.inventory (id));";
  const auto with = [&](std::string schema) {
    std::string text = kReference;
    return text.replace(text.find('%'), 1, schema);
  };
  std::deque<Revision> revisions;
  revisions.push_back(Made("a1", "orders", with("transactions"), Phase::kExpand));
  revisions.push_back(Made("b1", "finance", with("finance"), Phase::kExpand));
  const auto look = [&] {
    std::vector<LintUnit> units = UnitsOf(revisions[0]);
    for (const LintUnit& unit : UnitsOf(revisions[1])) units.push_back(unit);
    SchemaModel model;
    return Lint(units, {}, model);
  };
  EXPECT_EQ(One(look(), "M04").object, "products.inventory");
  revisions[1].depends_on = {"a1"};
  EXPECT_FALSE(Has(look(), "M04"));
}

TEST(Lint, AsksForARehearsalOnlyWhenSomebodyLooked) {
  Revision revision = Made("a1", "orders", "SELECT 1;", Phase::kExpand);
  revision.checksum = "v1:abc";
  SchemaModel model;
  EXPECT_FALSE(Has(Lint(UnitsOf(revision), {}, model), "M03"));
  LintOptions options;
  options.rehearsed.emplace();
  EXPECT_TRUE(Has(Lint(UnitsOf(revision), options, model), "M03"));
  options.rehearsed->insert("v1:abc");
  EXPECT_FALSE(Has(Lint(UnitsOf(revision), options, model), "M03"));
}

TEST(Lint, NamesWhoIsInTheWayOnlyOfStrongLocks) {
  SchemaModel model = WithRows(5);
  model.long_transactions = {"pid 4711 (report) has been in a transaction for 17 min"};
  const Script strong = Read("a.sql", "ALTER TABLE transactions.orders ADD COLUMN carrier text;");
  EXPECT_EQ(One(Lint({{.script = &strong}}, {}, model), "N19").message.substr(0, 8), "pid 4711");
  const Script weak = Read("b.sql", "COMMENT ON TABLE transactions.orders IS 'x';");
  EXPECT_FALSE(Has(Lint({{.script = &weak}}, {}, model), "N19"));
}

TEST(Lint, KnowsGrantsThatADroppedViewLoses) {
  SchemaModel model = WithRows(5);
  ModelTable view;
  view.kind = ModelTable::Kind::kView;
  model.Add("analytics.margins", view);
  const Script script =
      Read("a.sql", "DROP VIEW analytics.margins; CREATE VIEW analytics.margins AS SELECT 1 AS a;");
  SchemaModel without = model;
  EXPECT_FALSE(Has(Lint({{.script = &script}}, {}, without), "M07"));
  model.FindForChange("analytics.margins")->has_grants = true;
  EXPECT_TRUE(Has(Lint({{.script = &script}}, {}, model), "M07"));
}

}  // namespace
}  // namespace lockstep::migration
