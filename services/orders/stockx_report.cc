#include "services/orders/stockx_report.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "absl/strings/str_format.h"
#include "common/money/limits.h"
#include "common/status/error.h"
#include "common/status/macros.h"
#include "common/time/time.h"
#include "services/orders/json_text.h"

namespace lockstep::orders {

enum StockxReport::Column : std::size_t {
  kOrderNumber,
  kSaleDate,
  kItem,
  kStyle,
  kSize,
  kPrice,
  kPriceCurrency,
  kSellerFee,
  kSellerFeeCurrency,
  kProcessing,
  kProcessingCurrency,
  kShipping,
  kShippingCurrency,
  kPayout,
  kPayoutCurrency,
  kPayoutDate,
  kInvoice,
  kCountry,
  kCity,
  kQuantity,
};

namespace {

constexpr std::array<std::string_view, 20> kUsedNames = {
    "Order Number",
    "Sale Date",
    "Item",
    "Style",
    "Sku Size",
    "Listing Price",
    "Listing Price Currency",
    "Seller Fee",
    "Seller Fee Currency",
    "Payment Processing",
    "Payment Processing Currency",
    "Shipping Fee",
    "Shipping Fee Currency",
    "Total Gross Amount (Total Payout)",
    "Total Gross Amount (Total Payout) Currency",
    "Payout date",
    "Invoice Number",
    "Buyer Destination Country",
    "Buyer Destination City",
    "Quantity",
};

// Kept in the payload besides those that are used. What is in neither list (seller, billing and
// shipping addresses, tax numbers) is not stored (H-29).
constexpr std::array<std::string_view, 13> kAlsoKept = {
    "Invoice Date",
    "Sku Name",
    "Seller Tracking Number",
    "Buyer Tracking Number",
    "VAT Rate",
    "Total Net Amount (Payout Excluding VAT)",
    "Total Net Amount (Payout Excluding VAT) Currency",
    "Total VAT Amount",
    "Total VAT Amount Currency",
    "Payout ID",
    "Special references",
    "Provider Transaction ID",
    "Total Invoice Amount",
};

// What the catalog and the columns take, in bytes where the text is ASCII and in characters of at
// most 4 bytes else.
constexpr std::size_t kLongestOrderNumber = 90;
constexpr std::size_t kLongestItemName = 255;
constexpr std::size_t kLongestSku = 100;
constexpr std::size_t kLongestSize = 20;
constexpr std::size_t kLongestCountry = 100;
constexpr std::size_t kLongestCity = 200;

std::string_view Trim(std::string_view text) {
  // What the catalog takes for white space.
  const auto is_blank = [](char c) { return c == ' ' || (c >= '\t' && c <= '\r'); };
  while (!text.empty() && is_blank(text.front())) text.remove_prefix(1);
  while (!text.empty() && is_blank(text.back())) text.remove_suffix(1);
  return text;
}

bool IsAbsent(std::string_view text) { return text.empty() || text == "N/A"; }

std::size_t Characters(std::string_view text) {
  return static_cast<std::size_t>(std::count_if(text.begin(), text.end(), [](char c) {
    return (static_cast<unsigned char>(c) & 0xC0U) != 0x80U;
  }));
}

bool IsDigit(char c) { return c >= '0' && c <= '9'; }
bool IsWordCharacter(char c) {
  return IsDigit(c) || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
}

bool IsOrderNumber(std::string_view text) {
  return text.size() <= kLongestOrderNumber && std::all_of(text.begin(), text.end(), [](char c) {
           return IsWordCharacter(c) || c == '-' || c == '_';
         });
}

// 8-8 or 9-9 digits are standard sales; "02-" and "06-" with ten letters or digits are Flex and
// Direct (domain.md 4.3).
std::optional<std::string> InventoryType(std::string_view number) {
  const std::size_t hyphen = number.find('-');
  if (hyphen == std::string_view::npos) return std::nullopt;
  const std::string_view left = number.substr(0, hyphen);
  const std::string_view right = number.substr(hyphen + 1);
  const auto are = [](std::string_view text, bool (*is)(char)) {
    return std::all_of(text.begin(), text.end(), is);
  };
  if ((left.size() == 8 || left.size() == 9) && right.size() == left.size() && are(left, IsDigit) &&
      are(right, IsDigit)) {
    return "STANDARD";
  }
  if (right.size() != 10 || !are(right, IsWordCharacter)) return std::nullopt;
  if (left == "02") return "FLEX";
  if (left == "06") return "DIRECT";
  return std::nullopt;
}

struct Figures {
  Money gross_sale, platform_fee, shipping_cost, net_proceeds, residual;
  FeeItemisation itemisation;
};

// Amounts are bounded by CheckAmount, so sums of five cannot overflow.
Figures Itemise(const Money& price, const Money& payout, const std::optional<Money>& seller_fee,
                const std::optional<Money>& processing, const std::optional<Money>& shipping) {
  const Currency& currency = price.currency();
  const auto minor = [](const std::optional<Money>& part) {
    return part.has_value() ? part->minor() : 0;
  };
  const std::int64_t fee = price.minor() - minor(shipping) - payout.minor();
  const std::int64_t residual = fee - minor(seller_fee) - minor(processing);
  FeeItemisation itemisation = FeeItemisation::kUnitemised;
  if (residual == 0) {
    itemisation = FeeItemisation::kExact;
  } else if (residual == 1 || residual == -1) {
    itemisation = FeeItemisation::kRounded;
  }
  return {.gross_sale = price,
          .platform_fee = Money(currency, fee),
          .shipping_cost = Money(currency, minor(shipping)),
          .net_proceeds = payout,
          .residual = Money(currency, residual),
          .itemisation = itemisation};
}

std::optional<std::string> OptionalText(std::string_view text) {
  if (text.empty()) return std::nullopt;
  return std::string(text);
}

}  // namespace

// Reads the fields of one row and collects what is wrong with them.
class StockxReport::RowReader {
 public:
  RowReader(const StockxReport& report, std::span<const std::string_view> fields)
      : report_(report), fields_(fields) {}

  std::string_view Text(Column column) const { return Trim(fields_[report_.used_.at(column)]); }
  std::string_view Known(Column column) const {
    const std::string_view text = Text(column);
    return IsAbsent(text) ? std::string_view() : text;
  }

  void Report(std::string reason, Column column, std::string message) {
    problems_.push_back(
        {std::move(reason), std::string(kUsedNames.at(column)), std::move(message)});
  }

  std::string_view Limited(Column column, std::size_t longest) {
    const std::string_view text = Known(column);
    if (Characters(text) > longest) {
      Report("TEXT_TOO_LONG", column, absl::StrFormat("at most %d characters", longest));
    }
    return text;
  }

  // The one currency of the row.
  std::optional<Currency> ReadCurrency() {
    const std::string_view code = Known(kPriceCurrency);
    for (const Column column :
         {kSellerFeeCurrency, kProcessingCurrency, kShippingCurrency, kPayoutCurrency}) {
      const std::string_view other = Known(column);
      if (other.empty() || other == code) continue;
      Report("CURRENCIES_DIFFER", column, "the amounts of a sale must be in one currency");
    }
    absl::StatusOr<Currency> currency = Currency::Parse(code);
    if (currency.ok()) return *currency;
    Report("CURRENCY_UNKNOWN", kPriceCurrency, "not the code of a currency in circulation");
    return std::nullopt;
  }

  // An amount that may be absent; nullopt also after a problem.
  std::optional<Money> Amount(Column column, const Currency& currency, money::AmountSign sign) {
    const std::string_view text = Known(column);
    if (text.empty()) return std::nullopt;
    absl::StatusOr<Money> amount = money::ParseMoney(text, currency);
    if (!amount.ok()) {
      const std::string reason = ReasonOf(amount.status());
      Report(reason == "AMOUNT_TOO_FINE" ? reason : "AMOUNT_MALFORMED", column,
             "want a number with a decimal point, no finer than the currency");
      return std::nullopt;
    }
    if (const absl::Status status = money::CheckAmount(*amount, kUsedNames.at(column), sign);
        !status.ok()) {
      Report(ReasonOf(status), column, MessageOf(status));
      return std::nullopt;
    }
    return *amount;
  }
  std::optional<Money> RequiredAmount(Column column, const Currency& currency) {
    if (Known(column).empty()) {
      Report("AMOUNT_MISSING", column, "the amount is missing");
      return std::nullopt;
    }
    return Amount(column, currency, money::AmountSign::kNotNegative);
  }

  std::optional<absl::Time> Time(Column column, const char* malformed) {
    const std::string_view text = Known(column);
    if (text.empty()) return std::nullopt;
    absl::StatusOr<absl::Time> time = time::ParseReportTime(text);
    if (time.ok()) return *time;
    Report(malformed, column, "want YYYY-MM-DD HH:MM:SS +HH");
    return std::nullopt;
  }

  // Price, payout and what is between them; nullopt after a problem.
  std::optional<Figures> ReadFigures() {
    const std::optional<Currency> currency = ReadCurrency();
    if (!currency.has_value()) return std::nullopt;
    const std::optional<Money> price = RequiredAmount(kPrice, *currency);
    const std::optional<Money> payout = RequiredAmount(kPayout, *currency);
    const std::optional<Money> fee = Amount(kSellerFee, *currency, money::AmountSign::kAny);
    const std::optional<Money> processing = Amount(kProcessing, *currency, money::AmountSign::kAny);
    const std::optional<Money> shipping = Amount(kShipping, *currency, money::AmountSign::kAny);
    if (!price.has_value() || !payout.has_value()) return std::nullopt;
    return Itemise(*price, *payout, fee, processing, shipping);
  }

  // The id that the order has here, or "".
  std::string ReadExternalId() {
    const std::string_view number = Known(kOrderNumber);
    if (number.empty()) {
      Report("ORDER_NUMBER_MISSING", kOrderNumber, "the row has no order number");
      return "";
    }
    if (!IsOrderNumber(number)) {
      Report("ORDER_NUMBER_MALFORMED", kOrderNumber,
             "want at most 90 letters, digits, hyphens and underscores");
      return "";
    }
    return "stockx_" + std::string(number);
  }

  std::vector<Problem> TakeProblems() { return std::move(problems_); }
  bool has_problems() const { return !problems_.empty(); }

 private:
  const StockxReport& report_;
  std::span<const std::string_view> fields_;
  std::vector<Problem> problems_;
};

absl::StatusOr<StockxReport> StockxReport::FromHeader(std::span<const std::string_view> names) {
  StockxReport report;
  report.field_count_ = names.size();
  const auto find = [&](std::string_view name) -> absl::StatusOr<std::optional<std::size_t>> {
    std::optional<std::size_t> found;
    for (std::size_t i = 0; i < names.size(); ++i) {
      if (Trim(names[i]) != name) continue;
      if (found.has_value()) {
        return Error(absl::StatusCode::kInvalidArgument, "REPORT_COLUMN_REPEATED",
                     "the report has a column twice")
            .With("column", name);
      }
      found = i;
    }
    return found;
  };
  std::string missing;
  for (std::size_t i = 0; i < kUsedNames.size(); ++i) {
    ASSIGN_OR_RETURN(std::optional<std::size_t> index, find(kUsedNames.at(i)));
    if (index.has_value()) {
      report.used_.at(i) = *index;
      report.kept_.emplace_back(kUsedNames.at(i), *index);
    } else {
      if (!missing.empty()) missing += ", ";
      missing += kUsedNames.at(i);
    }
  }
  if (!missing.empty()) {
    return Error(absl::StatusCode::kInvalidArgument, "REPORT_COLUMNS_MISSING",
                 absl::StrFormat("the file is not a StockX seller report in UTF-8: its first line "
                                 "lacks the columns %s",
                                 missing))
        .With("missing_columns", missing);
  }
  for (const std::string_view name : kAlsoKept) {
    ASSIGN_OR_RETURN(std::optional<std::size_t> index, find(name));
    if (index.has_value()) report.kept_.emplace_back(name, *index);
  }
  return report;
}

ReportRow StockxReport::Map(std::span<const std::string_view> fields, std::int64_t line) const {
  ReportRow row;
  row.line = line;
  JsonObject payload;
  if (fields.size() != field_count_) {
    // Nobody knows which field is which: what is kept by its place could be the seller's address.
    row.payload = std::move(payload).Finish();
    row.problems.push_back({"FIELD_COUNT_WRONG", "",
                            absl::StrFormat("the row has %d fields, the first line has %d",
                                            fields.size(), field_count_)});
    return row;
  }
  for (const auto& [name, index] : kept_) {
    if (!fields[index].empty()) payload.Text(name, fields[index]);
  }
  row.payload = std::move(payload).Finish();

  RowReader reader(*this, fields);
  row.external_id = reader.ReadExternalId();
  const std::string_view number = reader.Known(kOrderNumber);
  if (reader.Known(kSaleDate).empty()) {
    reader.Report("SALE_TIME_MISSING", kSaleDate, "a completed sale must have a time");
  }
  const std::optional<absl::Time> sold_at = reader.Time(kSaleDate, "SALE_TIME_MALFORMED");
  const std::optional<absl::Time> payout_date = reader.Time(kPayoutDate, "PAYOUT_TIME_MALFORMED");
  if (sold_at.has_value() && payout_date.has_value() && *payout_date < *sold_at) {
    reader.Report("PAYOUT_BEFORE_SALE", kPayoutDate, "the payout is earlier than the sale");
  }
  const std::string_view name = reader.Limited(kItem, kLongestItemName);
  if (name.empty()) reader.Report("ITEM_NAME_MISSING", kItem, "the row does not say what was sold");
  const std::string_view sku = reader.Limited(kStyle, kLongestSku);
  const std::string_view size = reader.Limited(kSize, kLongestSize);
  const std::string_view country = reader.Limited(kCountry, kLongestCountry);
  const std::string_view city = reader.Limited(kCity, kLongestCity);
  if (const std::string_view quantity = reader.Known(kQuantity);
      !quantity.empty() && quantity != "1") {
    reader.Report("QUANTITY_NOT_ONE", kQuantity, "a sale is of one unit");
  }

  const std::optional<Figures> figures = reader.ReadFigures();
  if (reader.has_problems()) {
    row.problems = reader.TakeProblems();
    return row;
  }
  row.sale = ReportedSale{.external_id = row.external_id,
                          .platform_number = std::string(number),
                          .inventory_type = InventoryType(number),
                          .item_name = std::string(name),
                          .sku = std::string(sku),
                          .size_text = std::string(size),
                          .sold_at = *sold_at,
                          .payout_date = payout_date,
                          .reported_at = payout_date.value_or(*sold_at),
                          .gross_sale = figures->gross_sale,
                          .platform_fee = figures->platform_fee,
                          .shipping_cost = figures->shipping_cost,
                          .net_proceeds = figures->net_proceeds,
                          .country = OptionalText(country),
                          .city = OptionalText(city),
                          .reference = std::string(reader.Known(kInvoice)),
                          .itemisation = figures->itemisation,
                          .residual = figures->residual};
  return row;
}

}  // namespace lockstep::orders
