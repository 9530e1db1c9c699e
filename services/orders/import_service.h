// lockstep.orders.v1.ImportService: messages in, messages out. The work is in importer.h.
#pragma once

#include "common/paging/page_signer.h"
#include "common/pg/pool.h"
#include "common/rpc/runner.h"
#include "lockstep/orders/v1/import_service.grpc.pb.h"
#include "services/orders/importer.h"

namespace lockstep::orders {

class ContentDigest;

// Thread-safe. Everything it is given outlives it.
class ImportService final : public lockstep::orders::v1::ImportService::CallbackService {
 public:
  ImportService(ImportParts parts, ImporterOptions options, paging::PageSigner& signer,
                rpc::Runner& runner);

  grpc::ServerReadReactor<v1::ImportReportRequest>* ImportReport(
      grpc::CallbackServerContext* context, v1::ImportReportResponse* response) override;
  grpc::ServerUnaryReactor* GetImportBatch(grpc::CallbackServerContext* context,
                                           const v1::GetImportBatchRequest* request,
                                           v1::ImportBatch* response) override;
  grpc::ServerUnaryReactor* ListImportBatches(grpc::CallbackServerContext* context,
                                              const v1::ListImportBatchesRequest* request,
                                              v1::ListImportBatchesResponse* response) override;
  grpc::ServerUnaryReactor* ListImportRecords(grpc::CallbackServerContext* context,
                                              const v1::ListImportRecordsRequest* request,
                                              v1::ListImportRecordsResponse* response) override;

 private:
  [[nodiscard]] absl::StatusOr<v1::ImportReportResponse> Import(
      const rpc::Call& call, rpc::StreamReader<v1::ImportReportRequest>& reader);
  // The answer that was given to this request before, if it is the same request.
  [[nodiscard]] absl::StatusOr<v1::ImportReportResponse> Repeat(
      const rpc::Call& call, rpc::StreamReader<v1::ImportReportRequest>& reader,
      const v1::ImportHeader& header, ContentDigest& digest);

  const ImportParts parts_;
  const ImporterOptions options_;
  paging::PageSigner& signer_;
  rpc::Runner& runner_;
};

}  // namespace lockstep::orders
