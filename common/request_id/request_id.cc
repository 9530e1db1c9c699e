#include "common/request_id/request_id.h"

#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/io/zero_copy_stream_impl_lite.h>
#include <google/protobuf/message_lite.h>
#include <openssl/evp.h>

#include <algorithm>

#include "absl/strings/escaping.h"
#include "common/ids/uuid.h"

namespace lockstep::request_id {
namespace {

// A duplicate may find the row gone between its INSERT and its SELECT (expired, purged): it then
// tries again.
constexpr int kMaxRounds = 5;

absl::Status Reused() {
  return InvalidField("request_id", "REQUEST_ID_REUSED",
                      "this request_id was used for another request; use a new one for each");
}

}  // namespace

absl::Status Validate(std::string_view request_id) {
  if (request_id.empty()) return absl::OkStatus();
  const absl::StatusOr<ids::Uuid> uuid = ids::Uuid::Parse(request_id);
  if (uuid.ok() && !uuid->is_nil()) return absl::OkStatus();
  return InvalidField("request_id", "REQUEST_ID_INVALID",
                      "must be a UUID (8-4-4-4-12 hexadecimal digits) and not all zero, or empty");
}

std::string Digest(const google::protobuf::MessageLite& message) {
  std::string text;
  {
    google::protobuf::io::StringOutputStream stream(&text);
    google::protobuf::io::CodedOutputStream coded(&stream);
    coded.SetSerializationDeterministic(true);  // maps in the order of their keys
    message.SerializePartialToCodedStream(&coded);
  }
  std::string digest(EVP_MAX_MD_SIZE, '\0');
  unsigned size = 0;
  EVP_Digest(text.data(), text.size(), reinterpret_cast<unsigned char*>(digest.data()), &size,
             EVP_sha256(), nullptr);
  digest.resize(size);
  return digest;
}

absl::StatusOr<std::optional<std::string>> Begin(pg::Tx& tx, pg::TableName table,
                                                 std::string_view request_id,
                                                 std::string_view method, std::string_view digest) {
  RETURN_IF_ERROR(Validate(request_id));
  if (request_id.empty()) return std::nullopt;
  const std::string name = table.text();
  const std::string digest_literal = pg::BytesLiteral(digest);
  for (int round = 0; round < kMaxRounds; ++round) {
    // Waits while another transaction that inserted the same id is open.
    ASSIGN_OR_RETURN(const std::int64_t inserted,
                     tx.Execute("INSERT INTO " + name +
                                    " (request_id, method, digest, response, expires_at)"
                                    " VALUES ($1::uuid, $2, $3::bytea, ''::bytea,"
                                    " now() + $4::bigint * interval '1 second')"
                                    " ON CONFLICT (request_id) DO NOTHING",
                                request_id, method, digest_literal, absl::ToInt64Seconds(kKeep)));
    if (inserted == 1) return std::nullopt;
    ASSIGN_OR_RETURN(
        const std::optional<pg::Row> row,
        tx.Maybe("SELECT method, digest = $2::bytea AS has_same_digest, expires_at <= now() AS"
                 " is_expired, encode(response, 'hex') AS response FROM " +
                     name + " WHERE request_id = $1::uuid",
                 request_id, digest_literal));
    if (!row.has_value()) continue;
    if (row->Get<bool>("is_expired")) {
      RETURN_IF_ERROR(
          tx.Execute("DELETE FROM " + name + " WHERE request_id = $1::uuid AND expires_at <= now()",
                     request_id)
              .status());
      continue;
    }
    if (row->Text("method") != method || !row->Get<bool>("has_same_digest")) return Reused();
    return absl::HexStringToBytes(row->Text("response"));
  }
  return Error(absl::StatusCode::kAborted, "SERIALIZATION_CONFLICT",
               "another request with the same id came and went; send the request again");
}

absl::Status Finish(pg::Tx& tx, pg::TableName table, std::string_view request_id,
                    std::string_view response) {
  if (request_id.empty()) return absl::OkStatus();
  ASSIGN_OR_RETURN(
      const std::int64_t updated,
      tx.Execute("UPDATE " + table.text() + " SET response = $2::bytea WHERE request_id = $1::uuid",
                 request_id, pg::BytesLiteral(response)));
  if (updated == 1) return absl::OkStatus();
  return Error(absl::StatusCode::kInternal, "INVARIANT_BROKEN",
               "Finish() without Begin() in the same transaction");
}

absl::StatusOr<std::int64_t> PurgeExpired(pg::Pool& pool, const Context& context,
                                          pg::TableName table, int batch_size) {
  const std::string name = table.text();
  // A row whose id is being claimed again at this moment is locked, and left alone.
  const std::string sql = "DELETE FROM " + name + " WHERE request_id IN (SELECT request_id FROM " +
                          name +
                          " WHERE expires_at <= now() ORDER BY expires_at"
                          " LIMIT $1::integer FOR UPDATE SKIP LOCKED)";
  std::int64_t total = 0;
  for (;;) {
    ASSIGN_OR_RETURN(const std::int64_t deleted, pool.Write(context, [&](pg::Tx& tx) {
      return tx.Execute(sql, std::max(1, batch_size));
    }));
    total += deleted;
    if (deleted == 0) return total;
  }
}

}  // namespace lockstep::request_id
