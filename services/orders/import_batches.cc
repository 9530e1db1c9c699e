// The batch part of import_repository.h.
#include <algorithm>
#include <array>
#include <chrono>

#include "common/status/error.h"
#include "common/status/macros.h"
#include "services/orders/import_repository.h"

namespace lockstep::orders {

const char* const kBatchColumns =
    "b.id, b.source_type, b.source_file, b.status, b.total_records, b.error_records,"
    " b.started_at, b.completed_at, b.error_message";

namespace {

constexpr std::size_t kLongestMessage = 1000;

// At most `kLongestMessage` bytes, cut between characters.
std::string Clip(std::string_view text) {
  std::size_t size = std::min(text.size(), kLongestMessage);
  while (size < text.size() && size > 0 &&
         (static_cast<unsigned char>(text[size]) & 0xC0U) == 0x80U) {
    --size;
  }
  return std::string(text.substr(0, size));
}

absl::Status CountGroup(const pg::Row& row, ImportCounts& counts) {
  static constexpr std::array<ImportOutcome, kImportOutcomeCount> kOutcomes = {
      ImportOutcome::kInserted, ImportOutcome::kUpdated, ImportOutcome::kUnchanged,
      ImportOutcome::kSkipped, ImportOutcome::kQuarantined};
  const std::int64_t count = row.Get<std::int64_t>("row_count");
  const std::string outcome = row.OptionalText("outcome").value_or("");
  for (const ImportOutcome known : kOutcomes) {
    if (ToText(known) == outcome) counts.outcomes[static_cast<int>(known)] += count;
  }
  const std::string fees = row.OptionalText("fees").value_or("");
  for (const FeeItemisation known :
       {FeeItemisation::kExact, FeeItemisation::kRounded, FeeItemisation::kUnitemised}) {
    if (ToText(known) == fees) counts.itemisations[static_cast<int>(known)] += count;
  }
  if (row.IsNull("currency")) return absl::OkStatus();
  ASSIGN_OR_RETURN(Currency currency, Currency::Parse(row.Text("currency")));
  ASSIGN_OR_RETURN(Money gross, money::ParseMoney(row.Text("gross_sale"), currency));
  ASSIGN_OR_RETURN(Money net, money::ParseMoney(row.Text("net_proceeds"), currency));
  counts.totals[currency.code()].gross_minor += gross.minor();
  counts.totals[currency.code()].net_minor += net.minor();
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<ImportBatchId> BeginBatch(pg::Tx& tx, std::string_view source_type,
                                         std::string_view source_file, absl::Duration lease) {
  // Two starts at once take turns; the second then sees the first one's batch.
  RETURN_IF_ERROR(
      tx.Execute("SELECT pg_advisory_xact_lock(hashtextextended('import:' || $1, 0))", source_type)
          .status());
  const std::int64_t lease_ms = absl::ToInt64Milliseconds(lease);
  ASSIGN_OR_RETURN(
      pg::Result running,
      tx.Query("SELECT id, ceil(extract(epoch FROM updated_at - clock_timestamp()) * 1000)::bigint"
               "    + $2::bigint AS left_ms"
               "  FROM transactions.import_batches"
               " WHERE source_type = $1 AND status = 'processing' FOR UPDATE",
               source_type, lease_ms));
  for (const pg::Row row : running) {
    const std::int64_t left_ms = row.Get<std::int64_t>("left_ms");
    if (left_ms > 0) {
      return Error(absl::StatusCode::kFailedPrecondition, "IMPORT_RUNNING",
                   "another import of this platform is running")
          .With("import_batch", "importBatches/" + row.Text("id"))
          .RetryAfter(std::chrono::milliseconds(left_ms));
    }
    ASSIGN_OR_RETURN(ImportBatchId dead, ImportBatchId::Parse(row.Text("id")));
    RETURN_IF_ERROR(FailBatch(tx, dead, "the import gave no sign of life and was given up"));
  }
  const ImportBatchId id = ImportBatchId::Generate();
  std::optional<std::string> file;
  if (!source_file.empty()) file = std::string(source_file);
  RETURN_IF_ERROR(
      tx.Execute("INSERT INTO transactions.import_batches (id, source_type, source_file,"
                 " status, started_at, updated_at)"
                 " VALUES ($1, $2, $3, 'processing', now(), clock_timestamp())",
                 id.text(), source_type, file)
          .status());
  return id;
}

absl::Status TouchBatch(pg::Tx& tx, const ImportBatchId& id, const ImportCounts& counts) {
  ASSIGN_OR_RETURN(
      std::int64_t touched,
      tx.Execute("UPDATE transactions.import_batches SET total_records = total_records + $2,"
                 " processed_records = processed_records + $3,"
                 " error_records = error_records + $4, updated_at = clock_timestamp()"
                 " WHERE id = $1 AND status = 'processing'",
                 id.text(), counts.rows(), counts.rows() - counts.quarantined(),
                 counts.quarantined()));
  if (touched == 1) return absl::OkStatus();
  return Error(absl::StatusCode::kAborted, "IMPORT_TAKEN_OVER",
               "the import was silent for too long and another one took its place; start again")
      .With("import_batch", "importBatches/" + id.text());
}

absl::Status CompleteBatch(pg::Tx& tx, const ImportBatchId& id) {
  RETURN_IF_ERROR(TouchBatch(tx, id, {}));
  return tx
      .Execute(
          "UPDATE transactions.import_batches SET status = 'completed',"
          " completed_at = clock_timestamp() WHERE id = $1",
          id.text())
      .status();
}

absl::Status FailBatch(pg::Tx& tx, const ImportBatchId& id, std::string_view message) {
  return tx
      .Execute(
          "UPDATE transactions.import_batches SET status = 'failed',"
          " completed_at = clock_timestamp(), updated_at = clock_timestamp(),"
          " error_message = $2, last_error = $2 WHERE id = $1 AND status = 'processing'",
          id.text(), Clip(message))
      .status();
}

absl::StatusOr<ImportBatch> BatchFromRow(const pg::Row& row) {
  ImportBatch batch;
  ASSIGN_OR_RETURN(batch.id, ImportBatchId::Parse(row.Text("id")));
  batch.source_type = row.Text("source_type");
  batch.source_file = row.OptionalText("source_file");
  batch.status = row.Text("status");
  batch.row_count = row.Get<std::int64_t>("total_records");
  batch.quarantined_count = row.Get<std::int64_t>("error_records");
  batch.started_at = row.Optional<absl::Time>("started_at");
  batch.completed_at = row.Optional<absl::Time>("completed_at");
  batch.error_message = row.OptionalText("error_message");
  return batch;
}

absl::StatusOr<ImportBatch> ReadBatch(pg::Tx& tx, const ImportBatchId& id) {
  ASSIGN_OR_RETURN(std::optional<pg::Row> row,
                   tx.Maybe(std::string("SELECT ") + kBatchColumns +
                                "  FROM transactions.import_batches b WHERE b.id = $1",
                            id.text()));
  if (!row.has_value()) {
    return Error(absl::StatusCode::kNotFound, "IMPORT_BATCH_NOT_FOUND", "there is no such import")
        .With("import_batch", id.text());
  }
  return BatchFromRow(*row);
}

absl::StatusOr<ImportBatch> GetBatch(pg::Tx& tx, const ImportBatchId& id) {
  ASSIGN_OR_RETURN(ImportBatch batch, ReadBatch(tx, id));
  ASSIGN_OR_RETURN(
      pg::Result groups,
      tx.Query("SELECT processed_data->>'outcome' AS outcome, processed_data->>'fees' AS fees,"
               " processed_data->>'currency' AS currency, count(*) AS row_count,"
               " sum((processed_data->>'gross_sale')::numeric) AS gross_sale,"
               " sum((processed_data->>'net_proceeds')::numeric) AS net_proceeds"
               "  FROM transactions.import_records WHERE batch_id = $1 GROUP BY 1, 2, 3",
               id.text()));
  batch.counts.emplace();
  for (const pg::Row group : groups) RETURN_IF_ERROR(CountGroup(group, *batch.counts));
  return batch;
}

}  // namespace lockstep::orders
