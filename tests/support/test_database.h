// A PostgreSQL database of a test's own, on the private cluster of tests/support/cluster.sh.
#pragma once

#include <string>
#include <string_view>

namespace lockstep::testing {

// Created by Create*, dropped with its sessions when the object ends. Ends the test program with a
// message when the cluster cannot be reached: without it no integration test means anything.
class TestDatabase {
 public:
  // Empty database.
  static TestDatabase Create();
  // Bootstrapped and upgraded to head by our own engine; cloned from a template that is made once
  // per cluster and set of migrations.
  static TestDatabase CreateMigrated();

  TestDatabase(TestDatabase&& other) noexcept;
  TestDatabase(const TestDatabase&) = delete;
  TestDatabase& operator=(const TestDatabase&) = delete;
  ~TestDatabase();

  const std::string& name() const { return name_; }
  // Connection string as the cluster's administrator, or as `user` (the cluster trusts local
  // users).
  std::string url(std::string_view user = "lockstep_admin") const;
  // Runs SQL as the administrator (several statements allowed); fails the program on an error.
  void Execute(const std::string& sql) const;
  // The first cell of the first row, "" for NULL or no row.
  std::string QueryText(const std::string& sql) const;

 private:
  explicit TestDatabase(std::string name) : name_(std::move(name)) {}
  std::string name_;
};

// Connection string of the cluster's maintenance database.
std::string ClusterUrl();
// Root of the source tree, and the folder of built binaries.
std::string SourceDir();
std::string BinaryDir();

}  // namespace lockstep::testing
