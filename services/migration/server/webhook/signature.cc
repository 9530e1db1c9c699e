#include "services/migration/server/webhook/signature.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <array>

#include "absl/strings/escaping.h"

namespace lockstep::migration::webhook {

std::string SignatureOf(std::string_view key, std::int64_t unix_seconds, std::string_view body) {
  const std::string time = std::to_string(unix_seconds);
  std::string message = time + ".";
  message.append(body);
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
  unsigned int size = 0;
  HMAC(EVP_sha256(), key.data(), static_cast<int>(key.size()),
       reinterpret_cast<const unsigned char*>(message.data()), message.size(), digest.data(),
       &size);
  const std::string bytes(reinterpret_cast<const char*>(digest.data()), size);
  return "t=" + time + ",v1=" + absl::BytesToHexString(bytes);
}

}  // namespace lockstep::migration::webhook
