#include "common/filter/filter.h"

#include "absl/strings/str_format.h"
#include "common/filter/internal.h"

namespace lockstep::filter {
namespace {

void AppendQuoted(std::string& out, std::string_view text) {
  out += '"';
  for (const char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    out += c;
  }
  out += '"';
}

void AppendCanonical(std::string& out, const Node& node) {
  switch (node.kind) {
    case Node::Kind::kAnd:
    case Node::Kind::kOr: {
      out += '(';
      const char* separator = "";
      for (const Node& child : node.children) {
        out += separator;
        AppendCanonical(out, child);
        separator = node.kind == Node::Kind::kAnd ? " AND " : " OR ";
      }
      out += ')';
      return;
    }
    case Node::Kind::kNot:
      out += "NOT ";
      AppendCanonical(out, node.children.front());
      return;
    case Node::Kind::kPresent:
      out += node.field + ":*";
      return;
    case Node::Kind::kCompare:
      out += node.field;
      out += internal::Symbol(node.comparator);
      AppendQuoted(out, node.value);
      return;
  }
}

void CollectFields(std::set<std::string>& names, const Node& node) {
  if (!node.field.empty()) names.insert(node.field);
  for (const Node& child : node.children) CollectFields(names, child);
}

}  // namespace

namespace internal {

ErrorBuilder FilterError(std::string_view reason, std::size_t column,
                         std::string_view description) {
  return InvalidField("filter", reason, absl::StrFormat("column %d: %s", column, description))
      .With("column", static_cast<long long>(column));
}

std::string_view Symbol(Comparator comparator) {
  switch (comparator) {
    case Comparator::kEqual:
      return "=";
    case Comparator::kNotEqual:
      return "!=";
    case Comparator::kLess:
      return "<";
    case Comparator::kLessOrEqual:
      return "<=";
    case Comparator::kGreater:
      return ">";
    case Comparator::kGreaterOrEqual:
      return ">=";
  }
  return "";
}

}  // namespace internal

std::string Filter::CanonicalText() const {
  std::string text;
  if (!empty()) AppendCanonical(text, root());
  return text;
}

std::set<std::string> Filter::FieldNames() const {
  std::set<std::string> names;
  if (!empty()) CollectFields(names, root());
  return names;
}

Normaliser StripCollection(std::string collection) {
  return [prefix = std::move(collection) + "/"](std::string_view value) {
    if (value.starts_with(prefix)) value.remove_prefix(prefix.size());
    return absl::StatusOr<std::string>(std::string(value));
  };
}

Normaliser EnumName(std::string prefix) {
  return [start = std::move(prefix) + "_"](std::string_view value) {
    std::string name(value);
    for (const char c : name) {
      const bool is_proto_style = (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
      if (!is_proto_style) return absl::StatusOr<std::string>(std::move(name));
    }
    if (name.starts_with(start)) name.erase(0, start.size());
    for (char& c : name) {
      if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
    }
    return absl::StatusOr<std::string>(std::move(name));
  };
}

}  // namespace lockstep::filter
