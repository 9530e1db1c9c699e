// Where the database stands: current, heads, history, releases, show, status.
#include "common/json/json.h"
#include "common/status/error.h"
#include "services/migration/cli/commands.h"
#include "services/migration/engine/definitions.h"
#include "services/migration/engine/run/failure.h"
#include "services/migration/engine/run/scratch/scratch_database.h"

namespace lockstep::cli {
namespace {

std::string StateText(pb::RevisionState state, const Output& output) {
  switch (state) {
    case pb::REVISION_STATE_APPLIED:
      return output.Paint("applied", Colour::kGreen);
    case pb::REVISION_STATE_PARTIAL:
      return output.Paint("partly applied", Colour::kRed);
    case pb::REVISION_STATE_UNKNOWN:
      return output.Paint("unknown", Colour::kRed);
    default:
      return output.Paint("pending", Colour::kYellow);
  }
}

absl::StatusOr<pb::ListRevisionsResponse> AllRevisions(Backend& backend,
                                                       const std::string& service) {
  pb::ListRevisionsRequest request;
  request.set_page_size(1000);
  request.set_service(service);
  pb::ListRevisionsResponse all;
  do {
    auto page = backend.ListRevisions(request);
    if (!page.ok()) return page.status();
    request.set_page_token(page->next_page_token());
    all.mutable_revisions()->MergeFrom(page->revisions());
  } while (!request.page_token().empty());
  return all;
}

int Current(const Session& session, const Output& output) {
  auto backend = session.Connect(/*use_cache=*/true);
  if (!backend.ok()) return Finish(backend.status(), output);
  auto status = (*backend)->GetStatus();
  if (!status.ok()) return Finish(status.status(), output);
  if (output.json()) {
    output.Json(*status);
    return 0;
  }
  output.Line(status->release().empty() ? "base (no release is applied completely)"
                                        : output.Paint(status->release(), Colour::kBold));
  for (const std::string& head : status->heads()) output.Line("  " + head);
  if (status->pending_size() > 0) {
    output.Line(std::to_string(status->pending_size()) + " pending");
  }
  if (status->pending_repeatables_size() > 0) {
    output.Line(std::to_string(status->pending_repeatables_size()) +
                " repeatable definitions pending");
  }
  return 0;
}

int Heads(const Session& session, const Output& output) {
  auto backend = session.Connect(/*use_cache=*/true);
  if (!backend.ok()) return Finish(backend.status(), output);
  auto status = (*backend)->GetStatus();
  if (!status.ok()) return Finish(status.status(), output);
  if (output.json()) {
    output.Json(*status);
    return 0;
  }
  for (const std::string& head : status->target_heads()) output.Line(head);
  return 0;
}

int History(const Session& session, const Output& output, int limit) {
  auto backend = session.Connect(/*use_cache=*/true);
  if (!backend.ok()) return Finish(backend.status(), output);
  auto history = (*backend)->ListHistory(limit);
  if (!history.ok()) return Finish(history.status(), output);
  if (output.json()) {
    output.Json(*history);
    return 0;
  }
  std::vector<std::vector<std::string>> rows;
  for (const auto& entry : history->entries()) {
    rows.push_back({TimeText(entry.finish_time()), entry.direction(), entry.service(),
                    entry.revision(), std::to_string(entry.step()) + " " + entry.step_name(),
                    std::to_string(entry.duration_ms()) + " ms", entry.actor(),
                    entry.run_id().substr(0, 8)});
  }
  output.Table({"TIME (UTC)", "DIR", "SERVICE", "REVISION", "STEP", "TOOK", "WHO", "RUN"}, rows);
  return 0;
}

struct HistoryFlags {
  int limit = 50;
  std::string at;
  std::string into;
};

// The schema of the past, to look at and to compare with.
int Rebuild(const Session& session, const Output& output, const HistoryFlags& flags) {
  if (flags.at.empty() || flags.into.empty()) {
    return Finish(InvalidField(flags.at.empty() ? "--at" : "--into", "FLAG_REQUIRED",
                               "--at REV and --into DATABASE need each other"),
                  output);
  }
  if (session.options.direct_url.empty()) {
    return Finish(Error(absl::StatusCode::kFailedPrecondition, "HISTORY_NEEDS_DIRECT",
                        "making a database needs --direct, and --admin-url of a role that may"),
                  output);
  }
  const auto definitions = migration::LoadDefinitions(session.options.migrations_dir);
  if (!definitions.ok()) return Finish(definitions.status(), output);
  migration::EngineOptions live;
  live.database_url = session.options.direct_url;
  live.admin_url = session.options.admin_url;
  const absl::Status made = migration::RebuildInto(Context::WithTimeout(absl::Minutes(10)), live,
                                                   *definitions, flags.at, flags.into);
  if (!made.ok()) return Finish(made, output);
  if (output.json()) {
    output.Json(
        JsonText(nlohmann::ordered_json{{"target", flags.at}, {"database", flags.into}}, 1));
  } else {
    output.Line("database " + flags.into + " is at " + flags.at +
                "; drop it when you have seen it");
  }
  return 0;
}

int Releases(const Session& session, const Output& output) {
  auto backend = session.Connect(/*use_cache=*/true);
  if (!backend.ok()) return Finish(backend.status(), output);
  auto releases = (*backend)->ListReleases();
  if (!releases.ok()) return Finish(releases.status(), output);
  if (output.json()) {
    output.Json(*releases);
    return 0;
  }
  std::vector<std::vector<std::string>> rows;
  for (const auto& release : releases->releases()) {
    rows.push_back({release.id(), release.date(),
                    release.is_applied() ? output.Paint("applied", Colour::kGreen)
                                         : output.Paint("pending", Colour::kYellow),
                    std::to_string(release.revisions_size()), release.title()});
  }
  output.Table({"RELEASE", "DATE", "STATE", "REVISIONS", "TITLE"}, rows);
  return 0;
}

void PrintList(const Output& output, const std::string& name, const auto& texts) {
  if (texts.empty()) return;
  output.Line(output.Paint(name, Colour::kBold));
  for (const std::string& text : texts) output.Line("  - " + text);
}

int Show(const Session& session, const Output& output, const std::string& id, bool with_sql) {
  auto backend = session.Connect(/*use_cache=*/true);
  if (!backend.ok()) return Finish(backend.status(), output);
  pb::GetRevisionRequest request;
  request.set_name("revisions/" + id);
  auto revision = (*backend)->GetRevision(request);
  if (!revision.ok()) return Finish(revision.status(), output);
  if (output.json()) {
    output.Json(*revision);
    return 0;
  }
  const auto join = [](const auto& texts) {
    std::string joined;
    for (const std::string& text : texts) joined += (joined.empty() ? "" : ", ") + text;
    return joined.empty() ? std::string("-") : joined;
  };
  output.Line(output.Paint(revision->id(), Colour::kBold) + "  " + revision->title());
  output.Line("service      " + revision->service());
  output.Line("release      " + (revision->release().empty() ? "-" : revision->release()));
  output.Line("phase        " + revision->phase());
  output.Line("created      " + revision->created());
  output.Line("aliases      " + join(revision->aliases()));
  output.Line("parents      " + join(revision->down_revision()));
  output.Line("depends on   " + join(revision->depends_on()));
  std::string state = StateText(revision->state(), output);
  if (revision->has_applied_at()) {
    state += " " + TimeText(revision->applied_at()) + " UTC by " + revision->applied_by();
  }
  output.Line("state        " + state);
  output.Line("reversible   " + (revision->irreversible_reason().empty()
                                     ? std::string("yes")
                                     : "no: " + revision->irreversible_reason()));
  output.Line("checksum     " + revision->checksum());
  PrintList(output, "Key changes", revision->key_changes());
  if (!revision->impact().empty()) {
    output.Line(output.Paint("Impact", Colour::kBold));
    output.Line("  " + revision->impact());
  }
  PrintList(output, "Rollback hazards", revision->rollback_hazards());
  output.Line(output.Paint("Steps", Colour::kBold));
  for (const auto& step : revision->steps()) {
    output.Line("  " + std::to_string(step.ordinal()) + " " + step.step_name() + " (" +
                step.kind() + ")" + (step.is_applied() ? " done" : ""));
    if (with_sql) {
      output.Line(output.Paint("-- up", Colour::kDim));
      output.Line(step.up_sql());
      output.Line(output.Paint("-- down", Colour::kDim));
      output.Line(step.down_sql());
    }
  }
  return 0;
}

int Status(const Session& session, const Output& output, bool exit_code) {
  auto backend = session.Connect(/*use_cache=*/true);
  if (!backend.ok()) return Finish(backend.status(), output);
  auto status = (*backend)->GetStatus();
  if (!status.ok()) return Finish(status.status(), output);
  if (output.json()) {
    output.Json(*status);
  } else {
    auto revisions = AllRevisions(**backend, "");
    if (!revisions.ok()) return Finish(revisions.status(), output);
    std::vector<std::vector<std::string>> rows;
    for (const auto& revision : revisions->revisions()) {
      rows.push_back({revision.release(), revision.service(), revision.id(),
                      StateText(revision.state(), output), TimeText(revision.applied_at()),
                      revision.title()});
    }
    output.Table({"RELEASE", "SERVICE", "REVISION", "STATE", "APPLIED (UTC)", "TITLE"}, rows);
    output.Line("");
    output.Line("release   " + (status->release().empty() ? "none" : status->release()));
    output.Line("pending   " + std::to_string(status->pending_size()));
    if (status->pending_repeatables_size() > 0) {
      std::string keys;
      for (const std::string& key : status->pending_repeatables()) {
        keys += (keys.empty() ? "" : ", ") + key;
      }
      output.Line("repeat    " + std::to_string(status->pending_repeatables_size()) +
                  " definitions pending: " + keys);
    }
    output.Line("lease     " +
                (status->lease().is_held()
                     ? "held by " + status->lease().actor() + "@" + status->lease().host() +
                           " for run " + status->lease().run_id()
                     : std::string("free")));
    for (const auto& freeze : status->open_freezes()) {
      output.Line(output.Paint("freeze    ", Colour::kYellow) + "until " +
                  TimeText(freeze.end_time()) + " UTC by " + freeze.actor() + ": " +
                  freeze.reason());
    }
    if (status->has_last_run()) {
      output.Line("last run  " + status->last_run().kind() + " " + status->last_run().target() +
                  ": " + pb::RunState_Name(status->last_run().state()).substr(10));
    }
    if (!status->waits_for().empty()) {
      output.Line(output.Paint("waits     ", Colour::kYellow) + status->waits_for());
    }
    if (!status->runner_problem().empty()) {
      output.Line(output.Paint("runner    ", Colour::kRed) + status->runner_problem());
    }
    for (const std::string& id : status->unknown()) {
      output.Line(output.Paint("unknown   ", Colour::kRed) + id +
                  " is in the ledger but not in the definitions");
    }
    if (!status->definitions_problem().empty()) {
      output.Line(output.Paint("folder    ", Colour::kRed) + status->definitions_problem());
    }
    if (!status->history_problem().empty()) {
      output.Line(output.Paint("history   ", Colour::kRed) + status->history_problem());
    }
  }
  if (!status->history_problem().empty()) {
    return static_cast<int>(migration::ExitClass::kHistory);
  }
  if (!status->definitions_problem().empty()) {
    return static_cast<int>(migration::ExitClass::kFailed);
  }
  const bool is_pending = status->pending_size() > 0 || status->partial_size() > 0 ||
                          status->pending_repeatables_size() > 0;
  return exit_code && is_pending ? static_cast<int>(migration::ExitClass::kPending) : 0;
}

}  // namespace

void AddStateCommands(CLI::App& app, Action& action) {
  app.add_subcommand("current", "what is applied: release and heads")->callback([&action] {
    action = Current;
  });
  app.add_subcommand("heads", "the newest revision of each service in the definitions")
      ->callback([&action] { action = Heads; });

  auto* history =
      app.add_subcommand("history", "the log of applied and undone steps, newest first");
  auto flags = std::make_shared<HistoryFlags>();
  history->add_option("--limit", flags->limit, "at most so many entries (1 to 1000)")
      ->check(CLI::Range(1, 1000));
  history->add_option("--at", flags->at, "instead: a release or revision whose schema to rebuild");
  history->add_option("--into", flags->into, "the name of the database that is made for it");
  history->callback([&action, flags] {
    action = [flags](const Session& session, const Output& output) {
      const bool rebuilds = !flags->at.empty() || !flags->into.empty();
      return rebuilds ? Rebuild(session, output, *flags) : History(session, output, flags->limit);
    };
  });

  app.add_subcommand("releases", "the named versions and whether they are applied")
      ->callback([&action] { action = Releases; });

  auto* show = app.add_subcommand("show", "one revision: what it does, its steps, its state");
  auto id = std::make_shared<std::string>();
  auto with_sql = std::make_shared<bool>(false);
  show->add_option("REV", *id, "id, alias or unique prefix")->required();
  show->add_flag("--sql", *with_sql, "also print the SQL of every step");
  show->callback([&action, id, with_sql] {
    action = [id, with_sql](const Session& session, const Output& output) {
      return Show(session, output, *id, *with_sql);
    };
  });

  auto* status =
      app.add_subcommand("status", "every revision and its state, the lease, the last run");
  auto exit_code = std::make_shared<bool>(false);
  status->add_flag("--exit-code", *exit_code, "exit 4 when something is pending");
  status->callback([&action, exit_code] {
    action = [exit_code](const Session& session, const Output& output) {
      return Status(session, output, *exit_code);
    };
  });
}

}  // namespace lockstep::cli
