#include "services/orders/import_proto.h"

#include <string>

#include "common/filter/filter.h"
#include "common/ids/resource_name.h"
#include "common/json/json.h"
#include "common/money/proto.h"
#include "common/status/error.h"
#include "common/status/macros.h"
#include "common/time/proto.h"

namespace lockstep::orders {
namespace {

pb::ImportState StateFromText(std::string_view text) {
  if (text == "pending") return pb::IMPORT_STATE_PENDING;
  if (text == "processing") return pb::IMPORT_STATE_PROCESSING;
  if (text == "completed") return pb::IMPORT_STATE_COMPLETED;
  if (text == "failed") return pb::IMPORT_STATE_FAILED;
  if (text == "cancelled") return pb::IMPORT_STATE_CANCELLED;
  if (text == "retrying") return pb::IMPORT_STATE_RETRYING;
  return pb::IMPORT_STATE_UNSPECIFIED;
}

// The proto's values follow the enums, after UNSPECIFIED.
pb::ImportOutcome OutcomeFromText(std::string_view text) {
  for (int i = 0; i < kImportOutcomeCount; ++i) {
    if (ToText(static_cast<ImportOutcome>(i)) == text) return static_cast<pb::ImportOutcome>(i + 1);
  }
  return pb::IMPORT_OUTCOME_UNSPECIFIED;
}
pb::FeeItemisation ItemisationFromText(std::string_view text) {
  for (int i = 0; i < 3; ++i) {
    if (ToText(static_cast<FeeItemisation>(i)) == text) {
      return static_cast<pb::FeeItemisation>(i + 1);
    }
  }
  return pb::FEE_ITEMISATION_UNSPECIFIED;
}

void FillCounts(const ImportCounts& counts, pb::ImportBatch& message) {
  const auto outcome = [&](ImportOutcome which) {
    return counts.outcomes[static_cast<int>(which)];
  };
  message.set_row_count(counts.rows());
  message.set_inserted_count(outcome(ImportOutcome::kInserted));
  message.set_updated_count(outcome(ImportOutcome::kUpdated));
  message.set_unchanged_count(outcome(ImportOutcome::kUnchanged));
  message.set_skipped_count(outcome(ImportOutcome::kSkipped));
  message.set_quarantined_count(outcome(ImportOutcome::kQuarantined));
  message.set_itemised_count(counts.itemisations[static_cast<int>(FeeItemisation::kExact)]);
  message.set_rounded_count(counts.itemisations[static_cast<int>(FeeItemisation::kRounded)]);
  message.set_unitemised_count(counts.itemisations[static_cast<int>(FeeItemisation::kUnitemised)]);
}

void FillProblems(const std::string& json, pb::ImportRecord& message) {
  const nlohmann::json problems = nlohmann::json::parse(json, nullptr, false);
  if (!problems.is_array()) return;
  for (const nlohmann::json& problem : problems) {
    pb::RecordProblem* added = message.add_problems();
    added->set_reason(problem.value("reason", ""));
    added->set_column(problem.value("column", ""));
    added->set_message(problem.value("message", ""));
  }
}

pb::ImportRecord RecordFromRow(const pg::Row& row, const ImportBatchId& batch) {
  pb::ImportRecord message;
  message.set_name("importBatches/" + batch.text() + "/records/" + row.Text("id"));
  message.set_line(row.Optional<std::int64_t>("line").value_or(0));
  message.set_outcome(OutcomeFromText(row.OptionalText("outcome").value_or("")));
  if (!row.IsNull("order_id")) {
    message.set_order(ids::ResourceName("orders", row.Text("order_id")));
  }
  message.set_external_id(row.OptionalText("external_id").value_or(""));
  message.set_fee_itemisation(ItemisationFromText(row.OptionalText("fees").value_or("")));
  FillProblems(row.OptionalText("validation_errors").value_or("[]"), message);
  message.set_source_data(row.Text("source_data"));
  return message;
}

}  // namespace

absl::StatusOr<pb::ImportBatch> ToProto(const ImportBatch& batch) {
  pb::ImportBatch message;
  message.set_name(ids::ResourceName("importBatches", batch.id));
  message.set_platform(ids::ResourceName("platforms", batch.source_type));
  message.set_file_name(batch.source_file.value_or(""));
  message.set_state(StateFromText(batch.status));
  message.set_row_count(batch.row_count);
  message.set_quarantined_count(batch.quarantined_count);
  if (batch.counts.has_value()) {
    FillCounts(*batch.counts, message);
    for (const auto& [code, total] : batch.counts->totals) {
      ASSIGN_OR_RETURN(Currency currency, Currency::Parse(code));
      pb::ImportTotal* added = message.add_totals();
      *added->mutable_gross_sale() = money::ToProto(Money(currency, total.gross_minor));
      *added->mutable_net_proceeds() = money::ToProto(Money(currency, total.net_minor));
    }
  }
  if (batch.started_at.has_value()) {
    *message.mutable_started_at() = time::ToProto(*batch.started_at);
  }
  if (batch.completed_at.has_value()) {
    *message.mutable_completed_at() = time::ToProto(*batch.completed_at);
  }
  message.set_error_message(batch.error_message.value_or(""));
  return message;
}

const paging::ListSpec& ListImportBatchesSpec() {
  using enum filter::Type;
  static const auto& spec = *new paging::ListSpec{
      .method = "ListImportBatches",
      .filter_fields =
          {
              {.name = "platform",
               .sql = "b.source_type",
               .type = kText,
               .normalise = filter::StripCollection("platforms")},
              {.name = "state",
               .sql = "b.status",
               .type = kEnum,
               .values = {"pending", "processing", "completed", "failed", "cancelled", "retrying"},
               .normalise = filter::EnumName("IMPORT_STATE")},
              {.name = "started_at", .sql = "b.started_at", .type = kTime},
              {.name = "file_name", .sql = "b.source_file", .type = kText},
          },
      .sort_fields = {{.name = "created_at", .sql = "b.created_at", .type = kTime}},
      .key = {.name = "id", .sql = "b.id", .type = kUuid},
      .default_order_by = "created_at desc"};
  return spec;
}

const paging::ListSpec& ListImportRecordsSpec() {
  using enum filter::Type;
  static const auto& spec = *new paging::ListSpec{
      .method = "ListImportRecords",
      .filter_fields =
          {
              {.name = "outcome",
               .sql = "(r.processed_data->>'outcome')",
               .type = kEnum,
               .values = {"inserted", "updated", "unchanged", "skipped", "quarantined"},
               .normalise = filter::EnumName("IMPORT_OUTCOME")},
              {.name = "fee_itemisation",
               .sql = "(r.processed_data->>'fees')",
               .type = kEnum,
               .values = {"exact", "rounded", "unitemised"},
               .normalise = filter::EnumName("FEE_ITEMISATION")},
              {.name = "external_id", .sql = "(r.processed_data->>'external_id')", .type = kText},
          },
      .sort_fields = {{.name = "line",
                       .sql = "(r.processed_data->>'line')::bigint",
                       .type = kInteger,
                       .is_nullable = true}},
      .key = {.name = "id", .sql = "r.id", .type = kUuid},
      .default_order_by = "line"};
  return spec;
}

absl::StatusOr<pb::ListImportBatchesResponse> ListBatches(pg::Tx& tx,
                                                          const paging::ListQuery& query) {
  ASSIGN_OR_RETURN(
      pg::Result rows,
      tx.QueryList(query.Sql(kBatchColumns, "transactions.import_batches b"), query.Params()));
  pb::ListImportBatchesResponse out;
  for (int i = 0; i < query.PageRows(rows); ++i) {
    ASSIGN_OR_RETURN(ImportBatch batch, BatchFromRow(rows[i]));
    ASSIGN_OR_RETURN(*out.add_batches(), ToProto(batch));
  }
  out.set_next_page_token(query.NextPageToken(rows));
  return out;
}

absl::StatusOr<pb::ListImportRecordsResponse> ListRecords(pg::Tx& tx, const ImportBatchId& batch,
                                                          const paging::ListQuery& query) {
  RETURN_IF_ERROR(ReadBatch(tx, batch).status());
  ASSIGN_OR_RETURN(pg::Result rows,
                   tx.QueryList(query.Sql("r.id, (r.processed_data->>'line')::bigint AS line,"
                                          " r.processed_data->>'outcome' AS outcome,"
                                          " r.processed_data->>'order' AS order_id,"
                                          " r.processed_data->>'external_id' AS external_id,"
                                          " r.processed_data->>'fees' AS fees, r.validation_errors,"
                                          " r.source_data",
                                          "transactions.import_records r", "r.batch_id = $1"),
                                query.Params({batch.text()})));
  pb::ListImportRecordsResponse out;
  for (int i = 0; i < query.PageRows(rows); ++i) *out.add_records() = RecordFromRow(rows[i], batch);
  out.set_next_page_token(query.NextPageToken(rows));
  return out;
}

}  // namespace lockstep::orders
