// A migrations folder in a temporary directory, for tests of the loader.
#pragma once

#include <string>
#include <vector>

#include "services/migration/engine/definitions.h"

namespace lockstep::migration {

class MigrationsFolder {
 public:
  MigrationsFolder();
  ~MigrationsFolder();
  MigrationsFolder(const MigrationsFolder&) = delete;
  MigrationsFolder& operator=(const MigrationsFolder&) = delete;

  const std::string& root() const { return root_; }

  // The first file of a revision brings an empty releases.textproto with it.
  void Write(const std::string& file, const std::string& text) const;
  void Remove(const std::string& file) const;

  // One valid revision whose table is named after it. `more` is added to revision.textproto, from
  // line 6 on.
  void AddRevision(const std::string& service, const std::string& id, const std::string& more = "",
                   const std::string& slug = "x") const;

  static std::string SchemaOf(const std::string& service);

  LoadResult Inspect() const { return InspectDefinitions(root_); }

  // The problems as text, for comparison.
  std::vector<std::string> Problems() const;
  std::vector<std::string> Warnings() const;

 private:
  std::string root_;
};

}  // namespace lockstep::migration
