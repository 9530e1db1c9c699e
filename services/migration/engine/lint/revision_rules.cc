#include "services/migration/engine/lint/revision_rules.h"

#include <algorithm>

#include "absl/strings/str_cat.h"

namespace lockstep::migration {
namespace {

std::string_view NameOf(Phase phase) {
  if (phase == Phase::kContract) return "CONTRACT";
  if (phase == Phase::kLegacy) return "LEGACY";
  return phase == Phase::kMigrate ? "MIGRATE" : "EXPAND";
}

LintFinding OnRevision(const Revision& revision, std::string_view rule, LintLevel level,
                       std::string message) {
  LintFinding finding;
  finding.rule = rule;
  finding.level = level;
  finding.file = revision.folder + "/revision.textproto";
  finding.revision = revision.id;
  finding.message = std::move(message);
  return finding;
}

// What a statement makes that has dependents or users by name.
std::string MadeBy(TreeNode body) {
  const std::string_view node = body.key();
  if (node == "ViewStmt") return RelationName(body["view"]);
  if (node == "CreateTableAsStmt") return RelationName(body["into"]["rel"]);
  if (node == "CreateFunctionStmt") return NameOfList(body["funcname"]);
  if (IsIn(node, {"CreateEnumStmt", "CreateRangeStmt"})) return NameOfList(body["typeName"]);
  if (node == "CompositeTypeStmt") return RelationName(body["typevar"]);
  if (node == "CreateSeqStmt") return RelationName(body["sequence"]);
  if (node == "CreateDomainStmt") return NameOfList(body["domainname"]);
  if (node == "CreateStmt") return RelationName(body["relation"]);
  return "";
}

// The tables whose rows a statement changes.
std::vector<std::string> ChangedTables(TreeNode body) {
  std::vector<std::string> tables;
  if (body.key() == "TruncateStmt") {
    for (TreeNode item = body["relations"].first(); !item.empty(); item = item.next()) {
      tables.push_back(RelationName(item["RangeVar"]));
    }
    return tables;
  }
  ForEachChange(body, [&](TreeNode change) {
    if (change.key() != "InsertStmt") tables.push_back(RelationName(change["relation"]));
  });
  return tables;
}

}  // namespace

void RevisionRules::BeginUnit(TreeNode root) {
  made_.clear();
  granted_.clear();
  for (TreeNode item = root["stmts"].first(); !item.empty(); item = item.next()) {
    const TreeNode body = item["stmt"].first();
    made_.insert(MadeBy(body));
    if (body.key() != "GrantStmt" || !body["is_grant"].IsTrue()) continue;
    for (TreeNode object = body["objects"].first(); !object.empty(); object = object.next()) {
      granted_.insert(RelationName(object["RangeVar"]));
    }
  }
}

void RevisionRules::Check(Scene& scene) {
  if (scene.unit().revision == nullptr) {
    CheckDependents(scene);
    return;
  }
  if (scene.unit().role == LintRole::kCheck) return;
  CheckDependents(scene);
  if (!scene.IsUp()) return;
  revisions_[scene.unit().revision->id] = scene.unit().revision;
  CheckPhase(scene);
  CheckGate(scene);
  CheckRows(scene);
  NoteLocks(scene);
}

void RevisionRules::CheckPhase(Scene& scene) {
  const Phase phase = scene.unit().revision->phase;
  const std::string_view node = scene.node();
  const std::string relation = RelationName(scene.body()["relation"]);
  const auto report = [&](LintLevel level, std::string_view what, std::string_view rather) {
    scene.Report("M01", level, relation,
                 absl::StrCat(std::string(what), " in an ", std::string(NameOf(phase)),
                              " revision; it belongs into a ", std::string(rather), " one"));
  };
  if (phase == Phase::kExpand) {
    for (const std::string& table : ChangedTables(scene.body())) {
      if (scene.IsInUse(table)) report(LintLevel::kWarning, "changing rows", "MIGRATE");
    }
  }
  if (phase == Phase::kContract && node == "CreateStmt" &&
      scene.body()["relation"]["relpersistence"].raw() != "t") {
    report(LintLevel::kWarning, "a new table", "EXPAND");
  }
  if (phase == Phase::kMigrate && node == "DropStmt" &&
      scene.body()["removeType"].raw() == "OBJECT_TABLE") {
    ForEachDropped(scene.body(), [&](const std::string& table) {
      if (scene.IsThere(table)) report(LintLevel::kError, "dropping a table", "CONTRACT");
    });
  }
  ForEachCommand(scene.body(), [&](TreeNode command) {
    const std::string_view subtype = command["subtype"].raw();
    if (!scene.IsThere(relation)) return;
    if (phase == Phase::kContract && subtype == "AT_AddColumn") {
      report(LintLevel::kWarning, "a new column", "EXPAND");
    }
    if (phase == Phase::kMigrate && subtype == "AT_DropColumn" &&
        !scene.IsNewColumn(relation, command["name"].text())) {
      report(LintLevel::kError, "dropping a column", "CONTRACT");
    }
  });
}

void RevisionRules::CheckGate(Scene& scene) {
  const TreeNode body = scene.body();
  const std::string_view node = scene.node();
  const auto destroyed = [&](const std::string& object, std::string_view what) {
    destroys_ = true;
    if (scene.unit().revision->phase == Phase::kContract) return;
    scene.Report("M05", LintLevel::kError, object,
                 absl::StrCat(std::string(what), " ", object,
                              " before a gate: only a CONTRACT "
                              "revision waits until nobody needs it"));
  };
  if (node == "TruncateStmt") {
    for (const std::string& table : ChangedTables(body)) {
      if (scene.IsInUse(table)) destroyed(table, "emptying");
    }
  }
  ForEachChange(body, [&](TreeNode change) {
    const std::string table = RelationName(change["relation"]);
    if (!scene.IsInUse(table)) return;
    if (change.key() == "DeleteStmt") destroyed(table, "deleting rows of");
    if (change.key() == "UpdateStmt") destroys_ = true;
  });
  if (node == "DropStmt") {
    const std::string_view type = body["removeType"].raw();
    const bool is_named =
        IsIn(type, {"OBJECT_VIEW", "OBJECT_MATVIEW", "OBJECT_FUNCTION", "OBJECT_PROCEDURE",
                    "OBJECT_TYPE", "OBJECT_DOMAIN", "OBJECT_SEQUENCE"});
    ForEachDropped(body, [&](const std::string& name) {
      if (type == "OBJECT_TABLE" && scene.IsThere(name)) destroys_ = true;
      if (is_named && scene.IsThere(name) && !made_.contains(name)) destroyed(name, "dropping");
    });
  }
  ForEachCommand(body, [&](TreeNode command) {
    const std::string table = RelationName(body["relation"]);
    if (command["subtype"].raw() == "AT_DropColumn" && scene.IsThere(table) &&
        !scene.IsNewColumn(table, command["name"].text())) {
      destroys_ = true;
    }
  });
}

void RevisionRules::CheckDependents(Scene& scene) {
  const TreeNode body = scene.body();
  if (scene.node() != "DropStmt" ||
      !IsIn(body["removeType"].raw(), {"OBJECT_VIEW", "OBJECT_MATVIEW"})) {
    return;
  }
  ForEachDropped(body, [&](const std::string& view) {
    if (!made_.contains(view) || granted_.contains(view) || !scene.IsThere(view)) return;
    const ModelTable* const known = scene.model().Find(view);
    if (scene.model().is_connected && (known == nullptr || !known->has_grants)) return;
    scene.Report("M07", LintLevel::kWarning, view,
                 absl::StrCat("dropping and making ", view,
                              " again loses its grants, and the "
                              "script has no GRANT on it"));
  });
}

void RevisionRules::CheckRows(Scene& scene) {
  const Step* const step = scene.unit().step;
  if (step == nullptr || !step->expect.empty()) return;
  bool changes =
      scene.node() == "InsertStmt" && scene.body()["selectStmt"]["SelectStmt"].Has("fromClause");
  for (const std::string& table : ChangedTables(scene.body())) {
    changes = changes || scene.IsInUse(table);
  }
  if (changes) unchecked_.insert(step->ordinal);
}

void RevisionRules::NoteLocks(const Scene& scene) {
  for (const RelationLock& lock : scene.locks().locks) {
    if (!IsStrong(lock.mode) || lock.reach != Reach::kItself || !scene.IsThere(lock.qualified())) {
      continue;
    }
    std::vector<const Revision*>& holders = locked_[lock.qualified()];
    if (holders.empty() || holders.back() != scene.unit().revision) {
      holders.push_back(scene.unit().revision);
    }
  }
}

void RevisionRules::EndRevision(const Revision& revision, const LintOptions& options,
                                std::vector<LintFinding>& findings) {
  const bool declares =
      !revision.irreversible_reason.empty() || !revision.index.rollback_hazards.empty();
  if (destroys_ && !declares) {
    findings.push_back(
        OnRevision(revision, "M02", LintLevel::kWarning,
                   "it takes away what was there, and says neither irreversible_reason nor "
                   "index.rollback_hazards: nobody learns what an undo cannot bring back"));
  }
  if (!destroys_ && !revision.irreversible_reason.empty()) {
    findings.push_back(OnRevision(revision, "M02", LintLevel::kNote,
                                  "it says irreversible, although nothing that it does takes "
                                  "anything away"));
  }
  if (!unchecked_.empty() && revision.verify.empty()) {
    LintFinding finding = OnRevision(
        revision, "M06", LintLevel::kWarning,
        absl::StrCat("step ", *unchecked_.begin(),
                     " changes rows, and neither expect nor verify says what must hold then"));
    finding.step = *unchecked_.begin();
    findings.push_back(std::move(finding));
  }
  if (options.rehearsed.has_value() && !options.rehearsed->contains(revision.checksum)) {
    findings.push_back(OnRevision(revision, "M03", LintLevel::kNote,
                                  "no rehearsal of it is in the ledger: run lockstep rehearse"));
  }
  for (const LintForecast& forecast : options.forecasts) {
    if (forecast.revision != revision.id) continue;
    LintFinding finding =
        OnRevision(revision, "M10", forecast.is_sure ? LintLevel::kError : LintLevel::kWarning,
                   forecast.message);
    finding.step = forecast.step;
    finding.is_forbidden = forecast.is_sure;
    findings.push_back(std::move(finding));
  }
  destroys_ = false;
  unchecked_.clear();
}

bool RevisionRules::DependsOn(const Revision& revision, const Revision& other) const {
  std::vector<const Revision*> open = {&revision};
  std::set<const Revision*> seen;
  while (!open.empty()) {
    const Revision* const at = open.back();
    open.pop_back();
    if (at == &other) return true;
    if (!seen.insert(at).second) continue;
    for (const auto* ids : {&at->down_revision, &at->depends_on}) {
      for (const std::string& id : *ids) {
        const auto found = revisions_.find(id);
        if (found != revisions_.end()) open.push_back(found->second);
      }
    }
  }
  return false;
}

void RevisionRules::EndPlan(std::vector<LintFinding>& findings) {
  for (const auto& [relation, holders] : locked_) {
    for (std::size_t later = 1; later < holders.size(); ++later) {
      const Revision& second = *holders[later];
      const auto apart =
          std::find_if(holders.begin(), holders.begin() + static_cast<std::ptrdiff_t>(later),
                       [&](const Revision* first) {
                         return first->service != second.service && !DependsOn(second, *first) &&
                                !DependsOn(*first, second);
                       });
      if (apart == holders.begin() + static_cast<std::ptrdiff_t>(later)) continue;
      LintFinding finding = OnRevision(
          second, "M04", LintLevel::kWarning,
          absl::StrCat("it locks ", relation, ", as does ", (*apart)->id, " of ", (*apart)->service,
                       ", and neither depends on the other: their order is "
                       "left to chance"));
      finding.object = relation;
      findings.push_back(std::move(finding));
      break;
    }
  }
}

}  // namespace lockstep::migration
