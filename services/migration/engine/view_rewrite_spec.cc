#include "services/migration/engine/view_rewrite_spec.h"

#include <algorithm>
#include <cctype>
#include <set>
#include <string_view>
#include <vector>

#include "services/migration/engine/spec_rules.h"

namespace lockstep::migration {
namespace {

// Digits with at most one point between them.
bool IsDecimal(std::string_view text) {
  const auto is_digit = [](unsigned char c) { return std::isdigit(c) != 0; };
  const std::size_t point = text.find('.');
  const std::string_view whole = text.substr(0, point);
  const std::string_view fraction =
      point == std::string_view::npos ? std::string_view("0") : text.substr(point + 1);
  return !whole.empty() && !fraction.empty() && std::ranges::all_of(whole, is_digit) &&
         std::ranges::all_of(fraction, is_digit);
}

class Reader {
 public:
  Reader(const v1::ViewRewriteSpec& from, const std::function<void(std::string)>& refuse)
      : from_(from), refuse_(refuse) {}

  ViewRewrite Read() {
    for (const v1::ComparedRows& rows : from_.rows()) ReadRows(rows);
    for (const v1::ComparedView& view : from_.views()) ReadView(view);
    return std::move(rewrite_);
  }

 private:
  void ReadRows(const v1::ComparedRows& from) {
    if (!IsQualifiedName(from.relation())) {
      refuse_("rows: \"" + from.relation() + "\" must be a relation with its schema");
    }
    if (from.where().empty()) refuse_("rows: where is required: which rows are looked at");
    for (const ComparedRows& earlier : rewrite_.rows) {
      if (earlier.relation == from.relation()) {
        refuse_("rows: " + from.relation() + " stands there twice");
      }
    }
    rewrite_.rows.push_back({from.relation(), from.where()});
  }

  void ReadView(const v1::ComparedView& from) {
    if (!IsQualifiedName(from.view())) {
      refuse_("views: \"" + from.view() + "\" must be a view with its schema");
    }
    for (const ComparedView& earlier : rewrite_.views) {
      if (earlier.view == from.view()) refuse_("views: " + from.view() + " stands there twice");
    }
    ComparedView view{
        .view = from.view(),
        .without_limit = from.without_limit(),
        .except_columns = {from.except_columns().begin(), from.except_columns().end()},
        .key = {from.key().begin(), from.key().end()},
        .tolerances = {},
        .retyped_columns = {from.retyped_columns().begin(), from.retyped_columns().end()}};
    std::set<std::string> seen;
    const auto check_column = [&](const std::string& name, const char* field) {
      if (name.empty()) refuse_(view.view + ": " + field + " needs the name of a column");
      if (!seen.insert(name).second) {
        refuse_(view.view + ": column " + name +
                " stands there twice, in its lists of columns together");
      }
    };
    for (const std::string& name : view.except_columns) check_column(name, "except_columns");
    for (const std::string& name : view.key) check_column(name, "key");
    for (const std::string& name : view.retyped_columns) check_column(name, "retyped_columns");
    for (const v1::Tolerance& tolerance : from.tolerances()) {
      check_column(tolerance.column(), "tolerances");
      if (!IsDecimal(tolerance.within())) {
        refuse_(view.view + ": the tolerance of " + tolerance.column() +
                " must be a decimal number such as \"0.01\", not \"" + tolerance.within() + "\"");
      }
      view.tolerances.push_back({tolerance.column(), tolerance.within()});
    }
    if (view.tolerances.empty() != view.key.empty()) {
      refuse_(view.view + ": key and tolerances need each other: a row is looked up by its key");
    }
    rewrite_.views.push_back(std::move(view));
  }

  const v1::ViewRewriteSpec& from_;
  const std::function<void(std::string)>& refuse_;
  ViewRewrite rewrite_;
};

}  // namespace

ViewRewrite ReadViewRewriteSpec(const v1::ViewRewriteSpec& from,
                                const std::function<void(std::string message)>& refuse) {
  return Reader(from, refuse).Read();
}

}  // namespace lockstep::migration
