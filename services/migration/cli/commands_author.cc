// Databases and definitions: bootstrap, new, index.
#include <fstream>
#include <iterator>

#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "common/json/json.h"
#include "common/status/error.h"
#include "services/migration/cli/commands.h"
#include "services/migration/engine/definitions.h"
#include "services/migration/engine/run/engine.h"
#include "services/migration/engine/run/failure.h"
#include "services/migration/engine/scaffold.h"

namespace lockstep::cli {
namespace {

int Bootstrap(const Session& session, const Output& output) {
  if (session.options.direct_url.empty()) {
    return Finish(
        InvalidField("--direct", "FLAG_REQUIRED",
                     "bootstrap needs --direct DSN, as a role that may create roles and schemas"),
        output);
  }
  migration::EngineOptions options;
  options.database_url = session.options.direct_url;
  options.admin_url = session.options.admin_url;
  options.actor = session.options.actor;
  // Roles, schemas and ledger do not depend on any revision.
  migration::Engine engine(options, migration::Definitions());
  const auto report = engine.Bootstrap(Context::WithTimeout(absl::Minutes(5)));
  if (!report.ok()) return Finish(report.status(), output);
  for (const std::string& line : report->done) output.Progress(line);
  output.Progress(report->done.empty()
                      ? "nothing to do: roles, schemas and ledger are there"
                      : "ledger version " + std::to_string(report->ledger_version));
  if (output.json()) {
    output.Json(
        nlohmann::ordered_json({{"done", report->done}, {"ledger_version", report->ledger_version}})
            .dump(1));
  }
  return 0;
}

int New(const Session& session, const Output& output, const std::string& service,
        const std::string& title) {
  const auto definitions = migration::LoadDefinitions(session.options.migrations_dir);
  if (!definitions.ok()) return Finish(definitions.status(), output);
  const auto created = migration::CreateRevision(
      *definitions, service, title, absl::ToCivilDay(absl::Now(), absl::UTCTimeZone()));
  if (!created.ok()) return Finish(created.status(), output);
  if (output.json()) {
    output.Json(nlohmann::ordered_json({{"id", created->id}, {"folder", created->folder}}).dump(1));
  } else {
    output.Line(session.options.migrations_dir + "/" + created->folder);
    output.Progress("write up.sql, down.sql and verify.sql there, then: lockstep plan head --sql");
  }
  return 0;
}

struct IndexFlags {
  std::string format = "md";
  std::string check_file;
};

int Index(const Session& session, const Output& output, const IndexFlags& flags) {
  auto backend = session.Connect();
  if (!backend.ok()) return Finish(backend.status(), output);
  const auto index = (*backend)->RenderIndex(flags.format);
  if (!index.ok()) return Finish(index.status(), output);
  if (flags.check_file.empty()) {
    if (output.json()) {
      pb::RenderIndexResponse answer;
      answer.set_content(*index);
      output.Json(answer);
    } else {
      std::fputs(index->c_str(), stdout);
    }
    return 0;
  }
  std::ifstream file(flags.check_file, std::ios::binary);
  if (!file) {
    return Finish(InvalidField("--check", "FILE_NOT_READABLE", "cannot read " + flags.check_file),
                  output);
  }
  const std::string committed(std::istreambuf_iterator<char>(file), {});
  if (committed == *index) {
    output.Progress(flags.check_file + " is up to date");
    if (output.json()) output.Json(R"({"is_up_to_date": true})");
    return 0;
  }
  std::size_t line = 1;
  for (std::size_t i = 0; i < std::min(committed.size(), index->size()); ++i) {
    if (committed[i] != (*index)[i]) break;
    if (committed[i] == '\n') ++line;
  }
  return Finish(Error(absl::StatusCode::kFailedPrecondition, "INDEX_OUTDATED",
                      flags.check_file + " differs from line " + std::to_string(line) +
                          " on; write it again with: lockstep index --format " + flags.format),
                output);
}

}  // namespace

void AddAuthorCommands(CLI::App& app, Action& action) {
  app.add_subcommand("bootstrap", "creates roles, schemas and the ledger in a database (--direct)")
      ->callback([&action] { action = Bootstrap; });

  auto* create = app.add_subcommand("new", "makes the folder of a new revision");
  auto service = std::make_shared<std::string>();
  auto title = std::make_shared<std::string>();
  create->add_option("SERVICE", *service, "catalog, orders, finance or migration")->required();
  create->add_option("TITLE", *title, "what the change is, in a few words")->required();
  create->callback([&action, service, title] {
    action = [service, title](const Session& session, const Output& output) {
      return New(session, output, *service, *title);
    };
  });

  auto* index =
      app.add_subcommand("index", "the migration index: one page from definitions and ledger");
  auto flags = std::make_shared<IndexFlags>();
  index->add_option("--format", flags->format, "md or html")->check(CLI::IsMember({"md", "html"}));
  index->add_option("--check", flags->check_file,
                    "compare with a committed copy; exit 3 when it differs");
  index->callback([&action, flags] {
    action = [flags](const Session& session, const Output& output) {
      return Index(session, output, *flags);
    };
  });
}

}  // namespace lockstep::cli
