// Runs and their logs: runs, run, logs, watch.
#include <cstdio>

#include "services/migration/cli/commands.h"
#include "services/migration/engine/run/failure.h"

namespace lockstep::cli {
namespace {

std::string StateOf(const pb::Run& run, const Output& output) {
  const std::string name = pb::RunState_Name(run.state()).substr(std::string("RUN_STATE_").size());
  switch (run.state()) {
    case pb::RUN_STATE_SUCCEEDED:
      return output.Paint(name, Colour::kGreen);
    case pb::RUN_STATE_RUNNING:
    case pb::RUN_STATE_WAITING:
      return output.Paint(name, Colour::kYellow);
    default:
      return output.Paint(name, Colour::kRed);
  }
}

std::string IdOf(const pb::Run& run) { return run.name().substr(run.name().find('/') + 1); }

int Runs(const Session& session, const Output& output, int limit) {
  auto backend = session.Connect(/*use_cache=*/true);
  if (!backend.ok()) return Finish(backend.status(), output);
  auto runs = (*backend)->ListRuns(limit);
  if (!runs.ok()) return Finish(runs.status(), output);
  if (output.json()) {
    output.Json(*runs);
    return 0;
  }
  std::vector<std::vector<std::string>> rows;
  for (const auto& run : runs->runs()) {
    rows.push_back({IdOf(run), run.kind(), run.target(), StateOf(run, output),
                    std::to_string(run.steps_done()) + "/" + std::to_string(run.steps_total()),
                    TimeText(run.start_time()), run.actor(), run.error_reason()});
  }
  output.Table({"RUN", "KIND", "TARGET", "STATE", "STEPS", "STARTED (UTC)", "WHO", "REASON"}, rows);
  return 0;
}

int ShowRun(const Session& session, const Output& output, const std::string& id) {
  auto backend = session.Connect(/*use_cache=*/true);
  if (!backend.ok()) return Finish(backend.status(), output);
  auto run = (*backend)->GetRun(id);
  if (!run.ok()) return Finish(run.status(), output);
  if (output.json()) {
    output.Json(*run);
    return 0;
  }
  output.Line(output.Paint(IdOf(*run), Colour::kBold) + "  " + run->kind() + " " + run->target());
  output.Line("state     " + StateOf(*run, output));
  output.Line("steps     " + std::to_string(run->steps_done()) + " of " +
              std::to_string(run->steps_total()));
  output.Line("by        " + run->actor() + "@" + run->host());
  output.Line("started   " + TimeText(run->start_time()) + " UTC");
  if (run->has_finish_time()) output.Line("finished  " + TimeText(run->finish_time()) + " UTC");
  if (!run->error_message().empty()) {
    output.Line("error     " + run->error_message() + " (" + run->error_reason() + ")");
  }
  return 0;
}

// Events as they come: lines, or the parts of one JSON document.
class EventPrinter {
 public:
  explicit EventPrinter(const Output& output) : output_(output) {
    if (output_.json()) output_.Line(R"({"events":[)");
  }
  void Print(const pb::RunEvent& event) {
    if (output_.json()) {
      if (!is_first_) output_.Line(",");
      is_first_ = false;
      output_.Json(event);
    } else {
      output_.Line(std::to_string(event.offset()) + "  " + TimeText(event.time()) + "  " +
                   Describe(event, output_));
    }
    // Who follows a run through a pipe wants each line when it happens.
    std::fflush(stdout);
  }
  // Returns the exit code.
  int End(const absl::Status& status) {
    if (output_.json()) {
      output_.Line("]" + (status.ok() ? "" : R"(,"error":)" + Output::ErrorJson(status)) + "}");
    }
    if (!status.ok()) output_.ExplainError(status);
    return static_cast<int>(migration::ExitClassOf(status));
  }

 private:
  const Output& output_;
  bool is_first_ = true;
};

struct FollowFlags {
  std::string id;
  std::int64_t after = 0;
};

int Follow(const Session& session, const Output& output, const FollowFlags& flags, bool follow) {
  auto backend = session.Connect(/*use_cache=*/true);
  if (!backend.ok()) return Finish(backend.status(), output);
  auto run = (*backend)->GetRun(flags.id);
  if (!run.ok()) return Finish(run.status(), output);
  EventPrinter printer(output);
  const absl::Status status = (*backend)->Watch(
      IdOf(*run), flags.after, follow, [&](const pb::RunEvent& event) { printer.Print(event); });
  if (!status.ok() || !follow) return printer.End(status);
  run = (*backend)->GetRun(IdOf(*run));
  return printer.End(run.ok() ? StatusOfRun(*run) : run.status());
}

}  // namespace

std::string Describe(const pb::RunEvent& event, const Output& output) {
  Colour colour = Colour::kNone;
  if (event.kind() == "step_failed" || event.kind() == "step_blocked") colour = Colour::kRed;
  if (event.kind() == "warning" || event.kind() == "waiting_for_lease" ||
      event.kind() == "privileged_sql" || event.kind() == "blocker_cancelled" ||
      event.kind() == "build_stalled") {
    colour = Colour::kYellow;
  }
  if (event.kind() == "run_finished" || event.kind() == "revision_finished")
    colour = Colour::kGreen;
  return output.PaintError(event.message(), colour);
}

void AddLogCommands(CLI::App& app, Action& action) {
  auto* runs = app.add_subcommand("runs", "runs, newest first");
  auto limit = std::make_shared<int>(20);
  runs->add_option("--limit", *limit, "at most so many (1 to 1000)")->check(CLI::Range(1, 1000));
  runs->callback([&action, limit] {
    action = [limit](const Session& session, const Output& output) {
      return Runs(session, output, *limit);
    };
  });

  const auto add_with_id = [&](const char* name, const char* help, auto run) {
    auto* command = app.add_subcommand(name, help);
    auto flags = std::make_shared<FollowFlags>();
    command->add_option("ID", flags->id, "id of the run, or a unique prefix")->required();
    command->callback([&action, flags, run] {
      action = [flags, run](const Session& session, const Output& output) {
        return run(session, output, *flags);
      };
    });
    return std::pair(command, flags);
  };
  add_with_id("run", "one run",
              [](const Session& session, const Output& output, const auto& flags) {
                return ShowRun(session, output, flags.id);
              });
  auto [logs, log_flags] =
      add_with_id("logs", "the events of a run so far",
                  [](const Session& session, const Output& output, const FollowFlags& flags) {
                    return Follow(session, output, flags, false);
                  });
  logs->add_option("--after", log_flags->after, "only events after this offset");
  auto [watch, watch_flags] =
      add_with_id("watch", "the events of a run until it ends",
                  [](const Session& session, const Output& output, const FollowFlags& flags) {
                    return Follow(session, output, flags, true);
                  });
  watch->add_option("--after", watch_flags->after, "only events after this offset");
}

}  // namespace lockstep::cli
