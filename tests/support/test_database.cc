#include "tests/support/test_database.h"

#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <random>
#include <vector>

#include "common/pg/connection.h"
#include "common/pg/sqlstate.h"

namespace lockstep::testing {
namespace {

[[noreturn]] void Die(const std::string& what, const absl::Status& status) {
  std::string detail = status.ToString();
  if (const auto diagnostics = pg::DiagnosticsOf(status)) {
    detail += "\n  " + diagnostics->sqlstate + " " + diagnostics->message + "\n  " +
              diagnostics->detail + "\n  " + diagnostics->context;
  }
  std::fprintf(stderr, "test database: %s: %s\n", what.c_str(), detail.c_str());
  std::_Exit(1);
}

std::unique_ptr<pg::Connection> Connect(const std::string& url) {
  pg::ConnectionOptions options;
  options.database_url = url;
  options.application_name = "lockstep-test";
  auto connection = pg::Connection::Open(options);
  if (!connection.ok()) Die("cannot connect to " + url, connection.status());
  return *std::move(connection);
}

std::string EnvOr(const char* name, const std::string& fallback) {
  const char* value = std::getenv(name);
  return value == nullptr || *value == '\0' ? fallback : value;
}

std::string OutputOf(const std::string& command) {
  std::string output;
  FILE* pipe = popen(command.c_str(), "r");
  if (pipe == nullptr) return output;
  char buffer[512];
  while (std::fgets(buffer, sizeof(buffer), pipe) != nullptr) output += buffer;
  pclose(pipe);
  while (!output.empty() && output.back() == '\n') output.pop_back();
  return output;
}

std::string Run(pg::Connection& connection, const std::string& sql) {
  auto results = connection.Script(sql);
  if (!results.ok()) Die("cannot run: " + sql, results.status());
  if (results->empty() || results->back().empty()) return "";
  return results->back().Cell(0, 0).value_or("");
}

std::string NewName() {
  static std::mt19937_64 generator{std::random_device{}()};
  char name[40];
  std::snprintf(name, sizeof(name), "t%d_%08x", getpid(), static_cast<unsigned>(generator()));
  return name;
}

// One digest of everything that decides what the template holds.
std::string MigrationsDigest() {
  return OutputOf("cd '" + SourceDir() +
                  "' && find migrations services/migration/engine/run/ledger*.cc -type f -print0 | "
                  "sort -z | xargs -0 sha256sum | "
                  "sha256sum | cut -c1-16");
}

// The name of the template, made when it is not there. Test programs may run in parallel, so one at
// a time looks.
std::string MigratedTemplate() {
  auto connection = Connect(ClusterUrl());
  const std::string name = "lockstep_head_" + MigrationsDigest();
  Run(*connection, "SELECT pg_advisory_lock(7104)");
  if (Run(*connection, "SELECT count(*) FROM pg_database WHERE datname = '" + name + "'") == "0") {
    const std::string building = name + "_building";
    Run(*connection, "DROP DATABASE IF EXISTS " + building + " WITH (FORCE)");
    Run(*connection, "CREATE DATABASE " + building + " TEMPLATE template0");
    const std::string admin = ClusterUrl() + " dbname=" + building;
    const std::string lockstep =
        "'" + BinaryDir() + "/lockstep' --migrations '" + SourceDir() + "/migrations' --direct ";
    const std::string log = "/tmp/lockstep-template-" + std::to_string(getpid()) + ".log";
    const std::string command = lockstep + "'" + admin + "' bootstrap >" + log + " 2>&1 && " +
                                lockstep + "'" + admin + " user=lockstep_migrator' --admin-url '" +
                                admin + "' upgrade head >>" + log + " 2>&1";
    if (std::system(command.c_str()) != 0) {
      std::fprintf(stderr, "test database: cannot make the template:\n%s\n%s\n", command.c_str(),
                   OutputOf("cat " + log).c_str());
      std::_Exit(1);
    }
    std::filesystem::remove(log);
    Run(*connection, "ALTER DATABASE " + building + " RENAME TO " + name);
  }
  Run(*connection, "SELECT pg_advisory_unlock(7104)");
  return name;
}

}  // namespace

std::string SourceDir() { return EnvOr("LOCKSTEP_SOURCE_DIR", LOCKSTEP_DEFAULT_SOURCE_DIR); }

std::string BinaryDir() { return EnvOr("LOCKSTEP_BINARY_DIR", LOCKSTEP_DEFAULT_BINARY_DIR); }

std::string ClusterUrl() {
  static const std::string url = OutputOf(
      "'" + SourceDir() + "/tests/support/cluster.sh' url '" +
      EnvOr("LOCKSTEP_TEST_CLUSTER_DIR", LOCKSTEP_DEFAULT_BINARY_DIR "/../test-cluster") + "'");
  return url;
}

TestDatabase TestDatabase::Create() {
  TestDatabase database(NewName());
  Run(*Connect(ClusterUrl()), "CREATE DATABASE " + database.name_ + " TEMPLATE template0");
  return database;
}

TestDatabase TestDatabase::CreateMigrated() {
  static const std::string source = MigratedTemplate();
  TestDatabase database(NewName());
  Run(*Connect(ClusterUrl()), "CREATE DATABASE " + database.name_ + " TEMPLATE " + source);
  return database;
}

TestDatabase::TestDatabase(TestDatabase&& other) noexcept : name_(std::move(other.name_)) {
  other.name_.clear();
}

TestDatabase::~TestDatabase() {
  if (!name_.empty()) {
    Run(*Connect(ClusterUrl()), "DROP DATABASE IF EXISTS " + name_ + " WITH (FORCE)");
  }
}

std::string TestDatabase::url(std::string_view user) const {
  return ClusterUrl() + " dbname=" + name_ + " user=" + std::string(user);
}

void TestDatabase::Execute(const std::string& sql) const { Run(*Connect(url()), sql); }

std::string TestDatabase::QueryText(const std::string& sql) const {
  return Run(*Connect(url()), sql);
}

}  // namespace lockstep::testing
