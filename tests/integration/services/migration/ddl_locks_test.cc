// The table of what DDL locks, writes anew and reads is true, on the server that runs the tests,
// and the classification by the text alone never promises less.
#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/time/clock.h"
#include "common/pg/connection.h"
#include "common/pg/sqlstate.h"
#include "common/status/testing.h"
#include "gtest/gtest.h"
#include "services/migration/engine/parsed_sql.h"
#include "services/migration/engine/run/lock_reach.h"
#include "services/migration/engine/run/measure/lock_sampler.h"
#include "services/migration/engine/run/measure/meter.h"
#include "services/migration/engine/statement_class.h"
#include "tests/integration/services/migration/ddl_forms.h"
#include "tests/support/test_database.h"

namespace lockstep::migration {
namespace {

std::string Folder() {
  return testing::SourceDir() + "/tests/integration/services/migration/ddl_forms/";
}

std::string TextOf(const std::string& path) {
  std::ifstream file(path);
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

// Which relations they lock is not in their text: a domain is used by any table, and a statistics
// object does not name its own.
const std::set<std::string>& OnlyTheCatalogKnows() {
  static const auto& forms = *new std::set<std::string>{
      "ALTER DOMAIN posint ADD CONSTRAINT k CHECK (VALUE>0)", "DROP STATISTICS stt"};
  return forms;
}

// One form on a database of the fixture.
class DdlLocks : public ::testing::Test {
 protected:
  DdlLocks() {
    db_.Execute(TextOf(Folder() + "fixture.sql"));
    connection_ = Open();
    major_ = connection_->server_version() / 10'000;
    const auto relations = ReadRelations(*connection_);
    EXPECT_OK(relations);
    for (const auto& [oid, relation] : *relations) {
      if (relation.kind != 'r' && relation.kind != 'm') continue;
      if (relation.kind == 'm') views_.insert(relation.name);
      rows_[relation.name] = std::stoi(db_.QueryText("SELECT count(*) FROM " + relation.name));
    }
  }

  std::unique_ptr<pg::Connection> Open() const {
    pg::ConnectionOptions options;
    options.database_url = db_.url();
    options.application_name = "ddl-locks";
    auto connection = pg::Connection::Open(options);
    EXPECT_OK(connection);
    EXPECT_OK((*connection)->Script("SET search_path = f; SET TimeZone = 'Europe/Berlin'"));
    return *std::move(connection);
  }

  // What the form really costs. It is rolled back.
  FormCost Measure(const DdlForm& form) {
    EXPECT_OK(connection_->Script("BEGIN"));
    EXPECT_OK(ForbidWorkers(*connection_));
    auto meter = Meter::Begin(*connection_);
    EXPECT_OK(meter);
    const auto done = connection_->Script(form.statement);
    measured_.clear();
    FormCost cost{
        .locks = "error " + pg::SqlStateOf(done.status()), .rewritten = "-", .scanned = "-"};
    if (done.ok()) {
      auto measurement = meter->End(*connection_);
      EXPECT_OK(measurement);
      measured_ = std::move(measurement->relations);
      cost = CostOf(measured_, rows_);
    }
    EXPECT_OK(connection_->Script("ROLLBACK"));
    return cost;
  }

  // The same for a form that cannot run in a transaction: what it holds and waits for by the time
  // that it waits for the last of those who hold something.
  FormCost MeasureAlone(const DdlForm& form);

  std::vector<DdlForm> Forms(bool is_alone) const {
    std::vector<DdlForm> forms = ReadForms(Folder() + "forms.txt");
    std::erase_if(forms, [&](const DdlForm& form) { return form.is_alone != is_alone; });
    return forms;
  }

  static std::vector<StatementLocks> Classify(const std::string& statement) {
    const ParsedSql parsed(statement);
    EXPECT_TRUE(parsed.ok()) << statement;
    const ParseTree tree(parsed.json());
    return ClassifyStatements(tree.root(), "f");
  }
  // What the text alone tells is not enough, or "".
  std::string TooWeak(const std::map<std::string, LockMode>& promised) const;
  std::map<std::string, LockMode> Promised(const std::vector<StatementLocks>& statements) const;
  std::string TooHarmless(const std::vector<StatementLocks>& statements) const;

  testing::TestDatabase db_ = testing::TestDatabase::Create();
  std::unique_ptr<pg::Connection> connection_;
  int major_ = 0;
  std::map<std::string, int> rows_;
  std::set<std::string> views_;         // materialized ones
  std::vector<RelationCost> measured_;  // by the last Measure()
};

FormCost DdlLocks::MeasureAlone(const DdlForm& form) {
  std::vector<std::unique_ptr<pg::Connection>> holders;
  for (const std::string& statement : form.held) {
    holders.push_back(Open());
    EXPECT_OK(holders.back()->Script("BEGIN ISOLATION LEVEL REPEATABLE READ; " + statement));
  }
  const auto worker = Open();
  auto sampler = LockSampler::Start(Open(), worker->backend_pid());
  EXPECT_OK(sampler);
  absl::Status worked;
  std::thread working([&] { worked = worker->Query(form.statement).status(); });
  std::vector<RelationCost> locks;
  for (const auto& holder : holders) {
    const std::string waits = "SELECT " + std::to_string(holder->backend_pid()) +
                              " = ANY (pg_blocking_pids(" + std::to_string(worker->backend_pid()) +
                              "))";
    const absl::Time until = absl::Now() + absl::Seconds(20);
    while (db_.QueryText(waits) != "t" && absl::Now() < until)
      absl::SleepFor(absl::Milliseconds(2));
    EXPECT_LT(absl::Now(), until) << form.statement << " does not wait for its holder";
    // The second look from now on began when it waited already.
    const int looks = (*sampler)->looks();
    while ((*sampler)->looks() < looks + 2 && absl::Now() < until) {
      absl::SleepFor(absl::Milliseconds(1));
    }
    EXPECT_GE((*sampler)->looks(), looks + 2) << form.statement;
    locks = (*sampler)->LocksSoFar();
    EXPECT_OK(holder->Script("ROLLBACK"));
  }
  working.join();
  EXPECT_OK(worked) << form.statement;
  const auto measurement = (*sampler)->Stop();
  EXPECT_OK(measurement);
  measured_ = locks;
  FormCost cost = CostOf(locks, rows_);
  cost.rewritten = CostOf(measurement->relations, rows_).rewritten;
  cost.scanned = "?";
  return cost;
}

std::string DdlLocks::TooHarmless(const std::vector<StatementLocks>& statements) const {
  StatementClass said = StatementClass::kInstant;
  for (const StatementLocks& each : statements) said = std::max(said, each.statement_class);
  for (const RelationCost& each : measured_) {
    if (each.is_index || each.is_sequence || !each.relation.starts_with("f.")) continue;
    const auto there = rows_.find(each.relation);
    const bool is_scanned =
        there != rows_.end() && there->second > 0 && each.rows_read >= there->second;
    if (!is_scanned) continue;
    if (said == StatementClass::kInstant) return each.relation + " is read, and it says instant";
    // Nobody writes to a materialized view but who refreshes it.
    if (each.mode == LockMode::kExclusive && views_.contains(each.relation)) continue;
    if (each.mode.has_value() && IsStrong(*each.mode) && said != StatementClass::kForbiddenOnline) {
      return each.relation + " is read while its writers wait, and it is not forbidden";
    }
  }
  return "";
}

std::map<std::string, LockMode> DdlLocks::Promised(
    const std::vector<StatementLocks>& statements) const {
  std::vector<RelationLock> locks;
  for (const StatementLocks& each : statements) {
    locks.insert(locks.end(), each.locks.begin(), each.locks.end());
  }
  auto promised = ResolveLocks(*connection_, locks);
  EXPECT_OK(promised);
  return *std::move(promised);
}

std::string DdlLocks::TooWeak(const std::map<std::string, LockMode>& promised) const {
  const auto strongest = [&](const std::string& name) {
    const auto found = promised.find(name);
    return found == promised.end() ? 0 : static_cast<int>(found->second);
  };
  for (const RelationCost& each : measured_) {
    // Weaker ones are what every query takes: they keep nobody out but ACCESS EXCLUSIVE.
    if (!each.mode.has_value() || *each.mode < LockMode::kShareUpdateExclusive) continue;
    if (!each.relation.starts_with("f.")) continue;
    // Nobody comes to an index but through its table. (A partition is a table of its own.)
    int said = strongest(each.relation);
    for (const std::string& whole : each.within) {
      if (each.is_index) said = std::max(said, strongest(whole));
    }
    if (said >= static_cast<int>(*each.mode)) continue;
    return each.relation + " is held in " + std::string(ToText(*each.mode)) +
           ", the text promises " +
           (said == 0 ? "nothing" : std::string(ToText(static_cast<LockMode>(said))));
  }
  return "";
}

TEST_F(DdlLocks, TableSaysWhatEachFormCosts) {
  const std::vector<DdlForm> forms = Forms(false);
  ASSERT_GE(forms.size(), 150U);
  std::string measured;
  for (const DdlForm& form : forms) {
    const FormCost cost = Measure(form);

    EXPECT_EQ(cost.text(), form.CostOn(major_).text())
        << "forms.txt:" << form.line << " on PostgreSQL " << major_ << ": " << form.statement;
    measured += form.statement + " | " + cost.text() + "\n";
  }
  // For whoever changes the table.
  if (const char* path = std::getenv("LOCKSTEP_WRITE_FORMS")) std::ofstream(path) << measured;
}

TEST_F(DdlLocks, TextNeverPromisesLessThanIsTaken) {
  for (const DdlForm& form : Forms(false)) {
    Measure(form);
    const std::vector<StatementLocks> said = Classify(form.statement);

    EXPECT_EQ(TooWeak(Promised(said)) == "", !OnlyTheCatalogKnows().contains(form.statement))
        << "forms.txt:" << form.line << ": " << form.statement << ": " << TooWeak(Promised(said));
    EXPECT_EQ(TooHarmless(said), "") << "forms.txt:" << form.line << ": " << form.statement;
  }
}

// Later forms find what earlier ones left: they change other things.
TEST_F(DdlLocks, TableSaysWhatFormsOutsideOfTransactionsCost) {
  const std::vector<DdlForm> forms = Forms(true);
  ASSERT_GE(forms.size(), 7U);
  for (const DdlForm& form : forms) {
    const std::vector<StatementLocks> said = Classify(form.statement);
    const std::map<std::string, LockMode> promised = Promised(said);

    const FormCost cost = MeasureAlone(form);

    EXPECT_EQ(cost.text(), form.CostOn(major_).text())
        << "forms.txt:" << form.line << " on PostgreSQL " << major_ << ": " << form.statement;
    EXPECT_NE(said.front().statement_class, StatementClass::kInstant);
    EXPECT_EQ(TooWeak(promised), "") << "forms.txt:" << form.line;
  }
}

}  // namespace
}  // namespace lockstep::migration
