#include "common/rpc/validate.h"

#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "absl/synchronization/mutex.h"
#include "common/money/limits.h"
#include "common/money/proto.h"
#include "common/status/error.h"
#include "common/time/proto.h"
#include "google/api/field_behavior.pb.h"
#include "google/protobuf/descriptor.h"
#include "google/protobuf/timestamp.pb.h"
#include "google/type/date.pb.h"
#include "google/type/money.pb.h"

namespace lockstep::rpc {
namespace {

using google::protobuf::Descriptor;
using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::Reflection;

constexpr std::size_t kMaxListed = 100;

// What must be looked at in messages of one type.
struct FieldPlan {
  const FieldDescriptor* field;
  bool is_required;
  bool is_page_size;
};

enum class MessageKind { kPlain, kMoney, kTimestamp, kDate, kOpaque };

struct Plan {
  MessageKind kind = MessageKind::kPlain;
  bool has_update_mask = false;
  std::vector<FieldPlan> fields;
};

MessageKind KindOf(const Descriptor& type) {
  const std::string& name = type.full_name();
  if (name == "google.type.Money") return MessageKind::kMoney;
  if (name == "google.protobuf.Timestamp") return MessageKind::kTimestamp;
  if (name == "google.type.Date") return MessageKind::kDate;
  if (name == "google.protobuf.Struct" || name == "google.protobuf.Value" ||
      name == "google.protobuf.ListValue" || name == "google.protobuf.Any") {
    return MessageKind::kOpaque;
  }
  return MessageKind::kPlain;
}

bool HasBehavior(const FieldDescriptor& field, google::api::FieldBehavior behavior) {
  const auto& options = field.options();
  const int count = options.ExtensionSize(google::api::field_behavior);
  for (int i = 0; i < count; ++i) {
    if (options.GetExtension(google::api::field_behavior, i) == behavior) return true;
  }
  return false;
}

std::unique_ptr<const Plan> MakePlan(const Descriptor& type) {
  auto plan = std::make_unique<Plan>();
  plan->kind = KindOf(type);
  for (int i = 0; i < type.field_count(); ++i) {
    const FieldDescriptor& field = *type.field(i);
    if (field.message_type() != nullptr &&
        field.message_type()->full_name() == "google.protobuf.FieldMask" &&
        field.name() == "update_mask") {
      plan->has_update_mask = true;
    }
    if (HasBehavior(field, google::api::OUTPUT_ONLY)) continue;
    FieldPlan entry{
        .field = &field,
        .is_required = HasBehavior(field, google::api::REQUIRED),
        .is_page_size = !field.is_repeated() && field.name() == "page_size" &&
                        field.cpp_type() == FieldDescriptor::CPPTYPE_INT32,
    };
    const bool has_content = field.cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE ||
                             field.type() == FieldDescriptor::TYPE_STRING;
    if (has_content || entry.is_required || entry.is_page_size) plan->fields.push_back(entry);
  }
  return plan;
}

// Types are few and never go away, so plans are made once and kept.
const Plan& PlanOf(const Descriptor& type) {
  static absl::Mutex& mu = *new absl::Mutex;
  static auto& plans = *new std::unordered_map<const Descriptor*, std::unique_ptr<const Plan>>;
  {
    absl::ReaderMutexLock lock(&mu);
    if (const auto it = plans.find(&type); it != plans.end()) return *it->second;
  }
  auto plan = MakePlan(type);
  absl::MutexLock lock(&mu);
  return *plans.try_emplace(&type, std::move(plan)).first->second;
}

bool IsUnset(const Message& message, const FieldDescriptor& field) {
  const Reflection& reflection = *message.GetReflection();
  if (field.is_repeated()) return reflection.FieldSize(message, &field) == 0;
  if (field.cpp_type() == FieldDescriptor::CPPTYPE_STRING) {
    std::string scratch;
    return reflection.GetStringReference(message, &field, &scratch).empty();
  }
  if (field.cpp_type() == FieldDescriptor::CPPTYPE_ENUM) {
    return reflection.GetEnumValue(message, &field) == 0;
  }
  return field.has_presence() && !reflection.HasField(message, &field);
}

// Walks one request and collects what is wrong.
class Checker {
 public:
  // `is_partial`: inside the resource of an update, where what is REQUIRED may be left out.
  void CheckMessage(const Message& message, bool is_partial) {
    const Plan& plan = PlanOf(*message.GetDescriptor());
    switch (plan.kind) {
      case MessageKind::kOpaque:
        return;
      case MessageKind::kMoney:
        return CheckMoney(static_cast<const google::type::Money&>(message));
      case MessageKind::kTimestamp:
        return AddStatus(
            time::FromProto(static_cast<const google::protobuf::Timestamp&>(message), Path())
                .status());
      case MessageKind::kDate:
        return AddStatus(
            time::FromProto(static_cast<const google::type::Date&>(message), Path()).status());
      case MessageKind::kPlain:
        break;
    }
    for (const FieldPlan& entry : plan.fields) {
      path_.push_back({entry.field});
      CheckField(message, entry, is_partial, is_partial || plan.has_update_mask);
      path_.pop_back();
    }
  }

  absl::Status Result() && {
    if (violations_.empty()) return absl::OkStatus();
    std::string message = violations_.front().field + ": " + violations_.front().description;
    if (found_ > 1) message += "; " + std::to_string(found_ - 1) + " more";
    ErrorBuilder error = Error(absl::StatusCode::kInvalidArgument,
                               is_one_reason_ ? reason_ : "REQUEST_INVALID", message);
    for (const FieldViolation& violation : violations_) {
      error = std::move(error).Field(violation.field, violation.description);
    }
    return error;
  }

 private:
  // One step of the path to what is being looked at. Texts are made only when something is wrong.
  struct Step {
    const FieldDescriptor* field;
    int index = -1;        // of a repeated field
    std::string key = {};  // of a map, as it is shown
  };

  std::string Path() const {
    std::string path;
    for (const Step& step : path_) {
      if (!path.empty()) path += '.';
      path += step.field->name();
      if (!step.key.empty()) {
        path += '[' + step.key + ']';
      } else if (step.index >= 0) {
        path += '[' + std::to_string(step.index) + ']';
      }
    }
    return path;
  }

  void Add(std::string_view reason, std::string path, std::string description) {
    if (found_ == 0) reason_ = reason;
    if (reason_ != reason) is_one_reason_ = false;
    ++found_;
    if (violations_.size() < kMaxListed) {
      violations_.push_back({std::move(path), std::move(description)});
    }
  }

  void AddStatus(const absl::Status& status) {
    if (status.ok()) return;
    for (FieldViolation& violation : FieldsOf(status)) {
      Add(ReasonOf(status), std::move(violation.field), std::move(violation.description));
    }
  }

  void CheckMoney(const google::type::Money& message) {
    const std::string path = Path();
    const auto amount = money::FromProto(message, path);
    if (!amount.ok()) return AddStatus(amount.status());
    AddStatus(money::CheckAmount(*amount, path, money::AmountSign::kAny));
  }

  void CheckField(const Message& message, const FieldPlan& entry, bool is_partial,
                  bool is_inside_partial) {
    const FieldDescriptor& field = *entry.field;
    if (entry.is_required && !is_partial && IsUnset(message, field)) {
      Add("FIELD_REQUIRED", Path(), "is required");
      return;
    }
    const Reflection& reflection = *message.GetReflection();
    if (entry.is_page_size && reflection.GetInt32(message, &field) < 0) {
      Add("PAGE_SIZE_NEGATIVE", Path(), "must be 0 (the default) or more");
    }
    if (field.is_map()) return CheckMap(message, field, is_inside_partial);
    if (field.is_repeated()) return CheckRepeated(message, field, is_inside_partial);
    if (field.cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE) {
      if (reflection.HasField(message, &field))
        CheckMessage(reflection.GetMessage(message, &field), is_inside_partial);
    } else if (field.type() == FieldDescriptor::TYPE_STRING) {
      std::string scratch;
      CheckText(reflection.GetStringReference(message, &field, &scratch));
    }
  }

  void CheckRepeated(const Message& message, const FieldDescriptor& field, bool is_partial) {
    const Reflection& reflection = *message.GetReflection();
    const int size = reflection.FieldSize(message, &field);
    for (int i = 0; i < size; ++i) {
      path_.back().index = i;
      if (field.cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE) {
        CheckMessage(reflection.GetRepeatedMessage(message, &field, i), is_partial);
      } else if (field.type() == FieldDescriptor::TYPE_STRING) {
        std::string scratch;
        CheckText(reflection.GetRepeatedStringReference(message, &field, i, &scratch));
      }
    }
  }

  void CheckMap(const Message& message, const FieldDescriptor& field, bool is_partial) {
    const Reflection& reflection = *message.GetReflection();
    const FieldDescriptor& key = *field.message_type()->map_key();
    const FieldDescriptor& value = *field.message_type()->map_value();
    const int size = reflection.FieldSize(message, &field);
    for (int i = 0; i < size; ++i) {
      const Message& item = reflection.GetRepeatedMessage(message, &field, i);
      const Reflection& item_reflection = *item.GetReflection();
      std::string scratch;
      path_.back().index = i;
      if (key.type() == FieldDescriptor::TYPE_STRING) {
        const std::string& text = item_reflection.GetStringReference(item, &key, &scratch);
        // A key with U+0000 is shown by its position.
        CheckText(text);
        if (text.find('\0') == std::string::npos) path_.back().key = '"' + text + '"';
      }
      if (value.cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE) {
        CheckMessage(item_reflection.GetMessage(item, &value), is_partial);
      } else if (value.type() == FieldDescriptor::TYPE_STRING) {
        CheckText(item_reflection.GetStringReference(item, &value, &scratch));
      }
      path_.back().key.clear();
    }
  }

  void CheckText(const std::string& text) {
    const std::size_t position = text.find('\0');
    if (position == std::string::npos) return;
    Add("TEXT_HAS_NUL", Path(),
        "must not contain U+0000 (found at byte " + std::to_string(position) + ")");
  }

  std::vector<Step> path_;
  std::vector<FieldViolation> violations_;
  std::size_t found_ = 0;
  std::string reason_;
  bool is_one_reason_ = true;
};

}  // namespace

absl::Status ValidateRequest(const Message& request) {
  Checker checker;
  checker.CheckMessage(request, /*is_partial=*/false);
  return std::move(checker).Result();
}

}  // namespace lockstep::rpc
