#include "services/migration/footprint/literal_uses.h"

#include <algorithm>
#include <initializer_list>

#include "services/migration/engine/ownership.h"

namespace lockstep::migration::footprint {
namespace {

bool IsIn(const Word& word, std::initializer_list<std::string_view> keywords) {
  return std::any_of(keywords.begin(), keywords.end(),
                     [&](std::string_view keyword) { return word.IsKeyword(keyword); });
}

// Key words that may follow a relation where an alias could stand. One that is missing here would
// be taken for an alias, which makes the footprint larger, not wrong.
bool IsClause(const Word& word) {
  return IsIn(
      word,
      {"and",   "as",      "cross",       "default",   "do",        "except", "fetch",     "for",
       "from",  "full",    "group",       "having",    "in",        "inner",  "intersect", "is",
       "join",  "lateral", "left",        "limit",     "natural",   "not",    "nowait",    "offset",
       "on",    "or",      "order",       "returning", "right",     "select", "set",       "skip",
       "stdin", "table",   "tablesample", "to",        "union",     "using",  "values",    "when",
       "where", "window",  "with",        "then",      "overriding"});
}

bool IsSystemColumn(std::string_view name) {
  return name == "ctid" || name == "xmin" || name == "xmax" || name == "cmin" || name == "cmax" ||
         name == "tableoid";
}

class Scan {
 public:
  Scan(const Catalog& catalog, std::string_view text)
      : catalog_(catalog), text_(text), words_(ReadWords(text)) {}

  LiteralUses Run() {
    for (std::size_t i = 0; i < words_.size(); ++i) {
      if (words_[i].IsName()) {
        const Chain chain = ReadChain(words_, i);
        ReadName(chain);
        chains_.push_back(chain);
        i = chain.last;
      }
    }
    ReadStars();
    ReadWholeRows();
    ReadUnnamedColumns();
    return std::move(uses_);
  }

 private:
  // The word at `at`, or one that is nothing outside the text.
  const Word& At(std::size_t at) const {
    static const Word& none = *new Word{.kind = Word::Kind::kOther, .text = std::string(1, '\0')};
    return at < words_.size() ? words_[at] : none;
  }
  const Word& Before(std::size_t at) const { return At(at - 1); }  // 0 - 1 is outside too

  void ReadName(const Chain& chain) {
    uses_.names.insert(chain.parts.begin(), chain.parts.end());
    if (OwnerOf(chain.parts[0]).empty()) return;
    if (chain.parts.size() == 1) {
      ReadSchemaAlone(chain);
      return;
    }
    const std::string name = chain.parts[0] + "." + chain.parts[1];
    const std::size_t offset = words_[chain.first].begin;
    const Relation* relation = catalog_.Find(name);
    if (relation == nullptr) {
      if (chain.is_tight) {
        uses_.findings.push_back({Finding::Kind::kRelationUnknown, name, offset});
      }
      return;
    }
    uses_.relations.insert(name);
    if (chain.parts.size() > 2) ReadColumn(name, *relation, chain);
    ReadAlias(name, chain);
    if (UsesAllColumns(chain)) uses_.whole_relations.insert(name);
  }

  void ReadColumn(const std::string& name, const Relation& relation, const Chain& chain) {
    const std::string& column = chain.parts[2];
    const bool is_known = relation.columns.contains(column) || !relation.has_all_columns;
    if (is_known || IsSystemColumn(column) || !chain.is_tight) return;
    uses_.findings.push_back(
        {Finding::Kind::kColumnUnknown, name + "." + column, words_[chain.first].begin});
  }

  // "transactions." with the rest added at run time; prose that ends in such a word is none.
  void ReadSchemaAlone(const Chain& chain) {
    const Word& dot = At(chain.last + 1);
    if (!dot.Is('.') || dot.begin != words_[chain.last].end) return;
    const Word& next = At(chain.last + 2);
    const bool is_placeholder =
        next.begin == dot.end && (next.Is('%') || next.Is('$') || next.Is('{'));
    const bool is_end = chain.last + 2 >= words_.size() && dot.end == text_.size();
    const bool is_sql =
        words_.size() == 2 || IsIn(Before(chain.first), {"from", "join", "into", "update", "table",
                                                         "copy", "only", "using", "exists"});
    if (!is_placeholder && !(is_end && is_sql)) return;
    uses_.findings.push_back(
        {Finding::Kind::kNameComposed, chain.parts[0] + ".", words_[chain.first].begin});
  }

  // The position behind a relation and its alias.
  std::size_t Behind(const Chain& chain) const {
    const std::size_t next = chain.last + 1;
    const std::size_t at = At(next).IsKeyword("as") ? next + 1 : next;
    const bool is_alias = At(at).IsName() && !IsClause(At(at)) && !At(at + 1).Is('.');
    return is_alias ? at + 1 : next;
  }

  void ReadAlias(const std::string& relation, const Chain& chain) {
    const std::size_t behind = Behind(chain);
    if (behind == chain.last + 1) {
      aliases_[chain.parts[1]].insert(relation);
      return;
    }
    aliases_[words_[behind - 1].text].insert(relation);
    alias_words_.insert(behind - 1);
  }

  bool UsesAllColumns(const Chain& chain) const {
    const Word& before = Before(chain.first);
    if (before.IsKeyword("table")) return true;
    std::size_t at = Behind(chain);
    if (before.IsKeyword("copy")) return IsIn(At(at), {"from", "to"});
    if (!before.IsKeyword("into")) return false;
    if (At(at).Is('(')) ++at;
    return IsIn(At(at), {"values", "select", "table", "with", "overriding"});
  }

  // SELECT *, RETURNING alias.*
  void ReadStars() {
    for (std::size_t i = 0; i < words_.size(); ++i) {
      if (!words_[i].Is('*')) continue;
      const Word& before = Before(i);
      if (before.Is('.') && i >= 2 && words_[i - 2].IsName()) {
        ReadAliasStar(i - 2);
      } else if (IsIn(before, {"select", "distinct", "all", "returning"}) || before.Is(',') ||
                 IsIn(At(i + 1), {"from", "into"})) {
        ReadStar(i);
      }
    }
  }

  void ReadStar(std::size_t star) {
    // What a subquery gives is named in the subquery.
    const bool is_of_subquery = At(star + 1).IsKeyword("from") && At(star + 2).Is('(');
    if (uses_.relations.empty() && !is_of_subquery) uses_.has_open_star = true;
    uses_.whole_relations.insert(uses_.relations.begin(), uses_.relations.end());
  }

  void ReadAliasStar(std::size_t name) {
    const std::string& alias = words_[name].text;
    if (const auto found = aliases_.find(alias); found != aliases_.end()) {
      uses_.whole_relations.insert(found->second.begin(), found->second.end());
      return;
    }
    // schema.relation.*
    const bool is_qualified = name >= 2 && words_[name - 1].Is('.') && words_[name - 2].IsName();
    const std::string relation = is_qualified ? words_[name - 2].text + "." + alias : "";
    if (catalog_.Find(relation) != nullptr) {
      uses_.whole_relations.insert(relation);
      return;
    }
    if (NamesSubquery(alias)) return;
    if (uses_.relations.empty()) uses_.has_open_star = true;
    uses_.whole_relations.insert(uses_.relations.begin(), uses_.relations.end());
  }

  // `) AS u`: a subquery or a function, whose columns are named where it is written.
  bool NamesSubquery(const std::string& alias) const {
    for (std::size_t i = 1; i < words_.size(); ++i) {
      if (!words_[i].IsName() || words_[i].text != alias) continue;
      const std::size_t before = words_[i - 1].IsKeyword("as") ? i - 2 : i - 1;
      if (At(before).Is(')')) return true;
    }
    return false;
  }

  // to_jsonb(o), or SELECT o: the alias where a value stands.
  void ReadWholeRows() {
    for (const Chain& chain : chains_) {
      if (chain.parts.size() > 1 || alias_words_.contains(chain.first)) continue;
      const auto found = aliases_.find(chain.parts[0]);
      if (found == aliases_.end() || At(chain.last + 1).Is('.')) continue;
      if (IsIn(Before(chain.first), {"of", "as"})) continue;
      uses_.whole_relations.insert(found->second.begin(), found->second.end());
    }
  }

  // NATURAL JOIN, and the INSERT VALUES of a MERGE.
  void ReadUnnamedColumns() {
    for (std::size_t i = 0; i < words_.size(); ++i) {
      const bool inserts =
          words_[i].IsKeyword("insert") && IsIn(At(i + 1), {"values", "overriding"});
      if (!inserts && !words_[i].IsKeyword("natural")) continue;
      uses_.whole_relations.insert(uses_.relations.begin(), uses_.relations.end());
    }
  }

  const Catalog& catalog_;
  const std::string_view text_;
  const std::vector<Word> words_;
  std::vector<Chain> chains_;
  std::map<std::string, std::set<std::string>> aliases_;  // to the relations that it stands for
  std::set<std::size_t> alias_words_;                     // where aliases are given
  LiteralUses uses_;
};

}  // namespace

LiteralUses ReadUses(const Catalog& catalog, std::string_view text) {
  return Scan(catalog, text).Run();
}

}  // namespace lockstep::migration::footprint
