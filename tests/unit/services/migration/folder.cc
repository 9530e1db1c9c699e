#include "tests/unit/services/migration/folder.h"

#include <cstdlib>
#include <filesystem>
#include <fstream>

namespace lockstep::migration {
namespace {

std::vector<std::string> Texts(const std::vector<Problem>& problems) {
  std::vector<std::string> texts;
  for (const Problem& problem : problems) texts.push_back(problem.text());
  return texts;
}

}  // namespace

MigrationsFolder::MigrationsFolder() {
  std::string path = std::filesystem::temp_directory_path() / "lockstep-definitions-XXXXXX";
  root_ = mkdtemp(path.data());
}

MigrationsFolder::~MigrationsFolder() {
  std::error_code ignored;
  std::filesystem::remove_all(root_, ignored);
}

void MigrationsFolder::Write(const std::string& file, const std::string& text) const {
  const std::filesystem::path path = std::filesystem::path(root_) / file;
  std::filesystem::create_directories(path.parent_path());
  std::ofstream(path, std::ios::binary) << text;
  const std::filesystem::path releases = std::filesystem::path(root_) / "releases.textproto";
  if (file.find('/') != std::string::npos && !std::filesystem::exists(releases)) {
    std::ofstream{releases};
  }
}

void MigrationsFolder::Remove(const std::string& file) const {
  std::filesystem::remove_all(std::filesystem::path(root_) / file);
}

void MigrationsFolder::AddRevision(const std::string& service, const std::string& id,
                                   const std::string& more, const std::string& slug) const {
  const std::string folder = service + "/" + id + "_" + slug + "/";
  Write(folder + "revision.textproto",
        "id: \"" + id + "\"\ntitle: \"Adds " + id + "\"\nservice: \"" + service +
            "\"\ncreated: \"2025-10-01\"\nphase: PHASE_EXPAND\n" + more);
  const std::string table = SchemaOf(service) + ".t_" + id;
  Write(folder + "up.sql", "CREATE TABLE " + table + " (id uuid PRIMARY KEY);\n");
  Write(folder + "down.sql", "DROP TABLE " + table + ";\n");
  Write(folder + "verify.sql", "SELECT id FROM " + table + " WHERE id IS NULL;\n");
}

std::string MigrationsFolder::SchemaOf(const std::string& service) {
  if (service == "catalog") return "core";
  if (service == "orders") return "transactions";
  return service == "migration" ? "auth" : "finance";
}

std::vector<std::string> MigrationsFolder::Problems() const { return Texts(Inspect().problems); }
std::vector<std::string> MigrationsFolder::Warnings() const { return Texts(Inspect().warnings); }

}  // namespace lockstep::migration
