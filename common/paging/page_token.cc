#include "common/paging/page_token.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <utility>

#include "absl/strings/escaping.h"
#include "common/status/error.h"
#include "common/status/macros.h"

namespace lockstep::paging {
namespace {

// A token is base64url( version | digest of the query | sort values | signature of all before it ).
constexpr char kVersion = 1;
constexpr std::size_t kDigestBytes = 16;
constexpr std::size_t kSignatureBytes = 32;
constexpr std::size_t kMaxTokenBytes = std::size_t{16} * 1024;
constexpr int kSecretBytes = 32;
// In front of what is signed, so that a signature of another kind with the same secret is never one
// of a token.
constexpr std::string_view kPurpose = "lockstep page token\n";

const unsigned char* Bytes(std::string_view text) {
  return reinterpret_cast<const unsigned char*>(text.data());
}

std::string Sha256(std::string_view text) {
  std::string digest(EVP_MAX_MD_SIZE, '\0');
  unsigned size = 0;
  EVP_Digest(text.data(), text.size(), reinterpret_cast<unsigned char*>(digest.data()), &size,
             EVP_sha256(), nullptr);
  digest.resize(size);
  return digest;
}

std::string Signature(const std::string& secret, std::string_view body) {
  const std::string message = std::string(kPurpose) + std::string(body);
  std::string signature(EVP_MAX_MD_SIZE, '\0');
  unsigned size = 0;
  HMAC(EVP_sha256(), secret.data(), static_cast<int>(secret.size()), Bytes(message), message.size(),
       reinterpret_cast<unsigned char*>(signature.data()), &size);
  signature.resize(size);
  return signature;
}

// Each value is its length + 1 in four bytes (0 is NULL), then its bytes.
void AppendValue(std::string& out, const std::optional<std::string>& value) {
  const auto length = value.has_value() ? static_cast<std::uint32_t>(value->size()) + 1 : 0;
  for (int shift = 24; shift >= 0; shift -= 8) out += static_cast<char>((length >> shift) & 0xFF);
  if (value.has_value()) out += *value;
}

// REQUIRES: `text` was written by AppendValue; its signature has been checked. nullopt if it was
// not.
std::optional<PageKey> ReadValues(std::string_view text) {
  PageKey key;
  while (!text.empty()) {
    if (text.size() < 4) return std::nullopt;
    std::uint32_t length = 0;
    for (int i = 0; i < 4; ++i)
      length = length << 8 | static_cast<unsigned char>(text[static_cast<std::size_t>(i)]);
    text.remove_prefix(4);
    if (length == 0) {
      key.push_back(std::nullopt);
      continue;
    }
    if (text.size() < length - 1) return std::nullopt;
    key.push_back(std::string(text.substr(0, length - 1)));
    text.remove_prefix(length - 1);
  }
  return key;
}

absl::Status InvalidToken() {
  return InvalidField("page_token", "PAGE_TOKEN_INVALID",
                      "not a token of this list with the same filter and order; start again "
                      "without a page_token");
}

}  // namespace

TokenSigner::TokenSigner(std::vector<std::string> secrets) : secrets_(std::move(secrets)) {
  const bool is_usable = !secrets_.empty() &&
                         std::all_of(secrets_.begin(), secrets_.end(),
                                     [](const std::string& secret) { return secret.size() >= 16; });
  // Going on would accept tokens that anybody can make.
  if (!is_usable) std::abort();
}

std::string TokenSigner::Sign(std::string_view query_text, const PageKey& key) const {
  std::string body(1, kVersion);
  body += Sha256(query_text).substr(0, kDigestBytes);
  for (const auto& value : key) AppendValue(body, value);
  body += Signature(secrets_.front(), body);
  return absl::WebSafeBase64Escape(body);
}

absl::StatusOr<PageKey> TokenSigner::Verify(std::string_view query_text,
                                            std::string_view token) const {
  const std::string text(token);
  std::string body;
  if (text.size() > kMaxTokenBytes || !absl::WebSafeBase64Unescape(text, &body)) {
    return InvalidToken();
  }
  // Base64 has several spellings of the same bytes (padding, unused bits); only ours is accepted.
  if (absl::WebSafeBase64Escape(body) != text) return InvalidToken();
  if (body.size() < 1 + kDigestBytes + kSignatureBytes) return InvalidToken();
  const std::string signature = body.substr(body.size() - kSignatureBytes);
  body.resize(body.size() - kSignatureBytes);
  const bool is_ours =
      std::any_of(secrets_.begin(), secrets_.end(), [&](const std::string& secret) {
        return CRYPTO_memcmp(Signature(secret, body).data(), signature.data(), kSignatureBytes) ==
               0;
      });
  if (!is_ours || body.front() != kVersion) return InvalidToken();
  if (body.substr(1, kDigestBytes) != Sha256(query_text).substr(0, kDigestBytes)) {
    return InvalidToken();
  }
  std::optional<PageKey> key = ReadValues(std::string_view(body).substr(1 + kDigestBytes));
  if (!key.has_value()) return InvalidToken();
  return *std::move(key);
}

absl::StatusOr<TokenSigner> LoadOrCreateSigner(pg::Pool& pool, const Context& context,
                                               pg::TableName table) {
  std::string fresh(kSecretBytes, '\0');
  if (RAND_bytes(reinterpret_cast<unsigned char*>(fresh.data()), kSecretBytes) != 1) {
    return Error(absl::StatusCode::kInternal, "RANDOMNESS_UNAVAILABLE",
                 "the operating system gave no random bytes");
  }
  const std::string name = table.text();
  ASSIGN_OR_RETURN(
      pg::Result rows, pool.Write(context, [&](pg::Tx& tx) -> absl::StatusOr<pg::Result> {
        // Waits for a replica that is inserting at this moment; the next statement then sees its
        // row.
        RETURN_IF_ERROR(tx.Execute("INSERT INTO " + name +
                                       " (id, secret)"
                                       " SELECT 1, $1::bytea WHERE NOT EXISTS (SELECT FROM " +
                                       name +
                                       ")"
                                       " ON CONFLICT DO NOTHING",
                                   pg::BytesLiteral(fresh))
                            .status());
        return tx.Query("SELECT encode(secret, 'hex') AS secret FROM " + name +
                        " ORDER BY id DESC");
      }));
  std::vector<std::string> secrets;
  for (const pg::Row row : rows) secrets.push_back(absl::HexStringToBytes(row.Text("secret")));
  const bool is_usable = !secrets.empty() &&
                         std::all_of(secrets.begin(), secrets.end(),
                                     [](const std::string& secret) { return secret.size() >= 16; });
  if (!is_usable) {
    return Error(absl::StatusCode::kFailedPrecondition, "SIGNING_KEY_UNUSABLE",
                 "every signing key must have at least 16 bytes");
  }
  return TokenSigner(std::move(secrets));
}

}  // namespace lockstep::paging
