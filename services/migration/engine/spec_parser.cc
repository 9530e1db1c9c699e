#include "services/migration/engine/spec_parser.h"

#include <algorithm>
#include <utility>

#include "google/protobuf/io/tokenizer.h"
#include "google/protobuf/text_format.h"

namespace lockstep::migration {

using google::protobuf::FieldDescriptor;
using google::protobuf::TextFormat;

struct FieldLines::Info {
  TextFormat::ParseInfoTree tree;
  const google::protobuf::Descriptor* descriptor = nullptr;
};

FieldLines::FieldLines() = default;
FieldLines::~FieldLines() = default;
FieldLines::FieldLines(FieldLines&&) noexcept = default;
FieldLines& FieldLines::operator=(FieldLines&&) noexcept = default;

namespace {

int LineIn(const TextFormat::ParseInfoTree& tree, const FieldDescriptor* field, int index) {
  if (field == nullptr) return 1;
  if (field->is_repeated() && index < 0) index = 0;
  if (!field->is_repeated()) index = -1;
  // Protobuf counts lines from 0 and says -1 for a field that is not there.
  return std::max(0, tree.GetLocation(field, index).line) + 1;
}

class Collector final : public google::protobuf::io::ErrorCollector {
 public:
  Collector(std::string file, std::vector<Problem>& problems)
      : file_(std::move(file)), problems_(problems) {}
  void AddError(int line, google::protobuf::io::ColumnNumber column,
                const std::string& message) override {
    problems_.push_back(
        {file_, std::max(0, line) + 1, std::max(0, column) + 1, "SPEC_SYNTAX", message});
  }
  void AddWarning(int, google::protobuf::io::ColumnNumber, const std::string&) override {}

 private:
  std::string file_;
  std::vector<Problem>& problems_;
};

}  // namespace

int FieldLines::Line(const char* field, int index) const {
  if (info_ == nullptr) return 1;
  return LineIn(info_->tree, info_->descriptor->FindFieldByName(field), index);
}

int FieldLines::Line(const char* outer, int outer_index, const char* field, int index) const {
  if (info_ == nullptr) return 1;
  const FieldDescriptor* outer_field = info_->descriptor->FindFieldByName(outer);
  if (outer_field == nullptr) return 1;
  const TextFormat::ParseInfoTree* nested =
      info_->tree.GetTreeForNested(outer_field, outer_field->is_repeated() ? outer_index : -1);
  const FieldDescriptor* inner = outer_field->message_type()->FindFieldByName(field);
  if (nested == nullptr || inner == nullptr ||
      nested->GetLocation(inner, inner->is_repeated() ? std::max(0, index) : -1).line < 0) {
    return LineIn(info_->tree, outer_field, outer_index);
  }
  return LineIn(*nested, inner, index);
}

bool SpecParser::Parse(const std::string& file, const std::string& text,
                       google::protobuf::Message& message, FieldLines& lines,
                       std::vector<Problem>& problems) {
  lines.info_ = std::make_unique<FieldLines::Info>();
  lines.info_->descriptor = message.GetDescriptor();
  if (const std::size_t nul = text.find('\0'); nul != std::string::npos) {
    const auto line =
        1 + std::count(text.begin(), text.begin() + static_cast<std::ptrdiff_t>(nul), '\n');
    problems.push_back({file, static_cast<int>(line), 0, "SPEC_NUL_BYTE", "U+0000 is not allowed"});
    return false;
  }
  Collector collector(file, problems);
  TextFormat::Parser parser;
  parser.RecordErrorsTo(&collector);
  parser.WriteLocationsTo(&lines.info_->tree);
  return parser.ParseFromString(text, &message);
}

}  // namespace lockstep::migration
