// The record part of import_repository.h.
#include <span>
#include <utility>

#include "services/orders/copy_lines.h"
#include "services/orders/import_repository.h"
#include "services/orders/json_text.h"

namespace lockstep::orders {
namespace {

constexpr std::size_t kLongestMessage = 1000;

std::string ProcessedJson(const RecordWrite& record) {
  JsonObject processed;
  processed.Raw("line", std::to_string(record.row->line)).Text("outcome", ToText(record.outcome));
  if (!record.row->external_id.empty()) processed.Text("external_id", record.row->external_id);
  if (record.order.has_value()) processed.Text("order", record.order->text());
  if (record.outcome != ImportOutcome::kQuarantined) {
    const ReportedSale& sale = *record.row->sale;
    processed.Text("fees", ToText(sale.itemisation))
        .Text("residual", sale.residual.ToDecimalText())
        .Text("currency", sale.gross_sale.currency().code())
        .Text("gross_sale", sale.gross_sale.ToDecimalText())
        .Text("net_proceeds", sale.net_proceeds.ToDecimalText());
  }
  return std::move(processed).Finish();
}

// The row as it came, unless the order has all of it: then its number is enough to find it.
std::string SourceJson(const RecordWrite& record) {
  switch (record.outcome) {
    case ImportOutcome::kQuarantined:
    case ImportOutcome::kSkipped:
      return record.row->payload;
    case ImportOutcome::kInserted:
    case ImportOutcome::kUpdated:
    case ImportOutcome::kUnchanged:
      break;
  }
  JsonObject source;
  source.Text("Order Number", record.row->sale->platform_number);
  return std::move(source).Finish();
}

std::string ProblemsJson(std::span<const Problem> problems) {
  std::string json = "[";
  for (const Problem& problem : problems) {
    if (json.size() > 1) json.push_back(',');
    JsonObject object;
    object.Text("reason", problem.reason)
        .Text("column", problem.column)
        .Text("message", problem.message);
    json += std::move(object).Finish();
  }
  json.push_back(']');
  return json;
}

}  // namespace

absl::Status WriteRecords(pg::Tx& tx, const ImportBatchId& batch,
                          std::span<const RecordWrite> records) {
  if (records.empty()) return absl::OkStatus();
  CopyLines lines;
  for (const RecordWrite& record : records) {
    const bool is_bad = record.outcome == ImportOutcome::kQuarantined;
    lines.Field(batch.text())
        .Field(SourceJson(record))
        .Field(ProcessedJson(record))
        .Field(is_bad ? std::optional<std::string>(ProblemsJson(record.problems)) : std::nullopt)
        .Field(is_bad ? "quarantined" : "completed");
    std::optional<std::string> message;
    if (is_bad && !record.problems.empty()) message = record.problems.front().message;
    if (message.has_value() && message->size() > kLongestMessage) message->resize(kLongestMessage);
    lines.Field(message).EndLine();
  }
  return tx
      .CopyIn(
          "COPY transactions.import_records (batch_id, source_data, processed_data,"
          " validation_errors, status, error_message) FROM STDIN",
          lines.text())
      .status();
}

}  // namespace lockstep::orders
