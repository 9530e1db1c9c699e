// Page tokens: the sort values of the last row, bound to the query that they belong to, and signed,
// so that nobody can make one up or use one with another query. Tokens are opaque to clients but
// not secret.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "common/context/context.h"
#include "common/pg/pool.h"
#include "common/pg/table_name.h"

namespace lockstep::paging {

// Texts of the sort values, in the order of the terms; nullopt is NULL.
using PageKey = std::vector<std::optional<std::string>>;

// Signs with HMAC-SHA-256. Thread-safe: immutable.
class TokenSigner {
 public:
  // `secrets`: the first one signs, all of them are accepted. REQUIRES: at least one, each of 16
  // bytes or more.
  explicit TokenSigner(std::vector<std::string> secrets);

  // `query_text` stands for everything that must not change between pages (method, parent, filter,
  // order).
  std::string Sign(std::string_view query_text, const PageKey& key) const;

  // INVALID_ARGUMENT (PAGE_TOKEN_INVALID) on "page_token" when the token was not made by Sign()
  // with one of the secrets for the same `query_text`.
  [[nodiscard]] absl::StatusOr<PageKey> Verify(std::string_view query_text,
                                               std::string_view token) const;

 private:
  std::vector<std::string> secrets_;
};

// The signer with the secrets of `table` (S.signing_keys), newest first. Makes one when there is
// none yet: replicas that start at the same time agree, and restarts keep it. To rotate, insert a
// row with a higher id and restart the replicas; tokens of older keys are accepted until their rows
// are deleted.
[[nodiscard]] absl::StatusOr<TokenSigner> LoadOrCreateSigner(pg::Pool& pool, const Context& context,
                                                             pg::TableName table);

}  // namespace lockstep::paging
