#include "services/migration/engine/run/doctor/doctor.h"

#include <algorithm>
#include <cctype>
#include <cstddef>
#include <optional>
#include <string>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "common/status/error.h"
#include "common/status/macros.h"
#include "services/migration/engine/ownership.h"
#include "services/migration/engine/run/catalog/catalog_queries.h"
#include "services/migration/engine/run/doctor/checks.h"

namespace lockstep::migration {
namespace {

constexpr std::size_t kMostObjects = 20;
constexpr std::size_t kLeastDigits = 8;
constexpr char kOwned[] =
    "WITH owned(oid, schema, service) AS ("
    " SELECT n.oid, n.nspname, s.service FROM unnest($1::text[], $2::text[]) AS s(schema, service)"
    "   JOIN pg_namespace AS n ON n.nspname = s.schema)";
constexpr absl::Duration kMostClockDifference = absl::Seconds(5);

// "ENTRIES:HASH".
struct ChainHead {
  std::int64_t entries = 0;
  std::string hash;
};

absl::StatusOr<ChainHead> ReadHead(std::string_view text) {
  const std::size_t colon = text.find(':');
  ChainHead head;
  if (colon != std::string_view::npos) head.hash = std::string(text.substr(colon + 1));
  const bool is_hex = std::ranges::all_of(
      head.hash, [](unsigned char c) { return std::isdigit(c) != 0 || (c >= 'a' && c <= 'f'); });
  if (colon == std::string_view::npos || !is_hex || head.hash.size() < kLeastDigits ||
      !absl::SimpleAtoi(std::string(text.substr(0, colon)), &head.entries) || head.entries < 1) {
    return Error(
        absl::StatusCode::kInvalidArgument, "CHAIN_HEAD_INVALID",
        "the expected head of the history must be ENTRIES:HASH as `lockstep doctor` prints it, "
        "with at least 8 digits of the hash");
  }
  return head;
}

void AddObjects(const pg::Result& rows, const char* column, Diagnosis& diagnosis) {
  for (const pg::Row row : rows) {
    if (diagnosis.objects.size() == kMostObjects) break;
    diagnosis.objects.push_back(row.Text(column));
  }
}

absl::StatusOr<Diagnosis> AskHistory(pg::Connection& connection, std::string_view expected_head,
                                     std::string& head) {
  ASSIGN_OR_RETURN(const pg::Result now, connection.Query("SELECT migration.chain_head() AS head"));
  head = now[0].Text("head");
  Diagnosis diagnosis{.check = "history", .found = "", .remedy = "", .objects = {}};
  ASSIGN_OR_RETURN(const pg::Result broken,
                   connection.Query("SELECT w AS what FROM migration.check_chain() AS w"));
  AddObjects(broken, "what", diagnosis);
  if (!expected_head.empty()) {
    ASSIGN_OR_RETURN(const ChainHead expected, ReadHead(expected_head));
    ASSIGN_OR_RETURN(
        const pg::Result found,
        connection.Query("SELECT EXISTS (SELECT FROM migration.chain AS c WHERE c.entry = $1"
                         " AND starts_with(encode(c.hash, 'hex'), $2)) AS leads_there",
                         expected.entries, expected.hash));
    if (!found[0].Get<bool>("leads_there")) {
      diagnosis.objects.push_back(absl::StrCat("it does not lead to ", std::string(expected_head)));
    }
  }
  diagnosis.found = absl::StrCat(head.substr(0, head.find(':')), " entries, head ", head);
  if (diagnosis.objects.empty()) return diagnosis;
  diagnosis.state = DiagnosisState::kBad;
  diagnosis.found = absl::StrCat("the history was edited: ", diagnosis.objects.front());
  diagnosis.remedy =
      "compare with a backup, the log of a webhook or the run's own log, each of which has heads "
      "of its time";
  return diagnosis;
}

absl::StatusOr<Diagnosis> AskCheck(pg::Connection& connection, const DoctorCheck& check) {
  Diagnosis diagnosis{.check = std::string(check.name),
                      .found = std::string(check.good),
                      .remedy = "",
                      .objects = {}};
  std::vector<std::string> schemas = OwnedSchemas();
  std::vector<std::string> services;
  for (const std::string& schema : schemas) services.emplace_back(OwnerOf(schema));
  ASSIGN_OR_RETURN(const pg::Result rows,
                   connection.Query(kOwned + std::string(check.sql), pg::ArrayLiteral(schemas),
                                    pg::ArrayLiteral(services)));
  if (rows.empty()) return diagnosis;
  AddObjects(rows, "object", diagnosis);
  diagnosis.state = check.state;
  diagnosis.found = absl::StrCat(rows.size(), " ", std::string(check.found), ": ",
                                 diagnosis.objects.front(), rows.size() > 1 ? ", ..." : "");
  diagnosis.remedy = std::string(check.remedy);
  return diagnosis;
}

// No verdict hangs on it: leases and soaks count by the database's clock. Logs of several hosts do.
absl::StatusOr<Diagnosis> AskClock(pg::Connection& connection) {
  const absl::Time before = absl::Now();
  ASSIGN_OR_RETURN(const pg::Result rows, connection.Query("SELECT clock_timestamp() AS now"));
  const absl::Time after = absl::Now();
  const absl::Time there = rows[0].Get<absl::Time>("now");
  const absl::Duration off =
      there < before ? before - there : std::max(there - after, absl::ZeroDuration());
  Diagnosis diagnosis{.check = "clock",
                      .found = "the clocks of database and runner agree",
                      .remedy = "",
                      .objects = {}};
  if (off <= kMostClockDifference) return diagnosis;
  diagnosis.state = DiagnosisState::kDoubtful;
  diagnosis.found =
      absl::StrCat("the clocks of database and runner are ",
                   absl::FormatDuration(absl::Trunc(off, absl::Seconds(1))), " apart");
  diagnosis.remedy = "synchronise them: times in logs of several hosts cannot be compared";
  return diagnosis;
}

}  // namespace

absl::StatusOr<DiagnosisReport> Examine(pg::Connection& connection,
                                        std::string_view expected_head) {
  DiagnosisReport report;
  ASSIGN_OR_RETURN(Diagnosis history, AskHistory(connection, expected_head, report.chain_head));
  report.diagnoses.push_back(std::move(history));
  for (const DoctorCheck& check : DoctorChecks()) {
    ASSIGN_OR_RETURN(Diagnosis diagnosis, AskCheck(connection, check));
    report.diagnoses.push_back(std::move(diagnosis));
  }
  ASSIGN_OR_RETURN(Diagnosis clock, AskClock(connection));
  report.diagnoses.push_back(std::move(clock));
  return report;
}

}  // namespace lockstep::migration
