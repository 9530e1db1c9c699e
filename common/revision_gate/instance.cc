#include "common/revision_gate/instance.h"

#include <openssl/sha.h>
#include <unistd.h>

#include <array>
#include <chrono>

#include "absl/strings/escaping.h"

namespace lockstep::revision_gate {
namespace {

constexpr std::size_t kTagDigits = 12;
constexpr std::size_t kLongestName = 63;

}  // namespace

std::string NewInstanceId(std::string_view service) {
  char host[65] = "localhost";
  gethostname(host, sizeof(host) - 1);
  const auto start = std::chrono::duration_cast<std::chrono::microseconds>(
      std::chrono::system_clock::now().time_since_epoch());
  return std::string(service) + "@" + host + "/" + std::to_string(getpid()) + "/" +
         std::to_string(start.count());
}

std::string InstanceTag(std::string_view instance_id) {
  std::array<unsigned char, SHA256_DIGEST_LENGTH> digest{};
  SHA256(reinterpret_cast<const unsigned char*>(instance_id.data()), instance_id.size(),
         digest.data());
  return absl::BytesToHexString({reinterpret_cast<const char*>(digest.data()), digest.size()})
      .substr(0, kTagDigits);
}

std::string SessionName(std::string_view program, std::string_view instance_id) {
  return std::string(program.substr(0, kLongestName - kTagDigits - 1)) + " " +
         InstanceTag(instance_id);
}

}  // namespace lockstep::revision_gate
