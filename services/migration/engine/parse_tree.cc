#include "services/migration/engine/parse_tree.h"

#include <algorithm>
#include <charconv>

namespace lockstep::migration {
namespace {

void AppendUtf8(unsigned code, std::string& out) {
  if (code < 0x80) {
    out += static_cast<char>(code);
  } else if (code < 0x800) {
    out += static_cast<char>(0xC0 | (code >> 6));
    out += static_cast<char>(0x80 | (code & 0x3F));
  } else {
    out += static_cast<char>(0xE0 | (code >> 12));
    out += static_cast<char>(0x80 | ((code >> 6) & 0x3F));
    out += static_cast<char>(0x80 | (code & 0x3F));
  }
}

// libpg_query escapes quotes, backslashes and control characters; everything else is UTF-8 as it
// stands.
std::string Unescape(std::string_view raw) {
  std::string out;
  out.reserve(raw.size());
  for (std::size_t i = 0; i < raw.size(); ++i) {
    if (raw[i] != '\\' || i + 1 == raw.size()) {
      out += raw[i];
      continue;
    }
    switch (raw[++i]) {
      case 'n':
        out += '\n';
        break;
      case 't':
        out += '\t';
        break;
      case 'r':
        out += '\r';
        break;
      case 'b':
        out += '\b';
        break;
      case 'f':
        out += '\f';
        break;
      case 'u': {
        unsigned code = 0;
        if (i + 4 < raw.size()) std::from_chars(&raw[i + 1], &raw[i + 1] + 4, code, 16);
        AppendUtf8(code, out);
        i += 4;
        break;
      }
      default:
        out += raw[i];
    }
  }
  return out;
}

}  // namespace

bool TreeNode::IsObject() const {
  return tree_ != nullptr && tree_->nodes_[index_].kind == ParseTree::Kind::kObject;
}

bool TreeNode::IsArray() const {
  return tree_ != nullptr && tree_->nodes_[index_].kind == ParseTree::Kind::kArray;
}

std::string_view TreeNode::key() const {
  return tree_ == nullptr ? std::string_view() : tree_->nodes_[index_].key;
}

TreeNode TreeNode::first() const {
  if (tree_ == nullptr || tree_->nodes_[index_].first == 0) return {};
  return {tree_, tree_->nodes_[index_].first};
}

TreeNode TreeNode::next() const {
  if (tree_ == nullptr || tree_->nodes_[index_].next == 0) return {};
  return {tree_, tree_->nodes_[index_].next};
}

TreeNode TreeNode::operator[](std::string_view name) const {
  if (!IsObject()) return {};
  for (TreeNode child = first(); !child.empty(); child = child.next()) {
    if (child.key() == name) return child;
  }
  return {};
}

std::string_view TreeNode::raw() const {
  return tree_ == nullptr ? std::string_view() : tree_->nodes_[index_].value;
}

std::string TreeNode::text() const { return Unescape(raw()); }

long long TreeNode::Number(long long fallback) const {
  const std::string_view digits = raw();
  long long number = fallback;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), number);
  return error == std::errc() && end == digits.data() + digits.size() ? number : fallback;
}

ParseTree::ParseTree(std::string_view json) : json_(json) {
  nodes_.reserve(json_.size() / 16 + 4);
  ReadValue("");
}

void ParseTree::SkipSpace() {
  while (at_ < json_.size() && (json_[at_] == ' ' || json_[at_] == '\n')) ++at_;
}

std::string_view ParseTree::ReadString() {
  const std::size_t begin = ++at_;
  while (at_ < json_.size() && json_[at_] != '"') at_ += json_[at_] == '\\' ? 2 : 1;
  const std::size_t end = at_ < json_.size() ? at_ : json_.size();
  at_ = end + 1;
  return std::string_view(json_).substr(begin, end - begin);
}

std::uint32_t ParseTree::ReadValue(std::string_view key) {
  SkipSpace();
  const auto index = static_cast<std::uint32_t>(nodes_.size());
  nodes_.push_back({.key = key, .value = {}});
  if (at_ >= json_.size()) return index;
  const char start = json_[at_];
  if (start == '{' || start == '[') {
    nodes_[index].kind = start == '{' ? Kind::kObject : Kind::kArray;
    ReadChildren(index, start == '{');
  } else if (start == '"') {
    nodes_[index].kind = Kind::kString;
    const std::string_view value = ReadString();
    nodes_[index].value = value;
  } else {
    const std::size_t begin = at_;
    while (at_ < json_.size() && json_[at_] != ',' && json_[at_] != '}' && json_[at_] != ']') ++at_;
    nodes_[index].value = std::string_view(json_).substr(begin, at_ - begin);
  }
  return index;
}

void ParseTree::ReadChildren(std::uint32_t parent, bool is_object) {
  depth_ = std::max(depth_, ++level_);
  if (IsTooDeep()) at_ = json_.size();
  const char close = is_object ? '}' : ']';
  ++at_;
  std::uint32_t last = 0;
  for (;;) {
    SkipSpace();
    if (at_ >= json_.size()) break;
    if (json_[at_] == close) {
      ++at_;
      break;
    }
    if (json_[at_] == ',') {
      ++at_;
      continue;
    }
    std::string_view key;
    if (is_object) {
      key = ReadString();
      ++at_;  // the colon
    }
    const std::uint32_t child = ReadValue(key);
    (last == 0 ? nodes_[parent].first : nodes_[last].next) = child;
    last = child;
  }
  --level_;
}

bool IsIn(std::string_view name, std::initializer_list<std::string_view> names) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

bool HasOption(TreeNode options, std::string_view name) {
  for (TreeNode option = options.first(); !option.empty(); option = option.next()) {
    if (option["DefElem"]["defname"].raw() != name) continue;
    const TreeNode value = option["DefElem"]["arg"];
    if (value.empty()) return true;
    if (value.Has("Boolean")) return value["Boolean"]["boolval"].IsTrue();
    if (value.Has("Integer")) return value["Integer"]["ival"].Number(0) != 0;
    return !IsIn(value["String"]["sval"].raw(), {"false", "off", "0"});
  }
  return false;
}

std::vector<std::string> NamesIn(TreeNode list) {
  std::vector<std::string> names;
  if (!list.IsArray()) return names;
  for (TreeNode item = list.first(); !item.empty(); item = item.next()) {
    const TreeNode name = item["String"]["sval"];
    if (name.empty()) return {};
    names.push_back(name.text());
  }
  return names;
}

}  // namespace lockstep::migration
