// What people ask of runs while they work: backfills, pause, resume, cancel, rate.
#include <algorithm>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "services/migration/cli/commands.h"

namespace lockstep::cli {
namespace {

std::string LastSegment(const std::string& name) { return name.substr(name.find('/') + 1); }

std::string Progress(const pb::Backfill& backfill) {
  const std::int64_t all = std::max<std::int64_t>(backfill.rows_estimated(), backfill.rows_done());
  const std::int64_t percent = all == 0 ? 100 : backfill.rows_done() * 100 / all;
  return absl::StrCat(backfill.rows_done(), "/", all, " (", percent, " %)");
}

std::string Remaining(const pb::Backfill& backfill) {
  if (!backfill.has_remaining()) return "";
  return absl::FormatDuration(absl::Seconds(backfill.remaining().seconds()));
}

int Backfills(const Session& session, const Output& output) {
  auto backend = session.Connect(/*use_cache=*/true);
  if (!backend.ok()) return Finish(backend.status(), output);
  const auto backfills = (*backend)->ListBackfills();
  if (!backfills.ok()) return Finish(backfills.status(), output);
  if (output.json()) {
    output.Json(*backfills);
    return 0;
  }
  std::vector<std::vector<std::string>> rows;
  for (const pb::Backfill& backfill : backfills->backfills()) {
    rows.push_back({LastSegment(backfill.revision()), backfill.step_name(), backfill.table(),
                    output.Paint(backfill.state(),
                                 backfill.state() == "finished" ? Colour::kGreen : Colour::kYellow),
                    Progress(backfill), std::to_string(backfill.rows_per_second()),
                    Remaining(backfill), std::to_string(backfill.batch_rows()), backfill.reason()});
  }
  output.Table({"REVISION", "STEP", "TABLE", "STATE", "ROWS", "ROWS/S", "LEFT", "BATCH", "REASON"},
               rows);
  return 0;
}

using Verb = absl::StatusOr<pb::Run> (Backend::*)(const std::string&);

int Tell(const Output& output, const absl::StatusOr<pb::Run>& run, const std::string& what) {
  if (!run.ok()) return Finish(run.status(), output);
  output.Progress("asked run " + LastSegment(run->name()) + " to " + what);
  if (output.json()) {
    // The answers of all these methods have the same shape.
    pb::PauseRunResponse response;
    *response.mutable_run() = *run;
    output.Json(response);
  }
  return 0;
}

}  // namespace

void AddControlCommands(CLI::App& app, Action& action) {
  app.add_subcommand("backfills", "backfills, newest first, with progress and what holds them")
      ->callback([&action] { action = Backfills; });

  const auto add = [&](const char* name, const char* help, Verb verb, const char* what) {
    auto* command = app.add_subcommand(name, help);
    auto id = std::make_shared<std::string>();
    command->add_option("ID", *id, "id of the run, or a unique prefix")->required();
    command->callback([&action, id, verb, what] {
      action = [id, verb, what](const Session& session, const Output& output) {
        auto backend = session.Connect(/*use_cache=*/true);
        if (!backend.ok()) return Finish(backend.status(), output);
        return Tell(output, ((**backend).*verb)(*id), what);
      };
    });
  };
  add("pause", "asks a run to pause before its next step or batch", &Backend::PauseRun, "pause");
  add("resume", "lets a paused run go on", &Backend::ResumeRun, "go on");
  add("cancel", "asks a run to stop; steps and batches that are done stay done",
      &Backend::CancelRun, "stop");

  auto* rate =
      app.add_subcommand("rate", "limits how many rows a run's backfills walk in a second");
  auto flags = std::make_shared<std::pair<std::string, int>>();
  rate->add_option("ID", flags->first, "id of the run, or a unique prefix")->required();
  rate->add_option("ROWS", flags->second, "rows a second; 0 is no limit")
      ->required()
      ->check(CLI::NonNegativeNumber);
  rate->callback([&action, flags] {
    action = [flags](const Session& session, const Output& output) {
      auto backend = session.Connect(/*use_cache=*/true);
      if (!backend.ok()) return Finish(backend.status(), output);
      return Tell(output, (*backend)->SetRunRate(flags->first, flags->second),
                  absl::StrCat("walk at most ", flags->second, " rows/s"));
    };
  });
}

}  // namespace lockstep::cli
