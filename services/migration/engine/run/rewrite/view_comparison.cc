#include "services/migration/engine/run/rewrite/view_comparison.h"

#include <algorithm>
#include <set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "absl/time/clock.h"
#include "common/json/json.h"
#include "common/pg/sqlstate.h"
#include "common/status/error.h"
#include "common/status/macros.h"
#include "services/migration/engine/run/failure.h"
#include "services/migration/engine/run/ledger_schema.h"
#include "services/migration/engine/run/lock_retry.h"

namespace lockstep::migration {
namespace {

// Rows that are shown of each side.
constexpr int kShownRows = 3;

// Those of the called functions that may answer differently every time. $1, $2: schemas ("" = of
// PostgreSQL itself) and names.
constexpr char kVolatileSql[] = R"(
SELECT DISTINCT p.oid::regprocedure::text AS function
  FROM unnest($1::text[], $2::text[]) AS f(schema, name)
  JOIN pg_proc AS p ON p.proname = f.name AND p.provolatile = 'v'
  JOIN pg_namespace AS n ON n.oid = p.pronamespace
   AND n.nspname = CASE f.schema WHEN '' THEN 'pg_catalog' ELSE f.schema END
 ORDER BY 1
)";

std::string TypeOf(const ViewColumn& column) {
  return column.type + (column.collation.empty() || column.collation == "default"
                            ? ""
                            : " COLLATE " + column.collation);
}

// "no column note; column city character varying(100) instead of text"; "" when there is none.
std::string DifferenceOf(const std::vector<ViewColumn>& before,
                         const std::vector<ViewColumn>& after) {
  std::vector<std::string> differences;
  for (const ViewColumn& column : before) {
    const auto found = std::ranges::find(after, column.name, &ViewColumn::name);
    if (found == after.end()) {
      differences.push_back("no column " + column.name);
    } else if (*found != column) {
      differences.push_back("column " + column.name + " " + TypeOf(*found) + " instead of " +
                            TypeOf(column));
    }
  }
  for (const ViewColumn& column : after) {
    if (std::ranges::find(before, column.name, &ViewColumn::name) == before.end()) {
      differences.push_back("another column " + column.name + " " + TypeOf(column));
    }
  }
  if (differences.empty() && before != after) differences.emplace_back("another order of columns");
  return absl::StrJoin(differences, "; ");
}

// Compares one view.
class Comparison {
 public:
  Comparison(RunSession& session, const StepTask& task, const RewrittenView& view)
      : session_(session), task_(task), view_(view) {
    check_.revision = task.revision.id;
    check_.check_id = "view " + view.view();
    check_.passed = true;
    check_.ran_at = absl::Now();
    declared_.view = view.view();
    for (const ComparedView& compared : task.step.view_rewrite.views) {
      if (compared.view == view.view()) declared_ = compared;
    }
  }

  absl::Status Run(std::set<std::string>& narrowed);
  VerificationResult TakeCheck() { return std::move(check_); }

 private:
  absl::StatusOr<pg::Result> Ask(const std::string& sql);
  absl::Status Prepare(std::set<std::string>& narrowed);
  absl::Status RefuseVolatile() const;
  absl::Status RefuseTies(const ComparedQuery& query, std::string_view side);
  std::vector<ViewColumn> Without(const std::vector<ViewColumn>& columns, bool tolerated) const;
  void CompareColumns();
  absl::Status CompareBags();
  absl::Status CompareInAnotherZone(const std::vector<ViewColumn>& columns);
  absl::Status CompareTolerances();
  // "; 2 rows only in the old definition: (1,2), (3,4)"
  absl::Status Show(const std::string& sql, std::string_view what);
  void Tell();

  RunSession& session_;
  const StepTask& task_;
  const RewrittenView& view_;
  ComparedView declared_;
  ComparedQuery old_;
  ComparedQuery new_;
  VerificationResult check_;
  absl::Duration old_took_ = absl::ZeroDuration();
  absl::Duration new_took_ = absl::ZeroDuration();
};

absl::StatusOr<pg::Result> Comparison::Ask(const std::string& sql) {
  RETURN_IF_ERROR(MayGoOn(session_));
  auto result = session_.connection.Query(sql);
  if (result.ok() || IsNotAboutSql(session_, result.status())) return result;
  if (pg::SqlStateOf(result.status()) == "42803" && !task_.step.view_rewrite.rows.empty()) {
    return Error(absl::StatusCode::kFailedPrecondition, "VIEW_INCOMPARABLE",
                 task_.text() + " cannot compare " + view_.view() +
                     ": it groups by a primary key, which some rows of a relation do not have; "
                     "group by every column that it shows");
  }
  return ScriptError("STEP_FAILED",
                     task_.text() + " could not compare " + view_.view() + "; nothing was changed",
                     result.status());
}

absl::Status Comparison::Prepare(std::set<std::string>& narrowed) {
  const std::vector<ComparedRows>& rows = task_.step.view_rewrite.rows;
  const auto explain = [&](const absl::Status& status, std::string_view side) {
    return Error(status.code(), ReasonOf(status),
                 absl::StrCat(task_.text(), " cannot compare the ",
                              absl::string_view(side.data(), side.size()), " definition of ",
                              view_.view(), ": ", MessageOf(status)));
  };
  auto before = CompareAs(view_.old_definition, rows, declared_.without_limit);
  if (!before.ok()) return explain(before.status(), "old");
  auto after = CompareAs(view_.new_definition, rows, declared_.without_limit);
  if (!after.ok()) return explain(after.status(), "new");
  old_ = *std::move(before);
  new_ = *std::move(after);
  narrowed.insert(old_.narrowed.begin(), old_.narrowed.end());
  narrowed.insert(new_.narrowed.begin(), new_.narrowed.end());
  return RefuseVolatile();
}

absl::Status Comparison::RefuseVolatile() const {
  std::set<std::string> called(old_.functions.begin(), old_.functions.end());
  called.insert(new_.functions.begin(), new_.functions.end());
  for (const std::string& definition : view_.read_definitions) {
    const auto read = CompareAs(definition, {}, false);
    if (!read.ok()) {
      return Error(read.status().code(), ReasonOf(read.status()),
                   absl::StrCat(task_.text(), " cannot compare ", view_.view(),
                                ", because of a view that it reads: ", MessageOf(read.status())));
    }
    called.insert(read->functions.begin(), read->functions.end());
  }
  std::vector<std::string> schemas;
  std::vector<std::string> names;
  for (const std::string& function : called) {
    const std::size_t dot = function.find('.');
    schemas.push_back(dot == std::string::npos ? "" : function.substr(0, dot));
    names.push_back(dot == std::string::npos ? function : function.substr(dot + 1));
  }
  ASSIGN_OR_RETURN(
      const pg::Result rows,
      session_.connection.Query(kVolatileSql, pg::ArrayLiteral(schemas), pg::ArrayLiteral(names)));
  if (rows.empty()) return absl::OkStatus();
  return Error(
      absl::StatusCode::kFailedPrecondition, "VIEW_INCOMPARABLE",
      absl::StrCat(task_.text(), " cannot compare ", view_.view(), ": ", rows[0].Text("function"),
                   " is volatile and may answer differently every time"));
}

absl::Status Comparison::RefuseTies(const ComparedQuery& query, std::string_view side) {
  if (query.with_ties.empty()) return absl::OkStatus();
  ASSIGN_OR_RETURN(
      const pg::Result rows,
      Ask(absl::StrCat("SELECT (SELECT count(*) FROM (", query.with_ties,
                       ") AS t) > (SELECT count(*) FROM (", query.text, ") AS l) AS ties")));
  if (rows[0].Text("ties") != "t") return absl::OkStatus();
  return Error(absl::StatusCode::kFailedPrecondition, "VIEW_INCOMPARABLE",
               absl::StrCat(task_.text(), " cannot compare ", view_.view(),
                            ": the ORDER BY of its ", absl::string_view(side.data(), side.size()),
                            " definition does not say which rows its LIMIT takes, several tie for "
                            "the last place; order by a key as well, or declare without_limit"));
}

std::vector<ViewColumn> Comparison::Without(const std::vector<ViewColumn>& columns,
                                            bool tolerated) const {
  std::vector<ViewColumn> left;
  for (const ViewColumn& column : columns) {
    const bool is_tolerated = std::ranges::find(declared_.tolerances, column.name,
                                                &Tolerance::column) != declared_.tolerances.end();
    if (std::ranges::find(declared_.except_columns, column.name) !=
            declared_.except_columns.end() ||
        (is_tolerated && !tolerated)) {
      continue;
    }
    left.push_back(column);
    if (std::ranges::find(declared_.retyped_columns, column.name) !=
        declared_.retyped_columns.end()) {
      left.back() = {.name = column.name, .type = "any type", .base = "", .collation = ""};
    }
  }
  return left;
}

void Comparison::CompareColumns() {
  const std::string difference =
      DifferenceOf(Without(view_.old_columns, true), Without(view_.new_columns, true));
  if (difference.empty()) return;
  check_.passed = false;
  check_.expected = "the same columns";
  check_.actual = difference;
}

absl::Status Comparison::Show(const std::string& sql, std::string_view what) {
  ASSIGN_OR_RETURN(const pg::Result rows, Ask(sql));
  if (rows.empty()) return absl::OkStatus();
  std::vector<std::string> shown;
  for (const pg::Row row : rows) shown.push_back(row.Text("row"));
  absl::StrAppend(&check_.actual, "; ", rows[0].Text("n"), " rows ",
                  absl::string_view(what.data(), what.size()), ": ", absl::StrJoin(shown, ", "));
  check_.passed = false;
  return absl::OkStatus();
}

absl::Status Comparison::CompareBags() {
  const std::vector<ViewColumn> columns = Without(view_.old_columns, false);
  const auto text_of = [](const pg::Result& rows) {
    return absl::StrCat(rows[0].Text("n"), " rows, hash ", rows[0].Text("bag"));
  };
  absl::Time began = absl::Now();
  ASSIGN_OR_RETURN(const pg::Result before, Ask(BagSql(old_.text, columns)));
  old_took_ = absl::Now() - began;
  began = absl::Now();
  ASSIGN_OR_RETURN(const pg::Result after, Ask(BagSql(new_.text, columns)));
  new_took_ = absl::Now() - began;
  check_.expected = text_of(before);
  check_.actual = text_of(after);
  check_.passed = check_.expected == check_.actual;
  if (check_.passed) return CompareInAnotherZone(columns);
  RETURN_IF_ERROR(
      Show(MissingSql(old_.text, new_.text, columns, kShownRows), "only in the old definition"));
  return Show(MissingSql(new_.text, old_.text, columns, kShownRows), "only in the new definition");
}

// A day is another one elsewhere: what is equal in UTC need not be equal for who reads the view.
absl::Status Comparison::CompareInAnotherZone(const std::vector<ViewColumn>& columns) {
  if (!old_.may_use_zone && !new_.may_use_zone) return absl::OkStatus();
  RETURN_IF_ERROR(Ask("SET LOCAL TimeZone = 'Pacific/Chatham'").status());
  ASSIGN_OR_RETURN(const pg::Result before, Ask(BagSql(old_.text, columns)));
  ASSIGN_OR_RETURN(const pg::Result after, Ask(BagSql(new_.text, columns)));
  if (before[0].Text("n") != after[0].Text("n") || before[0].Text("bag") != after[0].Text("bag")) {
    check_.passed = false;
    check_.expected = "the same in every time zone";
    check_.actual = "equal in UTC, and not in the time zone Pacific/Chatham";
    RETURN_IF_ERROR(
        Show(MissingSql(new_.text, old_.text, columns, kShownRows), "only in the new definition"));
  }
  return Ask("SET LOCAL TimeZone = 'UTC'").status();
}

absl::Status Comparison::CompareTolerances() {
  if (declared_.tolerances.empty()) return absl::OkStatus();
  for (const std::string* query : {&old_.text, &new_.text}) {
    ASSIGN_OR_RETURN(const pg::Result rows, Ask(AmbiguousKeySql(*query, declared_.key)));
    if (rows[0].Text("n") != "0") {
      return Error(absl::StatusCode::kFailedPrecondition, "VIEW_REWRITE_INVALID",
                   absl::StrCat(task_.text(), ": key ", absl::StrJoin(declared_.key, ", "), " of ",
                                view_.view(), " does not tell its rows apart, ", rows[0].Text("n"),
                                " rows share theirs with another"));
    }
  }
  return Show(OutOfToleranceSql(old_.text, new_.text, declared_, kShownRows), "out of tolerance");
}

void Comparison::Tell() {
  std::vector<std::string> limits;
  if (declared_.without_limit) limits.emplace_back("without its LIMIT");
  if (!declared_.except_columns.empty()) {
    limits.push_back("without " + absl::StrJoin(declared_.except_columns, ", "));
  }
  if (!declared_.retyped_columns.empty()) {
    limits.push_back(absl::StrJoin(declared_.retyped_columns, ", ") + " as text");
  }
  for (const Tolerance& tolerance : declared_.tolerances) {
    limits.push_back(tolerance.column + " within " + tolerance.within);
  }
  const std::string among = limits.empty() ? "" : " (" + absl::StrJoin(limits, "; ") + ")";
  std::string message = view_.view() + ": ";
  if (!check_.passed) {
    absl::StrAppend(&message, "NOT equal", among, ": expected ", check_.expected, ", found ",
                    check_.actual);
  } else if (check_.actual.starts_with("0 rows")) {
    absl::StrAppend(&message, "no row to compare", among);
  } else {
    absl::StrAppendFormat(&message,
                          "equal on these rows, %s%s; %d ms the old definition, %d ms the new",
                          check_.actual, among, absl::ToInt64Milliseconds(old_took_),
                          absl::ToInt64Milliseconds(new_took_));
  }
  Happening happened = task_.Event("view_compared", std::move(message));
  happened.details["view"] = view_.view();
  happened.details["passed"] = check_.passed;
  happened.details["compared"] = absl::StrJoin(limits, "; ");
  session_.journal.Emit(std::move(happened));
}

absl::Status Comparison::Run(std::set<std::string>& narrowed) {
  RETURN_IF_ERROR(Prepare(narrowed));
  CompareColumns();
  if (check_.passed) {
    RETURN_IF_ERROR(RefuseTies(old_, "old"));
    RETURN_IF_ERROR(RefuseTies(new_, "new"));
    RETURN_IF_ERROR(CompareBags());
    RETURN_IF_ERROR(CompareTolerances());
  }
  Tell();
  return absl::OkStatus();
}

absl::Status CompareInSnapshot(RunSession& session, const StepTask& task,
                               const std::vector<RewrittenView>& views,
                               std::vector<VerificationResult>& checks) {
  const Limits& limits = task.step.limits;
  checks.clear();
  // The lease is not asked for: this only reads, and the step asks when it begins.
  RETURN_IF_ERROR(session.connection
                      .Script(absl::StrFormat(
                          "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY;\n"
                          "SET LOCAL lock_timeout = %d;\nSET LOCAL statement_timeout = %d;\n"
                          "SET LOCAL search_path = %s;\nSET LOCAL TimeZone = 'UTC';\n",
                          limits.lock_timeout_ms, limits.statement_timeout_ms, kSearchPath))
                      .status());
  RETURN_IF_ERROR(
      session.connection.Script(EnterRoleSql(OwnerRole(task.revision.service))).status());
  std::set<std::string> narrowed;
  for (const ComparedRows& rows : task.step.view_rewrite.rows) {
    session.journal.Emit(task.Event(
        "view_rows", "of " + rows.relation + " only these rows are compared: " + rows.where));
  }
  for (const RewrittenView& view : views) {
    Comparison comparison(session, task, view);
    RETURN_IF_ERROR(comparison.Run(narrowed));
    checks.push_back(comparison.TakeCheck());
  }
  for (const ComparedRows& rows : task.step.view_rewrite.rows) {
    if (narrowed.contains(rows.relation)) continue;
    return Error(absl::StatusCode::kFailedPrecondition, "VIEW_REWRITE_INVALID",
                 absl::StrCat(task.text(), ": no definition reads ", rows.relation,
                              ", of which only some rows are to be compared"));
  }
  return session.connection.Script("ROLLBACK").status();
}

}  // namespace

absl::StatusOr<std::vector<VerificationResult>> CompareViews(
    RunSession& session, const StepTask& task, const std::vector<RewrittenView>& views) {
  std::vector<VerificationResult> checks;
  const auto once = [&] { return CompareInSnapshot(session, task, views, checks); };
  RETURN_IF_ERROR(RetryOnLocks(session, task, session.connection, once));
  return checks;
}

}  // namespace lockstep::migration
