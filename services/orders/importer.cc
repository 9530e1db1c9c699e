#include "services/orders/importer.h"

#include "absl/hash/hash.h"
#include "common/killpoint/killpoint.h"
#include "common/log/log.h"
#include "common/pg/sqlstate.h"
#include "common/status/error.h"
#include "common/status/macros.h"

namespace lockstep::orders {
namespace {

constexpr int kPrepareAttempts = 3;
constexpr absl::Duration kFailTimeout = absl::Seconds(5);

// Commits `set`; when an order appeared meanwhile (a person, another import), looks again.
absl::StatusOr<ImportCounts> CommitOrRetry(const ImportParts& parts, const Context& context,
                                           const Platform& platform, const ImportBatchId& batch,
                                           PreparedSet set) {
  for (int attempt = 1;; ++attempt) {
    absl::StatusOr<ImportCounts> counts = CommitSet(parts.pool, context, platform, batch, set);
    if (counts.ok()) {
      Killpoint("orders.import.set_committed");
      if (parts.notify) parts.notify();
      return counts;
    }
    if (pg::SqlStateOf(counts.status()) != "23505" || attempt == kPrepareAttempts) return counts;
    ASSIGN_OR_RETURN(set,
                     PrepareSet(parts.pool, parts.catalog, context, platform, std::move(set.rows)));
  }
}

}  // namespace

Importer::Importer(ImportParts parts, ImporterOptions options, Context context, Platform platform,
                   std::string file_name, std::function<absl::Status(pg::Tx&)> may_begin)
    : parts_(std::move(parts)),
      options_(options),
      context_(std::move(context)),
      platform_(std::move(platform)),
      file_name_(std::move(file_name)),
      may_begin_(std::move(may_begin)) {}

Importer::~Importer() {
  if (prepare_.valid()) prepare_.wait();
  if (commit_.valid()) commit_.wait();
}

absl::Status Importer::Feed(std::string_view chunk) {
  RETURN_IF_ERROR(parser_.Feed(chunk, [this](const csv::Row& row) { return OnRow(row); }));
  return StayAlive();
}

absl::Status Importer::OnRow(const csv::Row& row) {
  if (!report_.has_value()) return Open(row);
  if (++row_count_ > options_.max_rows) {
    return Error(absl::StatusCode::kInvalidArgument, "REPORT_TOO_LONG",
                 "the report has too many rows; split it")
        .With("max_rows", options_.max_rows);
  }
  ReportRow mapped = report_->Map(row.fields, row.line);
  CheckRepeated(mapped);
  row_bytes_ += mapped.payload.size();
  rows_.push_back(std::move(mapped));
  if (rows_.size() < options_.set_size && row_bytes_ < options_.set_bytes) return absl::OkStatus();
  return Flush();
}

absl::Status Importer::Open(const csv::Row& row) {
  ASSIGN_OR_RETURN(StockxReport report, StockxReport::FromHeader(row.fields));
  ASSIGN_OR_RETURN(batch_,
                   parts_.pool.Write(context_, [&](pg::Tx& tx) -> absl::StatusOr<ImportBatchId> {
                     ASSIGN_OR_RETURN(ImportBatchId batch,
                                      BeginBatch(tx, platform_.slug, file_name_, options_.lease));
                     if (may_begin_) RETURN_IF_ERROR(may_begin_(tx));
                     return batch;
                   }));
  Killpoint("orders.import.batch_opened");
  report_ = std::move(report);
  last_sign_ = absl::Now();
  return absl::OkStatus();
}

void Importer::CheckRepeated(ReportRow& row) {
  if (row.external_id.empty()) return;
  const std::pair<std::size_t, std::size_t> key{absl::HashOf(row.external_id),
                                                absl::HashOf(row.external_id, platform_.slug)};
  // A row in quarantine does not take the number: a correct one that follows is no repetition.
  if (!row.sale.has_value()) {
    if (!seen_.contains(key)) return;
  } else if (seen_.insert(key).second) {
    return;
  }
  row.sale.reset();
  row.problems.push_back(
      {"ORDER_NUMBER_REPEATED", "Order Number", "the file has this order number above"});
}

absl::Status Importer::Flush() {
  if (rows_.empty()) return absl::OkStatus();
  std::vector<ReportRow> rows = std::move(rows_);
  rows_.clear();
  row_bytes_ = 0;
  rows_.reserve(options_.set_size);
  RETURN_IF_ERROR(StartCommit());
  prepare_ = std::async(std::launch::async, [this, rows = std::move(rows)]() mutable {
    return PrepareSet(parts_.pool, parts_.catalog, context_, platform_, std::move(rows));
  });
  return absl::OkStatus();
}

absl::Status Importer::StartCommit() {
  if (!prepare_.valid()) return absl::OkStatus();
  ASSIGN_OR_RETURN(PreparedSet set, prepare_.get());
  RETURN_IF_ERROR(AwaitCommit());
  commit_ = std::async(std::launch::async, [this, set = std::move(set)]() mutable {
    return CommitOrRetry(parts_, context_, platform_, *batch_, std::move(set));
  });
  return absl::OkStatus();
}

absl::Status Importer::AwaitCommit() {
  if (!commit_.valid()) return absl::OkStatus();
  ASSIGN_OR_RETURN(ImportCounts counts, commit_.get());
  counts_.Add(counts);
  last_sign_ = absl::Now();
  return absl::OkStatus();
}

absl::Status Importer::StayAlive() {
  if (!batch_.has_value() || absl::Now() - last_sign_ < options_.lease / 3) return absl::OkStatus();
  RETURN_IF_ERROR(AwaitCommit());
  RETURN_IF_ERROR(parts_.pool.Write(
      context_, [&](pg::Tx& tx) { return TouchBatch(tx, *batch_, ImportCounts()); }));
  last_sign_ = absl::Now();
  return absl::OkStatus();
}

absl::Status Importer::Finish(
    const std::function<absl::Status(pg::Tx&, const ImportBatch&)>& in_transaction) {
  RETURN_IF_ERROR(parser_.Finish([this](const csv::Row& row) { return OnRow(row); }));
  if (!report_.has_value()) return StockxReport::FromHeader({}).status();
  RETURN_IF_ERROR(Flush());
  RETURN_IF_ERROR(StartCommit());
  RETURN_IF_ERROR(AwaitCommit());
  Killpoint("orders.import.before_completion");
  const absl::Status completed = parts_.pool.Write(context_, [&](pg::Tx& tx) -> absl::Status {
    RETURN_IF_ERROR(CompleteBatch(tx, *batch_));
    ASSIGN_OR_RETURN(ImportBatch batch, ReadBatch(tx, *batch_));
    batch.counts = counts_;
    return in_transaction ? in_transaction(tx, batch) : absl::OkStatus();
  });
  RETURN_IF_ERROR(completed);
  has_ended_ = true;
  Killpoint("orders.import.completed");
  return absl::OkStatus();
}

void Importer::Fail(const absl::Status& reason) {
  absl::Status settled = StartCommit();
  settled.Update(AwaitCommit());
  if (!batch_.has_value() || has_ended_) return;
  has_ended_ = true;
  // The call may be over; the batch must still not look alive.
  const absl::Status status =
      parts_.pool.Write(Context::WithTimeout(kFailTimeout),
                        [&](pg::Tx& tx) { return FailBatch(tx, *batch_, MessageOf(reason)); });
  log::Warn("import_failed", {{"import_batch", batch_->text()},
                              {"reason", reason},
                              {"last_set", settled},
                              {"marked", status.ok()}});
}

}  // namespace lockstep::orders
