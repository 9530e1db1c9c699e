// Changing the database: plan, upgrade, downgrade, verify, amend.
#include <fstream>
#include <iterator>
#include <optional>
#include <utility>

#include "absl/time/clock.h"
#include "common/status/error.h"
#include "common/status/macros.h"
#include "services/migration/api/convert.h"
#include "services/migration/cli/commands.h"
#include "services/migration/cli/measure_output.h"
#include "services/migration/cli/plan_file.h"
#include "services/migration/cli/plan_output.h"
#include "services/migration/cli/plan_repeatables.h"
#include "services/migration/engine/definitions.h"
#include "services/migration/engine/run/engine.h"
#include "services/migration/engine/run/failure.h"
#include "services/migration/engine/run/lease.h"

namespace lockstep::cli {
namespace {

struct RunFlags {
  std::string target;
  std::string from;
  bool down = false;
  bool with_sql = false;
  bool archive = false;
  bool allow_irreversible = false;
  bool exit_code = false;
  bool measure = false;   // plan: on a scratch database first
  std::string plan_file;  // plan: written; upgrade and downgrade: read
  std::string force_freeze;
  std::string force_gate;
  std::string force_locks;
  std::optional<int> gate_wait_s;
  std::vector<std::string> cancel_blockers;
  std::optional<std::string> backup;  // file of a backup to take first; "" = the default name
};

void ShowWarnings(const std::vector<std::string>& warnings, const Output& output) {
  for (const std::string& warning : warnings) output.Progress("warning: " + warning);
}

// The plan as a file, for who reviews it and for the run that does nothing else.
absl::Status KeepPlan(const Session& session, const Output& output, const pb::PlanResponse& plan,
                      const std::string& path) {
  PlanFile file;
  ASSIGN_OR_RETURN(file.plan, migration::FromProto(plan.reviewed_plan()));
  file.made_at = absl::FromUnixSeconds(absl::ToUnixSeconds(absl::Now()));
  migration::EngineOptions options;
  options.actor = session.options.actor;
  file.made_by = migration::ActorOf(options);
  RETURN_IF_ERROR(WritePlanFile(path, file));
  output.Progress("wrote the plan to " + path + ", fingerprint " +
                  migration::FingerprintOf(file.plan));
  return absl::OkStatus();
}

// So that the plan has forecasts. What fails on the way is told; the plan says the rest.
absl::Status MeasureFirst(Backend& backend, const Output& output, const std::string& target) {
  output.Progress("measuring on a scratch database");
  const auto measured = backend.Rehearse(target, /*measure_only=*/true);
  RETURN_IF_ERROR(measured.status());
  TellSample(*measured, output);
  for (const pb::RehearsedRevision& each : measured->revisions()) {
    if (!each.failure().empty()) output.Progress(each.revision() + " " + each.failure());
  }
  if (!output.json()) ShowCertificates(*measured, output);
  return absl::OkStatus();
}

int Plan(const Session& session, const Output& output, const RunFlags& flags) {
  auto backend = session.Connect();
  if (!backend.ok()) return Finish(backend.status(), output);
  ShowWarnings((*backend)->Warnings(), output);
  pb::PlanRequest request;
  request.set_target(flags.target);
  request.set_direction(flags.down ? pb::DIRECTION_DOWN : pb::DIRECTION_UP);
  if (flags.measure) {
    const absl::Status measured = MeasureFirst(**backend, output, flags.target);
    if (!measured.ok()) return Finish(measured, output);
  }
  auto plan = (*backend)->Plan(request);
  if (!plan.ok()) return Finish(plan.status(), output);
  if (!flags.plan_file.empty()) {
    const absl::Status kept = KeepPlan(session, output, *plan, flags.plan_file);
    if (!kept.ok()) return Finish(kept, output);
  }
  if (output.json()) {
    output.Json(*plan);
  } else {
    ShowPlan(*plan, flags.with_sql, output);
  }
  return flags.exit_code && !IsEmpty(*plan) ? static_cast<int>(migration::ExitClass::kPending) : 0;
}

// `--sql`: needs no database.
int PrintScript(const Session& session, const Output& output, const RunFlags& flags) {
  auto definitions = migration::LoadDefinitions(session.options.migrations_dir);
  if (!definitions.ok()) return Finish(definitions.status(), output);
  for (const migration::Problem& warning : definitions->warnings) {
    ShowWarnings({warning.text()}, output);
  }
  migration::EngineOptions engine_options;
  engine_options.actor = session.options.actor;
  const migration::Engine engine(engine_options, *std::move(definitions));
  migration::ScriptOptions options;
  options.from = flags.from;
  options.allow_irreversible = flags.allow_irreversible;
  const auto script = flags.down ? engine.DowngradeScript(flags.target, options)
                                 : engine.UpgradeScript(flags.target, options);
  if (!script.ok()) return Finish(script.status(), output);
  output.Line(*script);
  return 0;
}

// Reads --plan and settles the target: the plan's, or the one that was given, or head.
absl::Status TakePlan(RunFlags& flags, RunRequest& request) {
  if (!flags.plan_file.empty()) {
    if (flags.with_sql)
      return InvalidField("--plan", "FLAGS_CONFLICT", "--plan runs, --sql prints");
    ASSIGN_OR_RETURN(PlanFile file, ReadPlanFile(flags.plan_file));
    const bool is_down = file.plan.direction == migration::Direction::kDown;
    if (is_down != flags.down) {
      return InvalidField("--plan", "PLAN_INVALID",
                          "it is the plan of " +
                              std::string(is_down ? "a downgrade" : "an upgrade") +
                              ", run it with: lockstep " + (is_down ? "downgrade" : "upgrade"));
    }
    if (!flags.target.empty() && flags.target != file.plan.target) {
      return InvalidField("TARGET", "TARGET_DIFFERS",
                          "the plan leads to " + file.plan.target + "; leave TARGET out");
    }
    flags.target = file.plan.target;
    request.reviewed = std::move(file.plan);
  }
  if (!flags.target.empty()) return absl::OkStatus();
  if (flags.down)
    return InvalidField("TARGET", "TARGET_INVALID", "say where to go, or --plan FILE");
  flags.target = "head";
  return absl::OkStatus();
}

int Run(const Session& session, const Output& output, RunFlags flags) {
  RunRequest request;
  const absl::Status taken = TakePlan(flags, request);
  if (!taken.ok()) return Finish(taken, output);
  if (flags.with_sql) return PrintScript(session, output, flags);
  if (!flags.from.empty()) {
    return Finish(InvalidField("--from", "FLAG_NEEDS_SQL", "--from goes with --sql"), output);
  }
  // An upgrade with nothing to do must not read a thousand files: the cache notices every change of
  // a file.
  auto backend = session.Connect(/*use_cache=*/!flags.down && !request.reviewed.has_value());
  if (!backend.ok()) return Finish(backend.status(), output);
  ShowWarnings((*backend)->Warnings(), output);
  if (flags.backup.has_value()) {
    const absl::Status kept = BackUpFirst(session, output, **backend, flags.target, *flags.backup);
    if (!kept.ok()) return Finish(kept, output);
  }
  request.direction = flags.down ? pb::DIRECTION_DOWN : pb::DIRECTION_UP;
  request.target = flags.target;
  request.archive = flags.archive;
  request.allow_irreversible = flags.allow_irreversible;
  request.force_freeze = flags.force_freeze;
  request.force_gate = flags.force_gate;
  request.force_locks = flags.force_locks;
  request.gate_wait_s = flags.gate_wait_s;
  for (const std::string& name : flags.cancel_blockers) {
    request.cancel_blockers.push_back(migration::BlockerClassOf(name));
  }
  pb::Run run;
  const absl::Status status = (*backend)->Run(
      request, [&](const pb::RunEvent& event) { output.Progress(Describe(event, output)); }, run);
  if (output.json() && status.ok()) {
    output.Json(run);
  } else if (status.ok()) {
    output.Line(
        run.steps_done() == 0
            ? "nothing to do: " + flags.target + (flags.down ? " is not passed" : " is applied")
            : output.Paint("done", Colour::kGreen) + ": " + std::to_string(run.steps_done()) +
                  " steps, run " + run.name().substr(run.name().find('/') + 1));
  }
  return Finish(status, output);
}

// The same run again: what an earlier one did is done, and this one goes on.
int Retry(const Session& session, const Output& output, const RunFlags& flags) {
  RunFlags again;
  {
    auto backend = session.Connect(/*use_cache=*/true);
    if (!backend.ok()) return Finish(backend.status(), output);
    const auto run = (*backend)->GetRun(flags.target);
    if (!run.ok()) return Finish(run.status(), output);
    if (run->kind() != "upgrade") {
      return Finish(InvalidField("ID", "RUN_NOT_RETRIED",
                                 "only upgrades are retried; this was \"" + run->kind() + " " +
                                     run->target() + "\": give the command again"),
                    output);
    }
    again.target = run->target();
  }
  return Run(session, output, again);
}

int Verify(const Session& session, const Output& output) {
  auto backend = session.Connect();
  if (!backend.ok()) return Finish(backend.status(), output);
  auto result = (*backend)->Verify();
  if (!result.ok()) return Finish(result.status(), output);
  if (output.json()) {
    output.Json(*result);
  } else {
    std::vector<std::vector<std::string>> rows;
    for (const auto& check : result->results()) {
      rows.push_back({check.passed() ? output.Paint("holds", Colour::kGreen)
                                     : output.Paint("violated", Colour::kRed),
                      check.revision(), check.check_id(), check.passed() ? "" : check.actual()});
    }
    output.Table({"RESULT", "REVISION", "CHECK", "FOUND"}, rows);
    output.Line(std::to_string(result->results_size()) + " checks, " +
                std::to_string(result->failed_count()) + " violated");
  }
  return result->failed_count() == 0 ? 0 : static_cast<int>(migration::ExitClass::kFailed);
}

struct AmendFlags {
  std::string revision;
  std::string file;
  std::string reason;
  int step = 0;
};

int Amend(const Session& session, const Output& output, const AmendFlags& flags) {
  std::ifstream file(flags.file, std::ios::binary);
  if (!file) {
    return Finish(InvalidField("--down", "FILE_NOT_READABLE", "cannot read " + flags.file), output);
  }
  pb::AmendRequest request;
  request.set_revision(flags.revision);
  request.set_file_name(flags.file.substr(flags.file.find_last_of('/') + 1));
  request.set_down_sql(std::string(std::istreambuf_iterator<char>(file), {}));
  request.set_reason(flags.reason);
  request.set_step(flags.step);
  auto backend = session.Connect();
  if (!backend.ok()) return Finish(backend.status(), output);
  const absl::Status status = (*backend)->Amend(request);
  if (!status.ok()) return Finish(status, output);
  output.Progress("the archived down script of " + flags.revision + " was replaced");
  if (output.json()) output.Json(pb::AmendResponse());
  return 0;
}

void AddReviewFlags(CLI::App* command, RunFlags& flags) {
  command->add_option("--plan", flags.plan_file,
                      "run what this file says (lockstep plan -o), or nothing; gives TARGET");
  command
      ->add_option("--force-freeze", flags.force_freeze,
                   "go on in spite of open freezes, for this reason; recorded")
      ->check(
          [](const std::string& reason) { return std::string(reason.empty() ? "say why" : ""); });
}

void AddGateFlags(CLI::App* command, RunFlags& flags) {
  command
      ->add_option("--force-gate", flags.force_gate,
                   "go on in spite of closed gates, soaks and builds that break, for this reason; "
                   "recorded")
      ->check(
          [](const std::string& reason) { return std::string(reason.empty() ? "say why" : ""); });
  command
      ->add_option("--force-locks", flags.force_locks,
                   "go on where steps lock more than was certified, for this reason; recorded")
      ->check(
          [](const std::string& reason) { return std::string(reason.empty() ? "say why" : ""); });
  command
      ->add_option("--gate-wait", flags.gate_wait_s,
                   "seconds to wait at the gate of a CONTRACT, then exit 5 (default 600)")
      ->check(CLI::Range(0, 366 * 86400));
}

void AddAmend(CLI::App& app, Action& action) {
  auto* amend =
      app.add_subcommand("amend", "replaces the archived down script of an applied revision");
  auto amend_flags = std::make_shared<AmendFlags>();
  amend->add_option("REV", amend_flags->revision, "id, alias or unique prefix")->required();
  amend->add_option("--down", amend_flags->file, "file with the new down script")->required();
  amend->add_option("--reason", amend_flags->reason, "why; recorded")->required();
  amend->add_option("--step", amend_flags->step,
                    "ordinal of the step, when the revision has several");
  amend->callback([&action, amend_flags] {
    action = [amend_flags](const Session& session, const Output& output) {
      return Amend(session, output, *amend_flags);
    };
  });
}

void AddCancelBlockers(CLI::App* command, RunFlags& flags) {
  command
      ->add_option("--cancel-blockers", flags.cancel_blockers,
                   "break off whoever holds what a step needs for longer than its lock timeout and "
                   "is of one of these classes: ordinary, idle_in_transaction, dump, "
                   "wraparound_vacuum; default: wait for everybody")
      ->delimiter(',')
      ->check(CLI::IsMember({"ordinary", "idle_in_transaction", "dump", "wraparound_vacuum"}));
}

}  // namespace

CLI::Option* AddTargetOption(CLI::App* command, std::string& target) {
  return command
      ->add_option("TARGET", target,
                   "head, base, a release (v2.2.2), a revision or unique prefix, +N, -N, or "
                   "SERVICE@one of these")
      ->transform([](const std::string& text) {
        return text.starts_with(kRelativeEscape) ? text.substr(kRelativeEscape.size()) : text;
      });
}

void AddRunCommands(CLI::App& app, Action& action) {
  const auto add = [&](const char* name, const char* help, auto run) {
    auto* command = app.add_subcommand(name, help);
    auto flags = std::make_shared<RunFlags>();
    command->callback([&action, flags, run] {
      action = [flags, run](const Session& session, const Output& output) {
        return run(session, output, *flags);
      };
    });
    return std::pair(command, flags);
  };

  auto [plan, plan_flags] =
      add("plan", "what an upgrade (or --down) would do; changes nothing", Plan);
  AddTargetOption(plan, plan_flags->target)->required();
  auto* down = plan->add_flag("--down", plan_flags->down, "plan a downgrade");
  plan->add_flag("--measure", plan_flags->measure,
                 "first measure what each step locks, writes anew and reads, on a scratch database")
      ->excludes(down);
  plan->add_flag("--sql", plan_flags->with_sql, "also print the SQL");
  plan->add_option("-o,--output", plan_flags->plan_file,
                   "also write the plan to this file, to be run with --plan");
  plan->add_flag("--exit-code", plan_flags->exit_code, "exit 4 when there is something to do");

  auto [upgrade, upgrade_flags] = add("upgrade", "applies what is missing of a target", Run);
  AddTargetOption(upgrade, upgrade_flags->target);
  AddReviewFlags(upgrade, *upgrade_flags);
  AddCancelBlockers(upgrade, *upgrade_flags);
  AddGateFlags(upgrade, *upgrade_flags);
  AddBackupFlag(upgrade, upgrade_flags->backup);
  upgrade->add_flag("--sql", upgrade_flags->with_sql,
                    "print the script instead; needs no database");
  upgrade->add_option("--from", upgrade_flags->from,
                      "with --sql: where the database stands (default base)");

  auto [downgrade, downgrade_flags] = add("downgrade", "undoes what a target does not have", Run);
  downgrade_flags->down = true;
  AddTargetOption(downgrade, downgrade_flags->target);
  AddReviewFlags(downgrade, *downgrade_flags);
  AddCancelBlockers(downgrade, *downgrade_flags);
  downgrade->add_flag("--archive", downgrade_flags->archive, "keep what the undo would destroy");
  downgrade->add_flag("--allow-irreversible", downgrade_flags->allow_irreversible,
                      "also undo what is declared irreversible, when its guard finds nothing");
  downgrade->add_flag("--sql", downgrade_flags->with_sql,
                      "print the script instead; needs no database");
  downgrade->add_option("--from", downgrade_flags->from, "with --sql: where the database stands");

  auto [retry, retry_flags] = add("retry", "starts an upgrade again that did not succeed", Retry);
  retry->add_option("ID", retry_flags->target, "id of the run, or a unique prefix")->required();

  app.add_subcommand("verify", "checks every lasting invariant of what is applied")
      ->callback([&action] { action = Verify; });

  AddAmend(app, action);
}

}  // namespace lockstep::cli
