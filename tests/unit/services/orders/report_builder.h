// Makes StockX seller reports for tests: rows by column name, everything else as in a real row.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace lockstep::orders {

class ReportBuilder {
 public:
  using Row = std::map<std::string, std::string>;

  // The 44 columns in the order of the real report.
  static const std::vector<std::string>& Columns() {
    static const auto& columns =
        *new std::vector<std::string>{"Seller Name",
                                      "Seller Address (Billing)",
                                      "Seller VAT Number",
                                      "Sold To Name",
                                      "Sold To address",
                                      "Sold to VAT Number",
                                      "Fiscal Representative Name",
                                      "Fiscal Representative Address",
                                      "StockX Destination Address",
                                      "Payout date",
                                      "Invoice Date",
                                      "Invoice Number",
                                      "Item",
                                      "Sku Name",
                                      "Sku Size",
                                      "Style",
                                      "Order Number",
                                      "Sale Date",
                                      "Seller Tracking Number",
                                      "Buyer Destination Country",
                                      "Buyer Destination City",
                                      "Buyer Tracking Number",
                                      "Quantity",
                                      "Ship From Address",
                                      "Ship To Address",
                                      "Seller Fee",
                                      "Seller Fee Currency",
                                      "Payment Processing",
                                      "Payment Processing Currency",
                                      "Shipping Fee",
                                      "Shipping Fee Currency",
                                      "VAT Rate",
                                      "Total Net Amount (Payout Excluding VAT)",
                                      "Total Net Amount (Payout Excluding VAT) Currency",
                                      "Listing Price",
                                      "Listing Price Currency",
                                      "Total Gross Amount (Total Payout)",
                                      "Total Gross Amount (Total Payout) Currency",
                                      "Total VAT Amount",
                                      "Total VAT Amount Currency",
                                      "Payout ID",
                                      "Special references",
                                      "Provider Transaction ID",
                                      "Total Invoice Amount"};
    return columns;
  }

  // A row that adds up: 100.00 - 7.00 - 3.00 - 0.83 = 89.17.
  static Row Standard(std::string order_number) {
    return {{"Seller Name", "Erika Mustermann"},
            {"Seller Address (Billing)", "Heidestr. 17, Köln"},
            {"Seller VAT Number", "DE999999999"},
            {"Ship From Address", "Heidestr. 17, Köln"},
            {"Payout date", "2024-03-05 08:00:00 +00"},
            {"Invoice Number", "90000001-" + order_number},
            {"Item", "Nike Dunk Low Panda"},
            {"Sku Size", "10.5"},
            {"Style", "DD1391-100"},
            {"Order Number", std::move(order_number)},
            {"Sale Date", "2024-03-01 12:30:00 +00"},
            {"Buyer Destination Country", "France"},
            {"Buyer Destination City", "Lyon"},
            {"Quantity", "1"},
            {"Seller Fee", "7"},
            {"Seller Fee Currency", "EUR"},
            {"Payment Processing", "3"},
            {"Payment Processing Currency", "EUR"},
            {"Shipping Fee", "0.83"},
            {"Shipping Fee Currency", "EUR"},
            {"Listing Price", "100"},
            {"Listing Price Currency", "EUR"},
            {"Total Gross Amount (Total Payout)", "89.17"},
            {"Total Gross Amount (Total Payout) Currency", "EUR"},
            {"Special references", "1) Intra-EU supply\n2) Self-billing"}};
  }

  static std::vector<std::string> Fields(const Row& row) {
    std::vector<std::string> fields;
    for (const std::string& column : Columns()) {
      const auto it = row.find(column);
      fields.push_back(it == row.end() ? "" : it->second);
    }
    return fields;
  }

  ReportBuilder() {
    for (const std::string& column : Columns()) text_ += (text_.empty() ? "" : ",") + column;
    text_ += "\n";
  }
  ReportBuilder& Add(const Row& row) {
    std::string line;
    for (const std::string& field : Fields(row)) {
      if (!line.empty()) line += ",";
      line += Quoted(field);
    }
    text_ += line + "\n";
    return *this;
  }
  ReportBuilder& Add(std::string order_number, const Row& changes) {
    Row row = Standard(std::move(order_number));
    for (const auto& [column, value] : changes) row[column] = value;
    return Add(row);
  }
  const std::string& text() const { return text_; }

 private:
  static std::string Quoted(const std::string& field) {
    std::string out = "\"";
    for (const char c : field) {
      if (c == '"') out += '"';
      out += c;
    }
    return out + "\"";
  }

  std::string text_;
};

}  // namespace lockstep::orders
