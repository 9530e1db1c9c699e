#include "services/orders/import_service.h"

#include <openssl/evp.h>

#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "common/ids/resource_name.h"
#include "common/request_id/request_id.h"
#include "common/status/error.h"
#include "common/status/macros.h"
#include "services/orders/import_proto.h"
#include "services/orders/order_commands.h"
#include "services/orders/order_proto.h"
#include "services/orders/plumbing.h"

namespace lockstep::orders {

// SHA-256 over the header and the file: what a request_id stands for.
class ContentDigest {
 public:
  explicit ContentDigest(const pb::ImportHeader& header) : context_(EVP_MD_CTX_new()) {
    EVP_DigestInit_ex(context_.get(), EVP_sha256(), nullptr);
    pb::ImportHeader body = header;
    body.clear_request_id();
    Update(request_id::Digest(body));
  }
  void Update(std::string_view bytes) {
    EVP_DigestUpdate(context_.get(), bytes.data(), bytes.size());
  }
  std::string Finish() {
    std::string digest(32, '\0');
    EVP_DigestFinal_ex(context_.get(), reinterpret_cast<unsigned char*>(digest.data()), nullptr);
    return digest;
  }

 private:
  struct Free {
    void operator()(EVP_MD_CTX* context) const { EVP_MD_CTX_free(context); }
  };
  std::unique_ptr<EVP_MD_CTX, Free> context_;
};

namespace {

constexpr std::size_t kLongestFileName = 255;
constexpr char kMethod[] = "lockstep.orders.v1.ImportService/ImportReport";

// The last part of a path, so that nobody's folders are stored.
absl::StatusOr<std::string> FileName(const std::string& name) {
  const std::size_t slash = name.find_last_of("/\\");
  std::string base = slash == std::string::npos ? name : name.substr(slash + 1);
  if (CharacterCount(base) > kLongestFileName) {
    return InvalidField("header.file_name", "TEXT_TOO_LONG", "at most 255 characters");
  }
  return base;
}

absl::Status CheckFormat(const pb::ImportHeader& header, const std::string& slug) {
  if (slug == "stockx" && (header.format() == pb::REPORT_FORMAT_UNSPECIFIED ||
                           header.format() == pb::REPORT_FORMAT_STOCKX_SELLER_REPORT)) {
    return absl::OkStatus();
  }
  return InvalidField("header.format", "REPORT_FORMAT_UNKNOWN",
                      "only the seller report of platforms/stockx can be imported");
}

// Whether an answer is kept under this id already.
absl::StatusOr<bool> IsAnswered(pg::Tx& tx, const std::string& id) {
  if (id.empty()) return false;
  ASSIGN_OR_RETURN(std::optional<pg::Row> row,
                   tx.Maybe("SELECT 1 AS one FROM transactions.request_results"
                            " WHERE request_id = $1 AND expires_at > now()",
                            id));
  return row.has_value();
}

absl::StatusOr<pb::ImportReportResponse> ParseKept(const std::string& bytes) {
  pb::ImportReportResponse response;
  if (!response.ParseFromString(bytes)) {
    return Error(absl::StatusCode::kInternal, "INVARIANT_BROKEN",
                 "the kept response is not of the method's type");
  }
  return response;
}

// The answer that is kept for a request with this content.
absl::StatusOr<pb::ImportReportResponse> KeptAnswer(pg::Pool& pool, const Context& context,
                                                    const pb::ImportHeader& header,
                                                    const std::string& content) {
  ASSIGN_OR_RETURN(std::string kept,
                   pool.Write(context, [&](pg::Tx& tx) -> absl::StatusOr<std::string> {
                     ASSIGN_OR_RETURN(std::optional<std::string> answer,
                                      request_id::Begin(tx, kPlumbing.request_results,
                                                        header.request_id(), kMethod, content));
                     if (answer.has_value()) return *answer;
                     return Error(absl::StatusCode::kAborted, "REQUEST_RESULT_EXPIRED",
                                  "the kept answer expired just now; send the request again");
                   }));
  return ParseKept(kept);
}

// Hands each chunk of the stream to `take`.
absl::Status ReadChunks(rpc::StreamReader<pb::ImportReportRequest>& reader,
                        const std::function<absl::Status(const std::string&)>& take) {
  while (true) {
    ASSIGN_OR_RETURN(std::optional<pb::ImportReportRequest> message, reader.Read());
    if (!message.has_value()) return absl::OkStatus();
    if (message->content_case() != pb::ImportReportRequest::kChunk) {
      return InvalidField("header", "HEADER_REPEATED", "only the first message has the header");
    }
    RETURN_IF_ERROR(take(message->chunk()));
  }
}

absl::Status WithBatch(const absl::Status& status, const std::optional<ImportBatchId>& batch) {
  if (!batch.has_value()) return status;
  return WithMetadata(status, "import_batch", ids::ResourceName("importBatches", *batch));
}

}  // namespace

ImportService::ImportService(ImportParts parts, ImporterOptions options, paging::PageSigner& signer,
                             rpc::Runner& runner)
    : parts_(std::move(parts)), options_(options), signer_(signer), runner_(runner) {}

grpc::ServerReadReactor<pb::ImportReportRequest>* ImportService::ImportReport(
    grpc::CallbackServerContext* context, pb::ImportReportResponse* response) {
  return runner_.ClientStream<pb::ImportReportRequest>(
      context, response,
      [this](const rpc::Call& call, rpc::StreamReader<pb::ImportReportRequest>& reader)
          -> absl::StatusOr<pb::ImportReportResponse> { return Import(call, reader); });
}

absl::StatusOr<pb::ImportReportResponse> ImportService::Import(
    const rpc::Call& call, rpc::StreamReader<pb::ImportReportRequest>& reader) {
  ASSIGN_OR_RETURN(std::optional<pb::ImportReportRequest> first, reader.Read());
  if (!first.has_value() || !first->has_header()) {
    return InvalidField("header", "HEADER_MISSING", "the first message must be the header");
  }
  const pb::ImportHeader header = first->header();
  RETURN_IF_ERROR(request_id::Validate(header.request_id()));
  ASSIGN_OR_RETURN(std::string slug, PlatformSlug(header.platform(), "header.platform"));
  ASSIGN_OR_RETURN(std::string file_name, FileName(header.file_name()));
  bool is_answered = false;
  ASSIGN_OR_RETURN(Platform platform,
                   parts_.pool.Read(call.context(), [&](pg::Tx& tx) -> absl::StatusOr<Platform> {
                     ASSIGN_OR_RETURN(is_answered, IsAnswered(tx, header.request_id()));
                     return FindPlatform(tx, slug, "header.platform");
                   }));
  RETURN_IF_ERROR(CheckFormat(header, slug));

  ContentDigest digest(header);
  if (is_answered) return Repeat(call, reader, header, digest);
  Importer importer(parts_, options_, call.context(), std::move(platform), std::move(file_name),
                    [&](pg::Tx& tx) -> absl::Status {
                      ASSIGN_OR_RETURN(is_answered, IsAnswered(tx, header.request_id()));
                      if (!is_answered) return absl::OkStatus();
                      return Error(absl::StatusCode::kAborted, "REQUEST_ANSWERED",
                                   "the same request was answered just now");
                    });
  pb::ImportReportResponse response;
  absl::Status status = ReadChunks(reader, [&](const std::string& chunk) {
    digest.Update(chunk);
    return importer.Feed(chunk);
  });
  // A twin of this call ended between the first look and the start of the batch.
  if (is_answered) return Repeat(call, reader, header, digest);
  std::string content;
  if (status.ok()) {
    content = digest.Finish();
    status = importer.Finish([&](pg::Tx& tx, const ImportBatch& batch) -> absl::Status {
      ASSIGN_OR_RETURN(*response.mutable_batch(), ToProto(batch));
      ASSIGN_OR_RETURN(
          std::optional<std::string> kept,
          request_id::Begin(tx, kPlumbing.request_results, header.request_id(), kMethod, content));
      if (kept.has_value()) {
        ASSIGN_OR_RETURN(response, ParseKept(*kept));
        return absl::OkStatus();
      }
      return request_id::Finish(tx, kPlumbing.request_results, header.request_id(),
                                response.SerializeAsString());
    });
  }
  if (status.ok()) return response;
  // A file of one line opens its batch only at its end.
  if (is_answered) return KeptAnswer(parts_.pool, call.context(), header, content);
  importer.Fail(status);
  return WithBatch(status, importer.batch());
}

absl::StatusOr<pb::ImportReportResponse> ImportService::Repeat(
    const rpc::Call& call, rpc::StreamReader<pb::ImportReportRequest>& reader,
    const pb::ImportHeader& header, ContentDigest& digest) {
  RETURN_IF_ERROR(ReadChunks(reader, [&](const std::string& chunk) {
    digest.Update(chunk);
    return absl::OkStatus();
  }));
  return KeptAnswer(parts_.pool, call.context(), header, digest.Finish());
}

grpc::ServerUnaryReactor* ImportService::GetImportBatch(grpc::CallbackServerContext* context,
                                                        const pb::GetImportBatchRequest* request,
                                                        pb::ImportBatch* response) {
  return runner_.Unary(
      context, request, response,
      [this](const rpc::Call& call,
             const pb::GetImportBatchRequest& in) -> absl::StatusOr<pb::ImportBatch> {
        ASSIGN_OR_RETURN(ImportBatchId id,
                         ids::IdFromName<ImportBatchId>(in.name(), "importBatches", "name"));
        ASSIGN_OR_RETURN(ImportBatch batch, parts_.pool.Read(call.context(), [&](pg::Tx& tx) {
          return GetBatch(tx, id);
        }));
        return ToProto(batch);
      });
}

grpc::ServerUnaryReactor* ImportService::ListImportBatches(
    grpc::CallbackServerContext* context, const pb::ListImportBatchesRequest* request,
    pb::ListImportBatchesResponse* response) {
  return runner_.Unary(
      context, request, response,
      [this](const rpc::Call& call, const pb::ListImportBatchesRequest& in)
          -> absl::StatusOr<pb::ListImportBatchesResponse> {
        ASSIGN_OR_RETURN(const paging::TokenSigner* signer, signer_.Get(call.context()));
        ASSIGN_OR_RETURN(
            paging::ListQuery query,
            paging::ListQuery::Make(
                ListImportBatchesSpec(),
                {.filter = in.filter(), .page_size = in.page_size(), .page_token = in.page_token()},
                *signer));
        return parts_.pool.Read(call.context(), [&](pg::Tx& tx) { return ListBatches(tx, query); });
      });
}

grpc::ServerUnaryReactor* ImportService::ListImportRecords(
    grpc::CallbackServerContext* context, const pb::ListImportRecordsRequest* request,
    pb::ListImportRecordsResponse* response) {
  return runner_.Unary(
      context, request, response,
      [this](const rpc::Call& call, const pb::ListImportRecordsRequest& in)
          -> absl::StatusOr<pb::ListImportRecordsResponse> {
        ASSIGN_OR_RETURN(ImportBatchId id,
                         ids::IdFromName<ImportBatchId>(in.parent(), "importBatches", "parent"));
        const std::string scope = id.text();
        ASSIGN_OR_RETURN(const paging::TokenSigner* signer, signer_.Get(call.context()));
        ASSIGN_OR_RETURN(paging::ListQuery query,
                         paging::ListQuery::Make(ListImportRecordsSpec(),
                                                 {.filter = in.filter(),
                                                  .page_size = in.page_size(),
                                                  .page_token = in.page_token(),
                                                  .scope = scope},
                                                 *signer, 2));
        return parts_.pool.Read(call.context(),
                                [&](pg::Tx& tx) { return ListRecords(tx, id, query); });
      });
}

}  // namespace lockstep::orders
