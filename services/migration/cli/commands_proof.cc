// rehearse and drift: what is proven on scratch databases.
#include <memory>
#include <string>
#include <vector>

#include "services/migration/cli/commands.h"
#include "services/migration/cli/measure_output.h"
#include "services/migration/engine/run/failure.h"

namespace lockstep::cli {
namespace {

std::string PaintVerdict(const std::string& verdict, const Output& output) {
  if (verdict == "reversible") return output.Paint(verdict, Colour::kGreen);
  if (verdict == "dishonest" || verdict == "failed") return output.Paint(verdict, Colour::kRed);
  return output.Paint(verdict, Colour::kYellow);
}

bool IsBad(const pb::RehearsedRevision& rehearsed) {
  return rehearsed.verdict() == "dishonest" || rehearsed.verdict() == "failed";
}

void ShowRehearsal(const pb::RehearseResponse& response, const Output& output) {
  std::vector<std::vector<std::string>> rows;
  for (const pb::RehearsedRevision& each : response.revisions()) {
    rows.push_back({each.service(), each.revision(), PaintVerdict(each.verdict(), output),
                    SecondsOf(each.up_duration()), SecondsOf(each.down_duration()), each.title()});
  }
  output.Table({"OWNER", "REVISION", "VERDICT", "UP", "DOWN", "TITLE"}, rows);
  for (const pb::RehearsedRevision& each : response.revisions()) {
    for (const std::string& loss : each.losses()) {
      output.Line(each.revision() + " loses " + loss);
    }
    // What is merely in another order is no news of an undo that gives everything back.
    for (const pb::CatalogDifference& difference : each.differences()) {
      if (each.verdict() == "reversible") continue;
      output.Line(each.revision() + " after going back: " + difference.text());
    }
    if (!each.failure().empty()) output.Line(each.revision() + " " + each.failure());
  }
}

int Rehearse(const Session& session, const Output& output, const std::string& target) {
  auto backend = session.Connect();
  if (!backend.ok()) return Finish(backend.status(), output);
  output.Progress("rehearsing on a scratch database: up, down and up again");
  const auto response = (*backend)->Rehearse(target, /*measure_only=*/false);
  if (!response.ok()) return Finish(response.status(), output);
  bool is_bad = false;
  for (const pb::RehearsedRevision& each : response->revisions()) is_bad = is_bad || IsBad(each);
  if (output.json()) {
    output.Json(*response);
  } else if (response->revisions().empty()) {
    output.Line("nothing to rehearse");
  } else {
    ShowRehearsal(*response, output);
    ShowCertificates(*response, output);
  }
  TellSample(*response, output);
  return is_bad ? static_cast<int>(migration::ExitClass::kFailed) : 0;
}

std::string PaintSeverity(pb::DriftSeverity severity, const Output& output) {
  if (severity == pb::DRIFT_SEVERITY_SEVERE) return output.Paint("severe", Colour::kRed);
  if (severity == pb::DRIFT_SEVERITY_USUAL) return output.Paint("usual", Colour::kYellow);
  return output.Paint("mild", Colour::kDim);
}

int Drift(const Session& session, const Output& output, bool with_sql) {
  auto backend = session.Connect();
  if (!backend.ok()) return Finish(backend.status(), output);
  const auto response = (*backend)->DetectDrift();
  if (!response.ok()) return Finish(response.status(), output);
  if (output.json()) {
    output.Json(*response);
  } else {
    for (const pb::CatalogDifference& difference : response->differences()) {
      output.Line(PaintSeverity(difference.severity(), output) + " " +
                  (difference.owner().empty() ? "" : difference.owner() + " ") + difference.text());
      if (with_sql && !difference.repair_sql().empty()) output.Line(difference.repair_sql());
    }
  }
  output.Progress(std::to_string(response->differences_size()) + " differences in " +
                  std::to_string(response->object_count()) + " objects");
  if (!response->differences().empty() && !with_sql) {
    output.Progress("lockstep drift --sql shows how to bring it back: put that into a revision");
  }
  return response->differences().empty() ? 0 : static_cast<int>(migration::ExitClass::kDrift);
}

}  // namespace

void AddProofCommands(CLI::App& app, Action& action) {
  auto target = std::make_shared<std::string>();
  auto* rehearse = app.add_subcommand(
      "rehearse", "take what an upgrade would apply up, down and up again on a scratch database");
  rehearse->add_option("target", *target, "release, revision, service@... (default: head)");
  rehearse->callback([&action, target] {
    action = [target](const Session& session, const Output& output) {
      return Rehearse(session, output, *target);
    };
  });
  auto with_sql = std::make_shared<bool>(false);
  auto* drift = app.add_subcommand(
      "drift", "compare the live database with what its revisions made; exit 3 when it differs");
  drift->add_flag("--sql", *with_sql, "show the SQL that brings each difference back");
  drift->callback([&action, with_sql] {
    action = [with_sql](const Session& session, const Output& output) {
      return Drift(session, output, *with_sql);
    };
  });
}

}  // namespace lockstep::cli
