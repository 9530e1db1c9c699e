// lockstep-footprint: writes the C++ source of a service's manifest. The build runs it
// (lockstep_manifest in common/cmake/LockstepTargets.cmake).
#include <CLI/CLI.hpp>
#include <cstdio>
#include <map>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "common/status/error.h"
#include "common/status/macros.h"
#include "services/migration/engine/definitions.h"
#include "services/migration/engine/files.h"
#include "services/migration/engine/graph.h"
#include "services/migration/engine/ownership.h"
#include "services/migration/footprint/manifest.h"
#include "services/migration/footprint/sources.h"

namespace lockstep::migration::footprint {
namespace {

struct Options {
  std::string service;
  std::string migrations;
  std::string root;
  std::string output;
  std::vector<std::string> minimums;
  std::vector<std::string> folders;
};

absl::Status Invalid(const std::string& message) {
  return Error(absl::StatusCode::kInvalidArgument, "MANIFEST_INVALID", message);
}

absl::StatusOr<std::map<std::string, std::string>> MinimumsOf(const Options& options) {
  std::map<std::string, std::string> minimums;
  for (const std::string& minimum : options.minimums) {
    const std::size_t equals = minimum.find('=');
    const std::string owner = minimum.substr(0, equals);
    if (equals == std::string::npos || !IsService(owner) ||
        !minimums.emplace(owner, minimum.substr(equals + 1)).second) {
      return Invalid("--minimum " + minimum + ": must be SERVICE=REVISION, each service once");
    }
  }
  return minimums;
}

absl::Status Run(const Options& options) {
  if (!IsService(options.service)) return UnknownService("--service");
  ASSIGN_OR_RETURN(const auto minimums, MinimumsOf(options));
  ASSIGN_OR_RETURN(const Definitions definitions, LoadDefinitions(options.migrations));
  ASSIGN_OR_RETURN(const std::vector<Source> sources, ReadSources(options.root, options.folders));
  const Catalog catalog = BuildCatalog(definitions);
  std::vector<Problem> problems;
  const Footprint footprint = ReadFootprint(definitions, catalog, sources, problems);
  if (!problems.empty()) return Invalid(JoinProblems(problems));
  const Graph graph(definitions);
  const GeneratedManifest manifest =
      MakeManifest(graph, catalog, footprint, options.service, minimums, problems);
  if (!problems.empty()) return Invalid(JoinProblems(problems));
  if (!WriteWholeFile(options.output, RenderSource(manifest), 0644)) {
    return Invalid("cannot write " + options.output);
  }
  return absl::OkStatus();
}

int Main(int argc, char** argv) {
  Options options;
  CLI::App app("Writes the C++ source of a service's manifest.", "lockstep-footprint");
  app.add_option("--service", options.service, "The service that is built.")->required();
  app.add_option("--migrations", options.migrations, "Folder of the migration definitions.")
      ->required();
  app.add_option("--root", options.root, "Folder that contains the sources.")->required();
  app.add_option("--output", options.output, "File to write.")->required();
  app.add_option("--minimum", options.minimums,
                 "SERVICE=REVISION: requires at least this, whatever the SQL names.")
      ->expected(1)
      ->take_all()
      ->allow_extra_args(false);
  app.add_option("folders", options.folders, "Folders of sources, relative to --root.")->required();
  CLI11_PARSE(app, argc, argv);
  const absl::Status status = Run(options);
  if (status.ok()) return 0;
  std::fprintf(stderr, "%s\n", MessageOf(status).c_str());
  return 1;
}

}  // namespace
}  // namespace lockstep::migration::footprint

int main(int argc, char** argv) { return lockstep::migration::footprint::Main(argc, argv); }
