#include "services/migration/engine/view_script.h"

#include <algorithm>
#include <cctype>
#include <cstddef>
#include <optional>
#include <set>
#include <string_view>

#include "services/migration/engine/parse_tree.h"
#include "services/migration/engine/parsed_sql.h"
#include "services/migration/engine/tokens.h"

namespace lockstep::migration {
namespace {

constexpr char kAllowed[] =
    "a view rewrite holds CREATE OR REPLACE VIEW, or DROP [MATERIALIZED] VIEW followed by CREATE "
    "[MATERIALIZED] VIEW, and CREATE INDEX, COMMENT and GRANT for these views";

using Kind = ViewStatement::Kind;

std::string UpperOf(std::string_view text) {
  std::string upper(text);
  for (char& c : upper) c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  return upper;
}

// The parts of CREATE VIEW that the parse tree does not keep as text.
class Definition {
 public:
  explicit Definition(const std::string& statement) : text_(statement) {
    for (const Token& token : ScanTokens(statement).value_or(std::vector<Token>())) {
      if (!token.is_comment) tokens_.push_back(token);
    }
  }

  // Whether there is a word before AS.
  bool HasBeforeAs(std::string_view word) const {
    for (std::size_t i = 0; i < as(); ++i) {
      if (Word(i) == word) return true;
    }
    return false;
  }

  std::string Columns() const {
    for (std::size_t i = 0; i < as(); ++i) {
      if (Word(i) != "(") continue;
      // Behind WITH stand options, not columns.
      if (i > 0 && Word(i - 1) == "WITH") return "";
      const std::size_t end =
          std::ranges::find_if(tokens_.begin() + static_cast<long>(i), tokens_.end(),
                               [&](const Token& token) { return Text(token) == ")"; }) -
          tokens_.begin();
      return end < tokens_.size()
                 ? text_.substr(tokens_[i].begin, tokens_[end].end - tokens_[i].begin)
                 : "";
    }
    return "";
  }

  std::string Query() const {
    const std::size_t first = as() + 1;
    if (first >= tokens_.size()) return "";
    std::size_t end = tokens_.size();
    const auto ends_with = [&](std::initializer_list<std::string_view> words) {
      if (end - first < words.size()) return false;
      std::size_t at = end - words.size();
      return std::ranges::all_of(words, [&](std::string_view word) { return Word(at++) == word; });
    };
    if (ends_with({"WITH", "DATA"})) end -= 2;
    if (ends_with({"WITH", "NO", "DATA"})) end -= 3;
    if (ends_with({"WITH", "CHECK", "OPTION"})) end -= 3;
    if (ends_with({"WITH", "LOCAL", "CHECK", "OPTION"}) ||
        ends_with({"WITH", "CASCADED", "CHECK", "OPTION"})) {
      end -= 4;
    }
    return text_.substr(tokens_[first].begin, tokens_[end - 1].end - tokens_[first].begin);
  }

 private:
  std::string_view Text(const Token& token) const {
    return std::string_view(text_).substr(token.begin, token.end - token.begin);
  }
  std::string Word(std::size_t i) const { return UpperOf(Text(tokens_[i])); }

  // The AS that is in no bracket.
  std::size_t as() const {
    int depth = 0;
    for (std::size_t i = 0; i < tokens_.size(); ++i) {
      const std::string_view text = Text(tokens_[i]);
      if (text == "(") ++depth;
      if (text == ")") --depth;
      if (depth == 0 && tokens_[i].is_keyword && Word(i) == "AS") return i;
    }
    return tokens_.size();
  }

  const std::string& text_;
  std::vector<Token> tokens_;
};

class Reader {
 public:
  Reader(const Script& script, std::vector<Problem>& problems)
      : script_(script), problems_(problems) {}

  std::vector<ViewStatement> Read() {
    for (at_ = 0; at_ < script_.statements.size(); ++at_) {
      const ParsedSql parsed(script_.statements[at_]);
      if (!parsed.ok()) return {};
      const ParseTree tree(parsed.json());
      ReadStatement(tree.root()["stmts"].first()["stmt"].first());
    }
    for (const std::string& view : dropped_) {
      if (made_.contains(view)) continue;
      Refuse(view + " is dropped and not made again; a step of another kind drops views", 0);
    }
    return std::move(statements_);
  }

 private:
  void Refuse(std::string message, std::size_t statement) {
    const int line = statement < script_.lines.size() ? script_.lines[statement] : 0;
    problems_.push_back({script_.file, line, 0, "VIEW_REWRITE_INVALID", std::move(message)});
  }
  void Refuse(std::string message) { Refuse(std::move(message), at_); }

  void SetName(TreeNode relation, ViewStatement& out) {
    out.schema = relation["schemaname"].text();
    out.name = relation["relname"].text();
  }

  void ReadStatement(TreeNode body) {
    ViewStatement& out = statements_.emplace_back();
    const std::string_view node = body.key();
    if (node == "ViewStmt") {
      SetName(body["view"], out);
      ReadDefinition(body["replace"].IsTrue() ? Kind::kReplace : Kind::kCreate, out);
    } else if (node == "CreateTableAsStmt" && body["objtype"].raw() == "OBJECT_MATVIEW") {
      SetName(body["into"]["rel"], out);
      out.is_materialized = true;
      ReadDefinition(Kind::kCreate, out);
    } else if (node == "DropStmt") {
      ReadDrop(body, out);
    } else if (node == "IndexStmt") {
      ReadIndex(body, out);
    } else if (node != "CommentStmt" && node != "GrantStmt") {
      Refuse(kAllowed);
    }
  }

  void ReadDefinition(Kind kind, ViewStatement& out) {
    out.kind = kind;
    const Definition definition(script_.statements[at_]);
    out.columns = definition.Columns();
    out.query = definition.Query();
    out.states_options = definition.HasBeforeAs("WITH");
    if (definition.HasBeforeAs("RECURSIVE")) {
      Refuse("CREATE RECURSIVE VIEW cannot be compared; write WITH RECURSIVE in its query");
    }
    if (!made_.insert(out.view()).second) Refuse(out.view() + " is made twice");
    if (kind == Kind::kCreate && !dropped_.contains(out.view())) {
      Refuse(out.view() +
             " is created and not dropped before: a rewrite changes a view that is there; write "
             "CREATE OR REPLACE VIEW, or DROP VIEW before it");
    }
  }

  void ReadDrop(TreeNode body, ViewStatement& out) {
    const std::string_view type = body["removeType"].raw();
    const TreeNode object = body["objects"].first();
    const std::vector<std::string> names = NamesIn(object["List"]["items"]);
    if (!IsIn(type, {"OBJECT_VIEW", "OBJECT_MATVIEW"}) || names.size() != 2) {
      Refuse(kAllowed);
      return;
    }
    out.kind = Kind::kDrop;
    out.schema = names[0];
    out.name = names[1];
    out.is_materialized = type == "OBJECT_MATVIEW";
    if (!object.next().empty() || body["missing_ok"].IsTrue() ||
        body["behavior"].raw() == "DROP_CASCADE") {
      Refuse(
          "drop one view at a time, without IF EXISTS and CASCADE: what hangs on it is dropped "
          "and made again by the engine");
    }
    dropped_.insert(out.view());
  }

  void ReadIndex(TreeNode body, ViewStatement& out) {
    out.index = body["idxname"].text();
    const TreeNode relation = body["relation"];
    if (out.index.empty()) Refuse("an index of a view rewrite needs a name");
    if (!made_.contains(relation["schemaname"].text() + "." + relation["relname"].text())) {
      Refuse("an index of a view rewrite is one of a view that the script makes before it");
    }
  }

  const Script& script_;
  std::vector<Problem>& problems_;
  std::size_t at_ = 0;
  std::vector<ViewStatement> statements_;
  std::set<std::string> dropped_;
  std::set<std::string> made_;
};

}  // namespace

std::vector<ViewStatement> ReadViewScript(const Script& script, std::vector<Problem>& problems) {
  if (script.is_opaque) {
    problems.push_back({script.file, 0, 0, "VIEW_REWRITE_INVALID",
                        "the parser cannot read the script of this view rewrite"});
    return {};
  }
  return Reader(script, problems).Read();
}

}  // namespace lockstep::migration
