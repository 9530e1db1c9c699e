#include "services/migration/cli/measure_output.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "absl/time/time.h"
#include "services/migration/engine/run/measure/forecast.h"

namespace lockstep::cli {
namespace {

absl::Duration DurationFrom(const google::protobuf::Duration& duration) {
  return absl::Seconds(duration.seconds()) + absl::Nanoseconds(duration.nanos());
}

// What every query takes says nothing.
bool KeepsSomebodyWaiting(const std::string& mode) {
  return !mode.empty() && mode != "ACCESS SHARE" && mode != "ROW SHARE" && mode != "ROW EXCLUSIVE";
}

std::string OrNothing(const std::vector<std::string>& parts) {
  return parts.empty() ? "-" : absl::StrJoin(parts, ", ");
}

std::vector<std::string> RowOf(const pb::StepCertificate& certificate) {
  std::vector<std::string> locks;
  std::vector<std::string> anew;
  std::vector<std::string> read;
  int indexes = 0;
  for (const pb::RelationCost& each : certificate.relations()) {
    if (each.is_index()) {
      if (each.is_rewritten()) ++indexes;
      continue;
    }
    if (KeepsSomebodyWaiting(each.lock_mode())) {
      locks.push_back(each.relation() + " " + each.lock_mode());
    }
    if (each.is_rewritten()) anew.push_back(each.relation());
    if (each.read_row_count() > 0) {
      read.push_back(each.relation() + " " + std::to_string(each.read_row_count()));
    }
  }
  if (indexes > 0) anew.push_back(std::to_string(indexes) + (indexes == 1 ? " index" : " indexes"));
  return {certificate.revision(),
          std::to_string(certificate.step()) + " " + certificate.step_name(),
          OrNothing(locks),
          OrNothing(anew),
          certificate.is_alone() ? "not known" : OrNothing(read),
          migration::DurationText(DurationFrom(certificate.duration()))};
}

}  // namespace

std::string SecondsOf(const google::protobuf::Duration& duration) {
  return absl::StrFormat("%.2f s", absl::ToDoubleSeconds(DurationFrom(duration)));
}

void ShowCertificates(const pb::RehearseResponse& response, const Output& output) {
  std::vector<std::vector<std::string>> rows;
  for (const pb::RehearsedRevision& each : response.revisions()) {
    for (const pb::StepCertificate& certificate : each.certificates()) {
      rows.push_back(RowOf(certificate));
    }
  }
  if (rows.empty()) return;
  output.Line("");
  output.Table({"REVISION", "STEP", "LOCKS", "WRITTEN ANEW", "ROWS READ", "TOOK"}, rows);
}

void ShowForecasts(const pb::PlanResponse& plan, const Output& output) {
  if (plan.forecasts().empty()) return;
  std::vector<std::vector<std::string>> rows;
  for (const pb::StepForecast& each : plan.forecasts()) {
    const std::string time = each.has_high_duration()
                                 ? migration::DurationText(DurationFrom(each.low_duration())) +
                                       " to " +
                                       migration::DurationText(DurationFrom(each.high_duration()))
                                 : output.Paint("not known", Colour::kYellow);
    rows.push_back({each.revision(), std::to_string(each.step()) + " " + each.step_name(), time,
                    each.is_online() ? "go on" : output.Paint("wait", Colour::kYellow),
                    each.locks().empty() ? "-" : each.locks(), each.basis()});
  }
  output.Line("");
  output.Table({"REVISION", "STEP", "FORECAST", "WRITERS", "LOCKS", "BASIS"}, rows);
}

void TellSample(const pb::RehearseResponse& response, const Output& output) {
  if (!response.sample_problem().empty()) {
    output.Progress("without rows: " + response.sample_problem());
  } else if (!response.revisions().empty()) {
    output.Progress("with " + std::to_string(response.sampled_row_count()) +
                    " rows of the live database");
  }
  for (const std::string& table : response.cut_tables()) {
    output.Progress("only a part of " + table);
  }
  for (const std::string& table : response.skipped_tables()) output.Progress("without " + table);
}

}  // namespace lockstep::cli
