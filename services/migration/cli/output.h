// How commands answer: data on stdout (a table, or one JSON document with --json), progress and
// errors on stderr.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "google/protobuf/message.h"

namespace lockstep::cli {

enum class Colour { kNone, kGreen, kYellow, kRed, kBold, kDim };

class Output final {
 public:
  // Colours only on terminals, and not when NO_COLOR is set.
  explicit Output(bool json);

  bool json() const { return json_; }
  // One JSON document with the message's field names, every field present.
  void Json(const google::protobuf::Message& message) const;
  void Json(const std::string& document) const;
  // One line of data.
  void Line(std::string_view text) const;
  // Columns as wide as their widest cell; nothing but the header when there are no rows.
  void Table(const std::vector<std::string>& header,
             const std::vector<std::vector<std::string>>& rows) const;
  // One line of progress on stderr.
  void Progress(std::string_view text) const;
  // The error in words a person can act on, with every bad field, on stderr. With --json also as
  // one JSON document.
  void Error(const absl::Status& status) const;
  // The same without the document, for commands that have printed one.
  void ExplainError(const absl::Status& status) const;
  // {"code":...,"reason":...,"message":...,"fields":[...]}
  static std::string ErrorJson(const absl::Status& status);

  // For text on stdout / stderr.
  std::string Paint(std::string_view text, Colour colour) const;
  std::string PaintError(std::string_view text, Colour colour) const;

 private:
  bool json_;
  bool colour_out_;
  bool colour_error_;
};

// "2025-10-01 07:30:00" in UTC; "" for an absent time.
std::string TimeText(const google::protobuf::Message& timestamp);

}  // namespace lockstep::cli
