// Imports between the domain and lockstep.orders.v1.
#pragma once

#include "absl/status/statusor.h"
#include "common/paging/list_query.h"
#include "common/pg/pool.h"
#include "lockstep/orders/v1/import_service.pb.h"
#include "services/orders/import_repository.h"

namespace lockstep::orders {

namespace pb = lockstep::orders::v1;

[[nodiscard]] absl::StatusOr<pb::ImportBatch> ToProto(const ImportBatch& batch);

// What ListImportBatches and ListImportRecords allow.
[[nodiscard]] const paging::ListSpec& ListImportBatchesSpec();
[[nodiscard]] const paging::ListSpec& ListImportRecordsSpec();

[[nodiscard]] absl::StatusOr<pb::ListImportBatchesResponse> ListBatches(
    pg::Tx& tx, const paging::ListQuery& query);
// `query` was made with first_parameter 2.
[[nodiscard]] absl::StatusOr<pb::ListImportRecordsResponse> ListRecords(
    pg::Tx& tx, const ImportBatchId& batch, const paging::ListQuery& query);

}  // namespace lockstep::orders
