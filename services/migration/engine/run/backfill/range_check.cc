#include "services/migration/engine/run/backfill/range_check.h"

#include <algorithm>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "absl/time/clock.h"
#include "common/pg/sqlstate.h"
#include "common/status/error.h"
#include "common/status/macros.h"
#include "services/migration/engine/backfill.h"
#include "services/migration/engine/run/expectations.h"
#include "services/migration/engine/run/failure.h"
#include "services/migration/engine/run/lock_retry.h"

namespace lockstep::migration {
namespace {

constexpr int kRowsAtOnce = 20'000;

// ROW(columns)::text and ROW(expressions as the columns' types)::text: equal for equal values of
// every type, also of those that have no equality.
std::string Found(const std::vector<ColumnExpression>& columns) {
  return absl::StrCat("ROW(",
                      absl::StrJoin(columns, ", ",
                                    [](std::string* out, const ColumnExpression& column) {
                                      *out += QuotedColumn(column.column);
                                    }),
                      ")::text");
}

std::string Wanted(const std::vector<ColumnExpression>& columns,
                   const std::vector<std::string>& types) {
  std::string sql = "ROW(";
  for (std::size_t i = 0; i < columns.size(); ++i) {
    absl::StrAppend(&sql, i == 0 ? "" : ", ", "(", columns[i].expression, "\n)::", types[i]);
  }
  return sql + ")::text";
}

std::string AnyFilled(const std::vector<ColumnExpression>& columns) {
  return "(" +
         absl::StrJoin(columns, " OR ",
                       [](std::string* out, const ColumnExpression& column) {
                         absl::StrAppend(out, QuotedColumn(column.column), " IS NOT NULL");
                       }) +
         ")";
}

// (rows, wrong, found, wanted) of one range. Of a backfill that goes both ways a row is right as
// well when its old columns follow from the new ones, for a new build may write what the old shape
// cannot hold.
std::string CheckSql(const BackfillTable& table, const KeyRange& range) {
  const Backfill& backfill = *table.backfill;
  const std::string forward_found = Found(backfill.set);
  const std::string forward_wanted = Wanted(backfill.set, table.set_types);
  std::string found = forward_found;
  std::string wanted = forward_wanted;
  if (!backfill.set_back.empty()) {
    const std::string by_back =
        absl::StrCat(AnyFilled(backfill.set), " AND ", forward_found, " <> ", forward_wanted);
    found = absl::StrCat("CASE WHEN ", by_back, " THEN ", Found(backfill.set_back), " ELSE ",
                         forward_found, " END");
    wanted =
        absl::StrCat("CASE WHEN ", by_back, " THEN ", Wanted(backfill.set_back, table.back_types),
                     " ELSE ", forward_wanted, " END");
  }
  return absl::StrCat(
      "SELECT count(*)::text AS rows, count(*) FILTER (WHERE found <> wanted)::text AS wrong,"
      " coalesce(sum(hashtextextended(found, 0)), 0)::text AS found,"
      " coalesce(sum(hashtextextended(wanted, 0)), 0)::text AS wanted FROM (SELECT ",
      found, " AS found, ", wanted, " AS wanted FROM ", QuotedTableName(backfill.table), " WHERE ",
      InRangeSql(table, range), backfill.where.empty() ? "" : " AND (" + backfill.where + "\n)",
      ") AS compared");
}

class Checker {
 public:
  Checker(RunSession& session, const StepTask& task, const BackfillTable& table)
      : session_(session), task_(task), table_(table) {}

  absl::Status Check(const KeyRange& range);
  absl::StatusOr<std::optional<KeyValues>> NextPart(const KeyRange& left, KeyRange& part);
  // Of a script without ranges: once.
  absl::Status CheckWhole();
  bool goes_by_range() const {
    return task_.step.expect.empty() || std::ranges::any_of(task_.step.expect.statements, HasRange);
  }
  std::vector<VerificationResult> Results();

 private:
  absl::StatusOr<std::vector<pg::Result>> Ask(const std::vector<std::string>& statements);
  absl::Status CheckColumns(const KeyRange& range);
  absl::Status CheckExpectations(const std::vector<std::string>& statements);

  RunSession& session_;
  const StepTask& task_;
  const BackfillTable& table_;
  std::map<std::string, VerificationResult> passed_;  // by check_id
  std::int64_t rows_ = 0;
  std::int64_t ranges_ = 0;
};

absl::StatusOr<std::vector<pg::Result>> Checker::Ask(const std::vector<std::string>& statements) {
  const std::string sql = absl::StrCat("BEGIN READ ONLY;\n",
                                       absl::StrFormat("SET LOCAL statement_timeout = %d;\n",
                                                       task_.step.limits.statement_timeout_ms),
                                       EnterRoleSql(OwnerRole(task_.revision.service)),
                                       JoinStatements(statements), "COMMIT");
  std::vector<pg::Result> answers;
  const absl::Status asked =
      RetryOnLocks(session_, task_, session_.connection, [&]() -> absl::Status {
        ASSIGN_OR_RETURN(answers, session_.connection.Script(sql));
        return absl::OkStatus();
      });
  if (asked.ok()) return answers;
  if (session_.connection.is_lost() || pg::SqlStateOf(asked).empty()) return asked;
  return ScriptError("STEP_FAILED", task_.text() + ": it could not be verified", asked);
}

absl::Status Checker::CheckColumns(const KeyRange& range) {
  ASSIGN_OR_RETURN(const auto results, Ask({CheckSql(table_, range)}));
  const pg::Row row = results[3][0];
  rows_ += std::stoll(row.Text("rows"));
  ++ranges_;
  if (row.Text("wrong") == "0" && row.Text("found") == row.Text("wanted")) return absl::OkStatus();
  return Error(absl::StatusCode::kFailedPrecondition, "EXPECTATION_FAILED",
               absl::StrCat(task_.text(), ": of ", row.Text("rows"), " rows of ",
                            table_.backfill->table, " with keys from ",
                            absl::StrJoin(range.lo, ", "), " to ", absl::StrJoin(range.hi, ", "),
                            ", ", row.Text("wrong"), " do not hold what was declared"))
      .With("wrong", std::string_view(row.Text("wrong")));
}

absl::Status Checker::CheckExpectations(const std::vector<std::string>& statements) {
  ASSIGN_OR_RETURN(const auto results, Ask(statements));
  // BEGIN and two settings come first, COMMIT last.
  const auto asked = std::span(results).subspan(3, statements.size());
  ASSIGN_OR_RETURN(auto checks, ReadExpectations(task_, asked));
  ++ranges_;
  std::vector<VerificationResult> failed;
  for (VerificationResult& check : checks) {
    if (check.passed) {
      passed_[check.check_id] = std::move(check);
    } else {
      failed.push_back(std::move(check));
    }
  }
  if (failed.empty()) return absl::OkStatus();
  TellExpectations(session_, task_, failed);
  return ExpectationStatus(task_, failed);
}

absl::Status Checker::Check(const KeyRange& range) {
  if (task_.step.expect.empty()) return CheckColumns(range);
  std::vector<std::string> statements;
  for (const std::string& statement : task_.step.expect.statements) {
    statements.push_back(
        BindRange(statement, KeyLiteral(table_, range.lo), KeyLiteral(table_, range.hi)));
  }
  return CheckExpectations(statements);
}

absl::Status Checker::CheckWhole() { return CheckExpectations(task_.step.expect.statements); }

absl::StatusOr<std::optional<KeyValues>> Checker::NextPart(const KeyRange& left, KeyRange& part) {
  ASSIGN_OR_RETURN(const auto results, Ask({NextBatchSql(table_, left, kRowsAtOnce)}));
  NextBatch batch = ReadNextBatch(table_, left, kRowsAtOnce, results[3]);
  if (batch.rows == 0) batch.range = left;
  part = std::move(batch.range);
  return std::move(batch.next);
}

std::vector<VerificationResult> Checker::Results() {
  std::vector<VerificationResult> results;
  for (auto& [id, result] : passed_) results.push_back(std::move(result));
  if (!task_.step.expect.empty()) return results;
  VerificationResult summary;
  summary.revision = task_.revision.id;
  summary.check_id = "backfill " + task_.step.name;
  summary.expected = absl::StrCat(rows_, " rows as declared");
  summary.actual = summary.expected;
  summary.passed = true;
  summary.ran_at = absl::Now();
  results.push_back(std::move(summary));
  return results;
}

}  // namespace

absl::StatusOr<std::vector<VerificationResult>> CheckRanges(
    RunSession& session, const StepTask& task, const BackfillTable& table,
    const std::vector<Chunk>& chunks, const std::function<absl::Status()>& resting) {
  Checker checker(session, task, table);
  if (!checker.goes_by_range()) {
    RETURN_IF_ERROR(checker.CheckWhole());
    return checker.Results();
  }
  for (const Chunk& chunk : chunks) {
    KeyRange left = chunk.range;
    while (true) {
      KeyRange part;
      ASSIGN_OR_RETURN(std::optional<KeyValues> next, checker.NextPart(left, part));
      const absl::Status checked = checker.Check(part);
      if (ReasonOf(checked) == "EXPECTATION_FAILED") {
        // Whoever finds the cause need not mend the rows: the next run walks this range again.
        RETURN_IF_ERROR(RecordInLedger(session, "", WalkAgainSql(task, chunk), {}));
      }
      RETURN_IF_ERROR(checked);
      RETURN_IF_ERROR(resting());
      if (!next.has_value()) break;
      left.lo = *std::move(next);
    }
  }
  return checker.Results();
}

}  // namespace lockstep::migration
