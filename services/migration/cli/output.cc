#include "services/migration/cli/output.h"

#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>

#include "absl/time/time.h"
#include "common/json/json.h"
#include "common/status/error.h"
#include "google/protobuf/timestamp.pb.h"
#include "google/protobuf/util/json_util.h"

namespace lockstep::cli {
namespace {

const char* CodeOf(Colour colour) {
  switch (colour) {
    case Colour::kGreen:
      return "\033[32m";
    case Colour::kYellow:
      return "\033[33m";
    case Colour::kRed:
      return "\033[31m";
    case Colour::kBold:
      return "\033[1m";
    case Colour::kDim:
      return "\033[2m";
    case Colour::kNone:
      break;
  }
  return "";
}

std::string Painted(std::string_view text, Colour colour, bool is_on) {
  if (!is_on || colour == Colour::kNone || text.empty()) return std::string(text);
  return CodeOf(colour) + std::string(text) + "\033[0m";
}

// Characters, not bytes; escape sequences of Paint() take no room.
std::size_t WidthOf(std::string_view text) {
  std::size_t width = 0;
  bool is_escape = false;
  for (const char c : text) {
    if (is_escape) {
      is_escape = c != 'm';
    } else if (c == '\033') {
      is_escape = true;
    } else if ((static_cast<unsigned char>(c) & 0xC0) != 0x80) {
      ++width;
    }
  }
  return width;
}

}  // namespace

Output::Output(bool json) : json_(json) {
  const char* no_colour = std::getenv("NO_COLOR");
  const bool is_allowed = no_colour == nullptr || *no_colour == '\0';
  colour_out_ = is_allowed && !json && isatty(STDOUT_FILENO) != 0;
  colour_error_ = is_allowed && isatty(STDERR_FILENO) != 0;
}

void Output::Json(const google::protobuf::Message& message) const {
  google::protobuf::util::JsonPrintOptions options;
  options.add_whitespace = true;
  options.always_print_primitive_fields = true;
  options.preserve_proto_field_names = true;
  std::string text;
  if (google::protobuf::util::MessageToJsonString(message, &text, options).ok()) {
    std::fputs(text.c_str(), stdout);
  }
}

void Output::Json(const std::string& document) const { Line(document); }

void Output::Line(std::string_view text) const {
  std::fwrite(text.data(), 1, text.size(), stdout);
  std::fputc('\n', stdout);
}

void Output::Table(const std::vector<std::string>& header,
                   const std::vector<std::vector<std::string>>& rows) const {
  std::vector<std::size_t> widths;
  for (const std::string& name : header) widths.push_back(WidthOf(name));
  for (const auto& row : rows) {
    for (std::size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], WidthOf(row[i]));
  }
  const auto print = [&](const std::vector<std::string>& cells, Colour colour) {
    std::string line;
    for (std::size_t i = 0; i < cells.size(); ++i) {
      line += Paint(cells[i], colour);
      if (i + 1 < cells.size()) line.append(widths[i] - WidthOf(cells[i]) + 2, ' ');
    }
    while (!line.empty() && line.back() == ' ') line.pop_back();
    Line(line);
  };
  print(header, Colour::kBold);
  for (const auto& row : rows) print(row, Colour::kNone);
}

void Output::Progress(std::string_view text) const {
  std::fflush(stdout);
  std::fwrite(text.data(), 1, text.size(), stderr);
  std::fputc('\n', stderr);
}

void Output::Error(const absl::Status& status) const {
  if (json_) Line(R"({"error":)" + ErrorJson(status) + "}");
  ExplainError(status);
}

std::string Output::ErrorJson(const absl::Status& status) {
  nlohmann::ordered_json error;
  error["code"] = std::string(absl::StatusCodeToString(status.code()));
  error["reason"] = ReasonOf(status);
  error["message"] = MessageOf(status);
  error["fields"] = nlohmann::ordered_json::array();
  for (const FieldViolation& violation : FieldsOf(status)) {
    error["fields"].push_back({{"field", violation.field}, {"description", violation.description}});
  }
  return JsonText(error, 1);
}

void Output::ExplainError(const absl::Status& status) const {
  const std::string reason = ReasonOf(status);
  Progress(PaintError("error: ", Colour::kRed) + MessageOf(status) + " (" +
           (reason.empty() ? std::string(absl::StatusCodeToString(status.code())) : reason) + ")");
  for (const FieldViolation& violation : FieldsOf(status)) {
    Progress("  " + violation.field + ": " + violation.description);
  }
}

std::string Output::Paint(std::string_view text, Colour colour) const {
  return Painted(text, colour, colour_out_);
}

std::string Output::PaintError(std::string_view text, Colour colour) const {
  return Painted(text, colour, colour_error_);
}

std::string TimeText(const google::protobuf::Message& timestamp) {
  const auto& value = dynamic_cast<const google::protobuf::Timestamp&>(timestamp);
  if (value.seconds() == 0 && value.nanos() == 0) return "";
  return absl::FormatTime("%Y-%m-%d %H:%M:%S", absl::FromUnixSeconds(value.seconds()),
                          absl::UTCTimeZone());
}

}  // namespace lockstep::cli
