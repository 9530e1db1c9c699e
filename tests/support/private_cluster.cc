#include "tests/support/private_cluster.h"

#include <signal.h>

#include <array>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "common/pg/connection.h"
#include "tests/support/test_database.h"

namespace lockstep::testing {
namespace {

std::string Script(const std::string& verb, const std::string& folder) {
  return "'" + SourceDir() + "/tests/support/cluster.sh' " + verb + " '" + folder + "'";
}

}  // namespace

PrivateCluster::PrivateCluster() {
  std::array<char, 64> folder = {"/tmp/lockstep-private-XXXXXX"};
  if (mkdtemp(folder.data()) != nullptr) folder_ = folder.data();
  if (folder_.empty() || std::system((Script("start", folder_) + " >/dev/null").c_str()) != 0) {
    std::fprintf(stderr, "private cluster: cannot start one in '%s'\n", folder_.c_str());
    std::_Exit(1);
  }
  std::FILE* pipe = popen(Script("url", folder_).c_str(), "r");
  std::array<char, 512> line = {};
  if (pipe != nullptr && std::fgets(line.data(), line.size(), pipe) != nullptr) url_ = line.data();
  if (pipe != nullptr) pclose(pipe);
  while (!url_.empty() && url_.back() == '\n') url_.pop_back();
}

PrivateCluster::~PrivateCluster() {
  if (const pid_t pid = postmaster_pid(); pid > 0) kill(pid, SIGCONT);
  if (std::system((Script("stop", folder_) + " >/dev/null").c_str()) != 0) {
    std::fprintf(stderr, "private cluster: cannot stop the one in '%s'\n", folder_.c_str());
  }
  std::filesystem::remove_all(folder_);
}

void PrivateCluster::BecomeReplica() {
  // Commits are not waited for, and what was not written yet would be gone.
  pg::ConnectionOptions options;
  options.database_url = url_;
  const auto connection = pg::Connection::Open(options);
  const bool is_halted = connection.ok() && (*connection)->Query("CHECKPOINT").ok() &&
                         std::system((Script("halt", folder_) + " >/dev/null").c_str()) == 0;
  std::ofstream(folder_ + "/postgres/data/standby.signal").flush();
  if (!is_halted || std::system((Script("resume", folder_) + " >/dev/null").c_str()) != 0) {
    std::fprintf(stderr, "private cluster: cannot restart the one in '%s'\n", folder_.c_str());
    std::_Exit(1);
  }
}

pid_t PrivateCluster::postmaster_pid() const {
  std::ifstream file(folder_ + "/postgres/data/postmaster.pid");
  pid_t pid = 0;
  file >> pid;
  return pid;
}

}  // namespace lockstep::testing
