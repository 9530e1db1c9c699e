// Reads and writes the rows of a plain resource in a transaction of the caller.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "common/paging/list_query.h"
#include "common/pg/pool.h"
#include "google/protobuf/field_mask.pb.h"
#include "google/protobuf/message.h"
#include "services/catalog/resource.h"
#include "services/catalog/resource_codec.h"

namespace lockstep::catalog {

// Columns that a rule of the service fills, beside those of the message.
using ExtraColumns = std::vector<std::pair<std::string, pg::Param>>;

// A condition of the caller's own over t, ANDed to the filter; its one parameter is $1.
struct Search {
  std::string condition;
  std::string value;
};

// Immutable and thread-safe. Messages are of the resource's type.
class ResourceStore final {
 public:
  explicit ResourceStore(const ResourceSpec& spec);

  const ResourceSpec& spec() const { return spec_; }

  // Every field that a client may write.
  const FieldSet& writable() const { return writable_; }
  // The fields that an update is about: those of the mask, or those that are set. INVALID_ARGUMENT
  // (UPDATE_MASK_INVALID) on "update_mask" for paths that do not exist.
  [[nodiscard]] absl::StatusOr<FieldSet> FieldsOfUpdate(
      const google::protobuf::Message& resource, const google::protobuf::FieldMask& mask) const;

  // NOT_FOUND with the collection's reason. With `lock` the row stays locked until the transaction
  // ends.
  [[nodiscard]] absl::Status Read(pg::Tx& tx, std::string_view name, bool lock,
                                  google::protobuf::Message& out) const;

  // Appends a page through `add`, returns the token of the next one. `search` may be null.
  [[nodiscard]] absl::StatusOr<std::string> List(
      pg::Tx& tx, const paging::ListQuery& list, const Search* search,
      const std::function<google::protobuf::Message*()>& add) const;

  // Inserts the fields that are set; the others get their defaults. Returns the resource name.
  // ALREADY_EXISTS (taken_reason), NOT_FOUND for references.
  [[nodiscard]] absl::StatusOr<std::string> Insert(pg::Tx& tx,
                                                   const google::protobuf::Message& resource,
                                                   const ExtraColumns& extra) const;

  // Copies `fields` of `changes` over `current`. INVALID_ARGUMENT (FIELD_IMMUTABLE) for a fixed
  // field that would change.
  [[nodiscard]] absl::Status Merge(const google::protobuf::Message& changes, const FieldSet& fields,
                                   google::protobuf::Message& current) const;

  // Writes `fields` of `resource`, which has a name, and the time of the change.
  [[nodiscard]] absl::Status Update(pg::Tx& tx, const google::protobuf::Message& resource,
                                    const FieldSet& fields, const ExtraColumns& extra) const;

  // FAILED_PRECONDITION (in_use_reason) while other rows refer to it; NOT_FOUND.
  [[nodiscard]] absl::Status Delete(pg::Tx& tx, std::string_view name) const;

  // OK when `etag` is empty or that of `current`; ABORTED (ETAG_MISMATCH).
  [[nodiscard]] static absl::Status CheckEtag(std::string_view etag,
                                              const google::protobuf::Message& current);

 private:
  [[nodiscard]] absl::Status WriteError(const absl::Status& status) const;

  const ResourceSpec& spec_;
  const std::string columns_;
  FieldSet writable_;
};

}  // namespace lockstep::catalog
