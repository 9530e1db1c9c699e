#include "services/finance/report_service.h"

#include <optional>
#include <string>
#include <vector>

#include "common/ids/resource_name.h"
#include "common/money/proto.h"
#include "common/status/macros.h"
#include "common/time/proto.h"
#include "services/finance/report_repository.h"
#include "services/finance/statement.h"

namespace lockstep::finance {
namespace {

namespace pb = ::lockstep::finance::v1;

// Sets a Money field when there is an amount; absent stays absent.
template <typename Message>
void Set(const std::optional<Money>& amount, google::type::Money* (Message::*field)(),
         Message& message) {
  if (amount.has_value()) *(message.*field)() = money::ToProto(*amount);
}

void FillLine(const ExpenseSum& sum, pb::ExpenseLine& message) {
  message.set_category(std::string(ToText(sum.category)));
  *message.mutable_amount() = money::ToProto(sum.amount);
  message.set_expense_count(sum.count);
}

void FillMemo(const Statement& statement, pb::ProfitAndLossMemo& message) {
  using Memo = pb::ProfitAndLossMemo;
  const SalesSums& sales = statement.sales;
  Set(sales.net_proceeds, &Memo::mutable_net_proceeds, message);
  message.set_missing_net_proceeds_count(sales.missing_net_proceeds);
  Set(statement.reclaimable_vat, &Memo::mutable_reclaimable_vat, message);
  message.set_missing_vat_count(statement.missing_vat);
  Set(statement.cash_payouts, &Memo::mutable_cash_payouts, message);
  Set(sales.open_payouts, &Memo::mutable_open_payouts, message);
  message.set_open_payout_count(sales.open_payout_count);
  message.set_unknown_payout_count(sales.unknown_payout_count);
}

void FillStatement(const Statement& statement, pb::ProfitAndLossStatement& message) {
  using Lines = pb::ProfitAndLossStatement;
  const SalesSums& sales = statement.sales;
  message.set_currency_code(statement.currency().code());
  message.set_sale_count(sales.sale_count);
  message.set_return_count(sales.return_count);
  Set(sales.revenue, &Lines::mutable_revenue, message);
  Set(sales.platform_fees, &Lines::mutable_platform_fees, message);
  Set(sales.shipping, &Lines::mutable_shipping, message);
  Set(sales.cost_of_goods, &Lines::mutable_cost_of_goods, message);
  Set(statement.gross_result, &Lines::mutable_gross_result, message);
  Set(statement.expenses, &Lines::mutable_expenses, message);
  Set(statement.net_result, &Lines::mutable_net_result, message);
  message.set_missing_revenue_count(sales.missing_revenue);
  message.set_missing_platform_fee_count(sales.missing_platform_fee);
  message.set_missing_shipping_count(sales.missing_shipping);
  message.set_missing_cost_count(sales.missing_cost);
  for (const ExpenseSum& line : statement.expense_lines) {
    FillLine(line, *message.add_expense_lines());
  }
  if (statement.excluded_platform_fees.has_value()) {
    FillLine(*statement.excluded_platform_fees, *message.mutable_excluded_platform_fees());
  }
  FillMemo(statement, *message.mutable_memo());
}

absl::Status FillFigures(const PlatformSums& sums, pb::PlatformFigures& message) {
  using Figures = pb::PlatformFigures;
  message.set_platform(ids::ResourceName("platforms", sums.slug));
  message.set_platform_display_name(sums.name);
  message.set_currency_code(sums.currency.code());
  message.set_order_count(sums.order_count);
  Set(sums.revenue, &Figures::mutable_revenue, message);
  Set(sums.platform_fees, &Figures::mutable_platform_fees, message);
  Set(sums.shipping, &Figures::mutable_shipping, message);
  ASSIGN_OR_RETURN(const std::optional<Money> mean,
                   Mean(sums.revenue, sums.order_count - sums.missing_revenue));
  Set(mean, &Figures::mutable_mean_order_value, message);
  Set(sums.net_proceeds, &Figures::mutable_net_proceeds, message);
  Set(sums.net_profit, &Figures::mutable_net_profit, message);
  message.set_missing_revenue_count(sums.missing_revenue);
  message.set_missing_platform_fee_count(sums.missing_platform_fee);
  message.set_missing_shipping_count(sums.missing_shipping);
  message.set_missing_net_proceeds_count(sums.missing_net_proceeds);
  message.set_missing_net_profit_count(sums.missing_net_profit);
  return absl::OkStatus();
}

absl::StatusOr<std::optional<absl::CivilDay>> OptionalDay(bool is_set,
                                                          const google::type::Date& message,
                                                          const char* field) {
  if (!is_set) return std::optional<absl::CivilDay>();
  ASSIGN_OR_RETURN(absl::CivilDay day, time::FromProto(message, field));
  return std::optional<absl::CivilDay>(day);
}

// "" stays ""; "platforms/stockx" and "stockx" are the same.
absl::StatusOr<std::string> PlatformSlug(const std::string& platform) {
  if (platform.empty() || ids::IsSlug(platform)) return platform;
  return ids::SlugFromName(platform, "platforms", "platform");
}

}  // namespace

ReportService::ReportService(pg::Pool& read_pool, rpc::Runner& runner)
    : read_pool_(read_pool), runner_(runner) {}

grpc::ServerUnaryReactor* ReportService::ProfitAndLoss(grpc::CallbackServerContext* context,
                                                       const pb::ProfitAndLossRequest* request,
                                                       pb::ProfitAndLossResponse* response) {
  return runner_.Unary(
      context, request, response,
      [this](const rpc::Call& call,
             const pb::ProfitAndLossRequest& in) -> absl::StatusOr<pb::ProfitAndLossResponse> {
        DayRange range;
        ASSIGN_OR_RETURN(range.start, time::FromProto(in.start_date(), "start_date"));
        ASSIGN_OR_RETURN(range.end, time::FromProto(in.end_date(), "end_date"));
        RETURN_IF_ERROR(CheckRange(range));
        ASSIGN_OR_RETURN(const std::string slug, PlatformSlug(in.platform()));
        ASSIGN_OR_RETURN(
            const ReportSums sums,
            read_pool_.Read(call.context(), [&](pg::Tx& tx) -> absl::StatusOr<ReportSums> {
              std::optional<ids::Uuid> platform;
              if (!slug.empty()) {
                ASSIGN_OR_RETURN(platform, FindPlatform(tx, slug, "platform"));
              }
              return ReadReportSums(tx, range, platform);
            }));
        ASSIGN_OR_RETURN(const std::vector<Statement> statements, MakeStatements(sums));
        pb::ProfitAndLossResponse out;
        for (const Statement& statement : statements) {
          FillStatement(statement, *out.add_statements());
        }
        return out;
      });
}

grpc::ServerUnaryReactor* ReportService::PlatformPerformance(
    grpc::CallbackServerContext* context, const pb::PlatformPerformanceRequest* request,
    pb::PlatformPerformanceResponse* response) {
  return runner_.Unary(
      context, request, response,
      [this](const rpc::Call& call, const pb::PlatformPerformanceRequest& in)
          -> absl::StatusOr<pb::PlatformPerformanceResponse> {
        ASSIGN_OR_RETURN(const std::optional<absl::CivilDay> start,
                         OptionalDay(in.has_start_date(), in.start_date(), "start_date"));
        ASSIGN_OR_RETURN(const std::optional<absl::CivilDay> end,
                         OptionalDay(in.has_end_date(), in.end_date(), "end_date"));
        if (start.has_value() && end.has_value()) RETURN_IF_ERROR(CheckRange({*start, *end}));
        ASSIGN_OR_RETURN(const std::vector<PlatformSums> platforms,
                         read_pool_.Read(call.context(), [&](pg::Tx& tx) {
                           return ReadPlatformSums(tx, start, end);
                         }));
        pb::PlatformPerformanceResponse out;
        for (const PlatformSums& sums : platforms) {
          RETURN_IF_ERROR(FillFigures(sums, *out.add_figures()));
        }
        return out;
      });
}

}  // namespace lockstep::finance
