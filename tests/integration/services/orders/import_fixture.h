// What the tests of imports share: reports made of standard rows, and what an import left behind.
#pragma once

#include <string>
#include <vector>

#include "tests/integration/services/orders/orders_server.h"
#include "tests/unit/services/orders/report_builder.h"

namespace lockstep::orders {

inline std::string Number(int i) { return std::to_string(10'000'000 + i) + "-20000000"; }

inline std::string ReportOf(int rows, int first = 0) {
  ReportBuilder report;
  for (int i = 0; i < rows; ++i) report.Add(ReportBuilder::Standard(Number(first + i)));
  return report.text();
}

class ImportTest : public OrdersServer {
 protected:
  std::vector<pb::ImportRecord> Records(const std::string& batch, const std::string& filter) {
    pb::ListImportRecordsRequest request;
    request.set_parent(batch);
    request.set_filter(filter);
    request.set_page_size(2);
    std::vector<pb::ImportRecord> records;
    do {
      const auto page = Call(*imports_, &pb::ImportService::Stub::ListImportRecords, request);
      EXPECT_OK(page);
      if (!page.ok()) break;
      records.insert(records.end(), page->records().begin(), page->records().end());
      request.set_page_token(page->next_page_token());
    } while (!request.page_token().empty());
    return records;
  }

  absl::StatusOr<pb::ImportBatch> Batch(const std::string& name) {
    pb::GetImportBatchRequest request;
    request.set_name(name);
    return Call(*imports_, &pb::ImportService::Stub::GetImportBatch, request);
  }
};

}  // namespace lockstep::orders
