// The orders service: orders import, orders list, reconcile.
#include <fstream>

#include "common/rpc/channel.h"
#include "common/rpc/status.h"
#include "common/status/error.h"
#include "lockstep/orders/v1/import_service.grpc.pb.h"
#include "lockstep/orders/v1/order_service.grpc.pb.h"
#include "services/migration/cli/commands.h"
#include "services/migration/engine/run/engine.h"
#include "services/migration/engine/run/failure.h"

namespace lockstep::cli {
namespace {

namespace orders = lockstep::orders::v1;

constexpr std::size_t kChunkBytes = 256 << 10;
constexpr absl::Duration kImportTimeout = absl::Hours(6);
constexpr absl::Duration kCallTimeout = absl::Seconds(60);

// "1234.50 EUR", exact.
std::string MoneyText(const google::type::Money& money) {
  if (money.currency_code().empty()) return "";
  const bool is_negative = money.units() < 0 || money.nanos() < 0;
  const std::string cents = std::to_string(std::abs(money.nanos()) / 10'000'000);
  return (is_negative ? "-" : "") + std::to_string(std::abs(money.units())) + "." +
         (cents.size() < 2 ? "0" : "") + cents + " " + money.currency_code();
}

absl::Status Explain(absl::Status status, const std::string& endpoint) {
  if (ReasonOf(status) == "PEER_UNREACHABLE") {
    return Error(absl::StatusCode::kUnavailable, "SERVICE_UNREACHABLE",
                 "the orders service does not answer at " + endpoint +
                     "; start it, or name another with --orders-endpoint");
  }
  return status;
}

struct ImportFlags {
  std::string platform;
  std::string file;
};

// Sends the file; the stream may end early when the service refuses it.
absl::Status SendFile(std::ifstream& file,
                      grpc::ClientWriter<orders::ImportReportRequest>& writer) {
  std::string buffer(kChunkBytes, '\0');
  while (file.read(buffer.data(), static_cast<std::streamsize>(buffer.size())), file.gcount() > 0) {
    orders::ImportReportRequest request;
    request.set_chunk(buffer.data(), static_cast<std::size_t>(file.gcount()));
    if (!writer.Write(request)) return absl::OkStatus();
  }
  if (file.bad()) {
    return Error(absl::StatusCode::kDataLoss, "FILE_NOT_READABLE",
                 "reading the file failed half-way");
  }
  writer.WritesDone();
  return absl::OkStatus();
}

void PrintBatch(const orders::ImportBatch& batch, const Output& output) {
  output.Line(batch.name() + ": " + std::to_string(batch.row_count()) + " rows");
  output.Line("  inserted     " + std::to_string(batch.inserted_count()));
  output.Line("  updated      " + std::to_string(batch.updated_count()));
  output.Line("  unchanged    " + std::to_string(batch.unchanged_count()));
  output.Line("  skipped      " + std::to_string(batch.skipped_count()));
  output.Line("  quarantined  " + std::to_string(batch.quarantined_count()));
  for (const auto& total : batch.totals()) {
    output.Line("  gross " + MoneyText(total.gross_sale()) + ", payouts " +
                MoneyText(total.net_proceeds()));
  }
}

int Import(const Session& session, const Output& output, const ImportFlags& flags) {
  std::ifstream file(flags.file, std::ios::binary);
  if (!file) {
    return Finish(InvalidField("FILE", "FILE_NOT_READABLE", "cannot read " + flags.file), output);
  }
  auto stub = orders::ImportService::NewStub(rpc::MakeChannel(session.options.orders_endpoint));
  rpc::ClientCall call(Context::WithTimeout(kImportTimeout), migration::NewUuid(), kImportTimeout);
  orders::ImportReportResponse response;
  auto writer = stub->ImportReport(call.context(), &response);
  orders::ImportReportRequest header;
  header.mutable_header()->set_platform("platforms/" + flags.platform);
  header.mutable_header()->set_file_name(flags.file.substr(flags.file.find_last_of('/') + 1));
  header.mutable_header()->set_request_id(migration::NewUuid());
  absl::Status sent;
  if (writer->Write(header)) sent = SendFile(file, *writer);
  if (!sent.ok()) call.context()->TryCancel();
  const absl::Status status =
      Explain(rpc::FromGrpc(writer->Finish()), session.options.orders_endpoint);
  if (!sent.ok()) return Finish(sent, output);
  if (!status.ok()) return Finish(status, output);
  if (output.json()) {
    output.Json(response.batch());
  } else {
    PrintBatch(response.batch(), output);
    if (response.batch().quarantined_count() > 0) {
      output.Progress(std::to_string(response.batch().quarantined_count()) +
                      " rows were set aside; ImportService.ListImportRecords has their reasons");
    }
  }
  return 0;
}

struct ListFlags {
  std::string filter;
  std::string order_by;
  std::string page_token;
  int page_size = 20;
};

int List(const Session& session, const Output& output, const ListFlags& flags) {
  auto stub = orders::OrderService::NewStub(rpc::MakeChannel(session.options.orders_endpoint));
  rpc::ClientCall call(Context::WithTimeout(kCallTimeout), migration::NewUuid(), kCallTimeout);
  orders::ListOrdersRequest request;
  request.set_filter(flags.filter);
  request.set_order_by(flags.order_by);
  request.set_page_size(flags.page_size);
  request.set_page_token(flags.page_token);
  orders::ListOrdersResponse response;
  const absl::Status status =
      Explain(rpc::FromGrpc(stub->ListOrders(call.context(), request, &response)),
              session.options.orders_endpoint);
  if (!status.ok()) return Finish(status, output);
  if (output.json()) {
    output.Json(response);
    return 0;
  }
  std::vector<std::vector<std::string>> rows;
  for (const auto& order : response.orders()) {
    std::string order_status = orders::OrderStatus_Name(order.status());
    order_status = order_status.substr(std::string("ORDER_STATUS_").size());
    rows.push_back({TimeText(order.sold_at()), order.platform(), order.external_id(), order_status,
                    MoneyText(order.gross_sale()), MoneyText(order.net_proceeds()),
                    order.buyer_destination_country(), order.name()});
  }
  output.Table(
      {"SOLD (UTC)", "PLATFORM", "EXTERNAL ID", "STATUS", "GROSS", "NET", "COUNTRY", "NAME"}, rows);
  if (!response.next_page_token().empty()) {
    output.Progress("more: --page-token " + response.next_page_token());
  }
  return 0;
}

int Reconcile(const Session& session, const Output& output) {
  auto stub = orders::OrderService::NewStub(rpc::MakeChannel(session.options.orders_endpoint));
  const absl::Duration timeout = absl::Minutes(10);
  rpc::ClientCall call(Context::WithTimeout(timeout), migration::NewUuid(), timeout);
  orders::ReconcileItemsResponse response;
  const absl::Status status =
      Explain(rpc::FromGrpc(
                  stub->ReconcileItems(call.context(), orders::ReconcileItemsRequest(), &response)),
              session.options.orders_endpoint);
  if (!status.ok()) return Finish(status, output);
  if (output.json()) {
    output.Json(response);
  } else {
    std::vector<std::vector<std::string>> rows;
    for (const auto& difference : response.differences()) {
      std::string kind = orders::ItemDifferenceKind_Name(difference.kind());
      rows.push_back({kind.substr(std::string("ITEM_DIFFERENCE_KIND_").size()), difference.order(),
                      difference.inventory_item(), difference.detail()});
    }
    if (!rows.empty()) output.Table({"KIND", "ORDER", "ITEM", "FOUND"}, rows);
    output.Progress(std::to_string(response.completed_order_count()) +
                    " completed orders compared, " +
                    std::to_string(response.pending_event_count()) + " events under way, " +
                    std::to_string(rows.size()) + " differences");
  }
  return response.differences().empty() ? 0 : static_cast<int>(migration::ExitClass::kDrift);
}

}  // namespace

void AddOrderCommands(CLI::App& app, Action& action) {
  auto* group = app.add_subcommand("orders", "imports and lists orders");
  group->require_subcommand(1);

  auto* import = group->add_subcommand("import", "imports a marketplace's sales report");
  auto import_flags = std::make_shared<ImportFlags>();
  import
      ->add_option("--platform", import_flags->platform, "slug of the platform, for example stockx")
      ->required();
  import->add_option("FILE", import_flags->file, "the report (CSV)")->required();
  import->callback([&action, import_flags] {
    action = [import_flags](const Session& session, const Output& output) {
      return Import(session, output, *import_flags);
};
}  // namespace lockstep::cli
);

auto* list = group->add_subcommand("list", "one page of orders, newest sale first");
auto list_flags = std::make_shared<ListFlags>();
list->add_option("--filter", list_flags->filter,
                 R"(for example: platform = "stockx" AND gross_sale > 100)");
list->add_option("--order-by", list_flags->order_by, "for example: gross_sale desc");
list->add_option("--page-size", list_flags->page_size, "at most so many (1 to 1000, default 20)")
    ->check(CLI::Range(1, 1000));
list->add_option("--page-token", list_flags->page_token, "continues a listing");
list->callback([&action, list_flags] {
  action = [list_flags](const Session& session, const Output& output) {
    return List(session, output, *list_flags);
  };
});

app.add_subcommand("reconcile",
                   "compares completed orders with sold items; exit 3 when they differ")
    ->callback([&action] { action = Reconcile; });
}

}  // namespace lockstep::cli
