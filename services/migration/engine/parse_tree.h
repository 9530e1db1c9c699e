// The parse tree that libpg_query writes as JSON, as a compact read-only tree.
//
// A folder of a thousand revisions has thousands of scripts, and a general JSON library spends more
// time on them than PostgreSQL's parser does. This reader keeps views into the text and one flat
// vector of nodes. It trusts its input: it reads only what libpg_query itself wrote.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>
#include <vector>

namespace lockstep::migration {

class ParseTree;

// One value of the tree; cheap to copy; valid as long as its tree. A value that does not exist is
// empty(): reading from it gives empty values, so that paths can be followed without checks.
class TreeNode {
 public:
  TreeNode() = default;
  TreeNode(const ParseTree* tree, std::uint32_t index) : tree_(tree), index_(index) {}

  bool empty() const { return tree_ == nullptr; }
  bool IsObject() const;
  bool IsArray() const;
  // The member name under which this value stands in its object; "" in arrays.
  std::string_view key() const;
  // The member called `name`.
  TreeNode operator[](std::string_view name) const;
  bool Has(std::string_view name) const { return !(*this)[name].empty(); }
  // First child, and the sibling after this one.
  TreeNode first() const;
  TreeNode next() const;
  // A string without quotes and escapes; numbers and booleans as written.
  std::string text() const;
  // The raw text: equal to text() where there is nothing to unescape, as in names of nodes and
  // enumerations.
  std::string_view raw() const;
  bool IsTrue() const { return raw() == "true"; }
  // A number, or `fallback` for anything else.
  long long Number(long long fallback) const;

 private:
  const ParseTree* tree_ = nullptr;
  std::uint32_t index_ = 0;
};

class ParseTree {
 public:
  // `json` is copied; REQUIRES: written by libpg_query.
  explicit ParseTree(std::string_view json);
  ParseTree(const ParseTree&) = delete;
  ParseTree& operator=(const ParseTree&) = delete;

  // Whether it is nested so deeply that who follows it by recursion might run out of stack.
  bool IsTooDeep() const { return depth_ > kMaxDepth; }

  TreeNode root() const { return nodes_.empty() ? TreeNode() : TreeNode(this, 0); }

 private:
  friend class TreeNode;
  enum class Kind : std::uint8_t { kObject, kArray, kString, kOther };
  struct Node {
    std::string_view key;
    std::string_view value;
    std::uint32_t first = 0;  // 0 = none: node 0 is the root and nobody's child
    std::uint32_t next = 0;
    Kind kind = Kind::kOther;
  };

  // About a thousand nested expressions.
  static constexpr int kMaxDepth = 4'000;

  std::uint32_t ReadValue(std::string_view key);
  void ReadChildren(std::uint32_t parent, bool is_object);
  std::string_view ReadString();
  void SkipSpace();

  std::string json_;
  std::size_t at_ = 0;
  std::vector<Node> nodes_;
  int level_ = 0;
  int depth_ = 0;
};

// Whether `name` is one of `names`; for kinds of nodes and values of enumerations.
bool IsIn(std::string_view name, std::initializer_list<std::string_view> names);

// Whether a list of options, [{"DefElem": {"defname": "concurrently"}}, ...], has the one called
// `name`, and it is not switched off.
bool HasOption(TreeNode options, std::string_view name);

// A list of names: [{"String": {"sval": "core"}}, ...]. Empty when any element is something else.
std::vector<std::string> NamesIn(TreeNode list);

}  // namespace lockstep::migration
