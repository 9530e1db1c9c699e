// Answers of mutating methods, kept so that a repeated request_id gets the first answer again
// (AIP-155).
//
// The row is written in the transaction of the change. A duplicate that arrives meanwhile, from
// whichever process, waits on the unique key until the first one commits (and then gets its answer)
// or rolls back (and then does the work itself). Failures are not kept: a request that failed
// changed nothing, and may be sent again with the same id.
//
// Meant for READ COMMITTED transactions (Pool::Write); under stricter levels a concurrent duplicate
// is a serialization failure, which the pool retries.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/context/context.h"
#include "common/pg/pool.h"
#include "common/pg/table_name.h"
#include "common/status/error.h"
#include "common/status/macros.h"

namespace google::protobuf {
class MessageLite;
}

namespace lockstep::request_id {

inline constexpr absl::Duration kKeep = absl::Hours(24 * 7);

// OK for "" (no deduplication) and for a UUID in text form, any case, except the all-zero one;
// otherwise INVALID_ARGUMENT (REQUEST_ID_INVALID) on "request_id".
[[nodiscard]] absl::Status Validate(std::string_view request_id);

// SHA-256 of the deterministic serialization. Equal messages of the same program have equal
// digests.
[[nodiscard]] std::string Digest(const google::protobuf::MessageLite& message);

// Claims `request_id` for this transaction. Returns nullopt: do the work, then call Finish() in the
// same transaction; or the answer that was kept. `digest` stands for the request without its
// request_id. An empty id always means: do the work. Errors: REQUEST_ID_INVALID; INVALID_ARGUMENT
// (REQUEST_ID_REUSED) on "request_id" when the id was used for another method or another digest.
[[nodiscard]] absl::StatusOr<std::optional<std::string>> Begin(pg::Tx& tx, pg::TableName table,
                                                               std::string_view request_id,
                                                               std::string_view method,
                                                               std::string_view digest);

// Keeps `response` (any bytes) for kKeep. Does nothing for an empty id. REQUIRES: Begin() returned
// nullopt in `tx`.
[[nodiscard]] absl::Status Finish(pg::Tx& tx, pg::TableName table, std::string_view request_id,
                                  std::string_view response);

// Deletes expired rows, at most `batch_size` in one transaction, until none is left or the context
// ends. Several processes may run it at once. Returns how many rows went.
[[nodiscard]] absl::StatusOr<std::int64_t> PurgeExpired(pg::Pool& pool, const Context& context,
                                                        pg::TableName table, int batch_size = 1000);

// Runs `function`, which is `absl::StatusOr<Response>(pg::Tx&)`, once per request_id of `request`,
// and returns its response or the kept one. `Response` is the message type that the function
// returns; `method` is the full name of the RPC.
//
//   return request_id::With(tx, "transactions.request_results", request,
//   "lockstep.orders.v1.OrderService/CreateOrder",
//                           [&](pg::Tx& inner) -> absl::StatusOr<pb::Order> { ... });
template <typename Request, typename Function>
[[nodiscard]] auto With(pg::Tx& tx, pg::TableName table, const Request& request,
                        std::string_view method, Function function)
    -> std::invoke_result_t<Function, pg::Tx&> {
  using Response = typename std::invoke_result_t<Function, pg::Tx&>::value_type;
  if (request.request_id().empty()) return function(tx);
  Request body = request;
  body.clear_request_id();
  ASSIGN_OR_RETURN(std::optional<std::string> kept,
                   Begin(tx, table, request.request_id(), method, Digest(body)));
  if (kept.has_value()) {
    Response response;
    if (!response.ParseFromString(*kept)) {
      return Error(absl::StatusCode::kInternal, "INVARIANT_BROKEN",
                   "the kept response is not of the method's type");
    }
    return response;
  }
  ASSIGN_OR_RETURN(Response response, function(tx));
  RETURN_IF_ERROR(Finish(tx, table, request.request_id(), response.SerializeAsString()));
  return response;
}

}  // namespace lockstep::request_id
