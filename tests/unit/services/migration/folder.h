// A migrations folder in a temporary directory, for tests of the loader.
#pragma once

#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "services/migration/engine/definitions.h"

namespace lockstep::migration {

class MigrationsFolder {
 public:
  MigrationsFolder() {
    std::string path = std::filesystem::temp_directory_path() / "lockstep-definitions-XXXXXX";
    root_ = mkdtemp(path.data());
  }
  ~MigrationsFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(root_, ignored);
  }
  MigrationsFolder(const MigrationsFolder&) = delete;
  MigrationsFolder& operator=(const MigrationsFolder&) = delete;

  const std::string& root() const { return root_; }

  void Write(const std::string& file, const std::string& text) const {
    const std::filesystem::path path = std::filesystem::path(root_) / file;
    std::filesystem::create_directories(path.parent_path());
    std::ofstream(path, std::ios::binary) << text;
    // A folder with revisions has one, if an empty one.
    const std::filesystem::path releases = std::filesystem::path(root_) / "releases.textproto";
    if (file.find('/') != std::string::npos && !std::filesystem::exists(releases)) {
      std::ofstream{releases};
    }
  }
  void Remove(const std::string& file) const {
    std::filesystem::remove_all(std::filesystem::path(root_) / file);
  }

  // One valid revision whose table is named after it. `more` is added to revision.textproto, from
  // line 6 on.
  void AddRevision(const std::string& service, const std::string& id, const std::string& more = "",
                   const std::string& slug = "x") const {
    const std::string folder = service + "/" + id + "_" + slug + "/";
    Write(folder + "revision.textproto",
          "id: \"" + id + "\"\ntitle: \"Adds " + id + "\"\nservice: \"" + service +
              "\"\ncreated: \"2025-10-01\"\nphase: PHASE_EXPAND\n" + more);
    const std::string table = SchemaOf(service) + ".t_" + id;
    Write(folder + "up.sql", "CREATE TABLE " + table + " (id uuid PRIMARY KEY);\n");
    Write(folder + "down.sql", "DROP TABLE " + table + ";\n");
    Write(folder + "verify.sql", "SELECT id FROM " + table + " WHERE id IS NULL;\n");
  }

  static std::string SchemaOf(const std::string& service) {
    if (service == "catalog") return "core";
    if (service == "orders") return "transactions";
    return service == "migration" ? "auth" : "finance";
  }

  LoadResult Inspect() const { return InspectDefinitions(root_); }

  // The problems as text, for comparison.
  std::vector<std::string> Problems() const { return Texts(Inspect().problems); }
  std::vector<std::string> Warnings() const { return Texts(Inspect().warnings); }

 private:
  static std::vector<std::string> Texts(const std::vector<Problem>& problems) {
    std::vector<std::string> texts;
    for (const Problem& problem : problems) texts.push_back(problem.text());
    return texts;
  }

  std::string root_;
};

}  // namespace lockstep::migration
