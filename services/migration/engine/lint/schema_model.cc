#include "services/migration/engine/lint/schema_model.h"

#include <algorithm>
#include <utility>

namespace lockstep::migration {

const ModelTable* SchemaModel::Find(std::string_view qualified) const {
  const auto found = tables_.find(qualified);
  return found == tables_.end() ? nullptr : &found->second;
}

ModelTable* SchemaModel::FindForChange(std::string_view qualified) {
  const auto found = tables_.find(qualified);
  return found == tables_.end() ? nullptr : &found->second;
}

ModelTable& SchemaModel::Add(std::string qualified, ModelTable table) {
  return tables_.insert_or_assign(std::move(qualified), std::move(table)).first->second;
}

void SchemaModel::Remove(std::string_view qualified) {
  const auto found = tables_.find(qualified);
  if (found != tables_.end()) tables_.erase(found);
}

void SchemaModel::Rename(std::string_view from, std::string to) {
  const auto found = tables_.find(from);
  if (found == tables_.end() || from == to) return;
  ModelTable table = std::move(found->second);
  tables_.erase(found);
  Add(std::move(to), std::move(table));
}

std::string SchemaModel::TableOfIndex(std::string_view qualified) const {
  const std::size_t dot = qualified.find('.');
  if (dot == std::string_view::npos) return "";
  const std::string_view schema = qualified.substr(0, dot + 1);
  const std::string_view index = qualified.substr(dot + 1);
  for (auto table = tables_.lower_bound(schema);
       table != tables_.end() && std::string_view(table->first).starts_with(schema); ++table) {
    for (const ModelIndex& have : table->second.indexes) {
      if (have.name == index) return table->first;
    }
  }
  return "";
}

std::optional<bool> SchemaModel::IsConstrainedDomain(std::string_view qualified) const {
  const auto found = types_.find(qualified);
  if (found == types_.end()) return std::nullopt;
  return found->second;
}

void SchemaModel::AddType(std::string qualified, bool is_constrained_domain) {
  types_.insert_or_assign(std::move(qualified), is_constrained_domain);
}

void SchemaModel::Settle() {
  for (auto& [name, table] : tables_) {
    if (table.is_new) table.rows.reset();
    table.is_new = false;
    for (auto& [column, model] : table.columns) model.is_new = false;
    for (ModelIndex& index : table.indexes) index.is_new = false;
  }
}

std::string RelationName(TreeNode range_var) {
  if (!range_var.Has("relname") || range_var["relpersistence"].raw() == "t") return "";
  std::string schema = range_var["schemaname"].text();
  if (schema == "pg_temp") return "";
  if (schema.empty()) schema = "public";
  return schema + "." + range_var["relname"].text();
}

std::string NameOfList(TreeNode list, std::size_t less) {
  std::vector<std::string> parts = NamesIn(list);
  if (parts.size() < less + 1) return "";
  parts.resize(parts.size() - less);
  if (parts.size() == 1) return "public." + parts[0];
  return parts[parts.size() - 2] + "." + parts.back();
}

std::string TypeText(TreeNode type_name) {
  std::vector<std::string> names = NamesIn(type_name["names"]);
  if (names.size() > 1 && names.front() == "pg_catalog") names.erase(names.begin());
  std::string text;
  if (!type_name["arrayBounds"].first().empty()) text = "_";
  for (const std::string& name : names) {
    if (!text.empty() && text != "_") text += '.';
    text += name;
  }
  std::string modifiers;
  for (TreeNode item = type_name["typmods"].first(); !item.empty(); item = item.next()) {
    const TreeNode number = item["A_Const"]["ival"];
    // The first one of an interval says which fields it has; 32767 is all of them.
    if (number.empty() || (text == "interval" && number["ival"].Number(0) == 32'767)) continue;
    modifiers += (modifiers.empty() ? "" : ",") + std::to_string(number["ival"].Number(0));
  }
  if (!modifiers.empty()) text += "(" + modifiers + ")";
  // char is bpchar(1); the catalog says so as well.
  return text;
}

}  // namespace lockstep::migration
