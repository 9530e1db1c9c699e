#include "services/migration/engine/run/measure/certificate.h"

#include <algorithm>
#include <optional>

#include "absl/strings/str_join.h"
#include "common/json/json.h"

namespace lockstep::migration {
namespace {

int Rank(const std::optional<LockMode>& mode) {
  return mode.has_value() ? static_cast<int>(*mode) : 0;
}

const RelationCost* Find(const std::vector<RelationCost>& relations, const std::string& name) {
  const auto found = std::find_if(relations.begin(), relations.end(),
                                  [&](const auto& each) { return each.relation == name; });
  return found == relations.end() ? nullptr : &*found;
}

// What the certificate allows for a relation, by what it says about it and what it is part of.
struct Allowed {
  int rank = 0;
  bool is_rewritten = false;
};

Allowed AllowedFor(const StepCertificate& certificate, const RelationCost& real) {
  Allowed allowed;
  std::vector<std::string> names = real.within;
  names.push_back(real.relation);
  for (const std::string& name : names) {
    const RelationCost* certified = Find(certificate.relations, name);
    if (certified == nullptr) continue;
    allowed.rank = std::max(allowed.rank, Rank(certified->mode));
    allowed.is_rewritten = allowed.is_rewritten || certified->is_rewritten;
  }
  return allowed;
}

// A partitioned table has no storage of its own: a partition that the scratch database did not have
// is written anew with those that it had.
bool HasRewrittenSibling(const StepCertificate& certificate, const RelationCost& real) {
  return std::any_of(
      certificate.relations.begin(), certificate.relations.end(), [&](const RelationCost& each) {
        return each.is_rewritten && each.is_index == real.is_index &&
               std::any_of(each.within.begin(), each.within.end(), [&](const auto& whole) {
                 return std::find(real.within.begin(), real.within.end(), whole) !=
                        real.within.end();
               });
      });
}

std::string ModeText(int rank) {
  return rank == 0 ? "no lock" : std::string(ToText(static_cast<LockMode>(rank)));
}

}  // namespace

std::optional<LockMode> StepCertificate::strongest() const {
  std::optional<LockMode> most;
  for (const RelationCost& each : relations) {
    if (Rank(each.mode) > Rank(most)) most = each.mode;
  }
  return most;
}

std::vector<std::string> WorseThan(const StepCertificate& certificate,
                                   const std::vector<RelationCost>& real) {
  std::vector<std::string> worse;
  for (const RelationCost& each : real) {
    const Allowed allowed = AllowedFor(certificate, each);
    const int rank = Rank(each.mode);
    if (rank >= static_cast<int>(LockMode::kShareUpdateExclusive) && rank > allowed.rank) {
      worse.push_back(each.relation + ": " + ModeText(rank) + ", certified was " +
                      ModeText(allowed.rank));
    }
    if (each.is_rewritten && !each.is_sequence && !allowed.is_rewritten &&
        !HasRewrittenSibling(certificate, each)) {
      worse.push_back(each.relation + (each.is_index ? ": built anew" : ": written anew") +
                      ", which was not certified");
    }
  }
  return worse;
}

std::string LocksText(const std::vector<RelationCost>& relations) {
  std::vector<const RelationCost*> locked;
  for (const RelationCost& each : relations) {
    if (each.is_index || Rank(each.mode) < static_cast<int>(LockMode::kShareUpdateExclusive)) {
      continue;
    }
    locked.push_back(&each);
  }
  std::stable_sort(locked.begin(), locked.end(), [](const auto* one, const auto* other) {
    return Rank(one->mode) > Rank(other->mode);
  });
  return absl::StrJoin(locked, ", ", [](std::string* out, const RelationCost* each) {
    *out += each->relation + " " + std::string(ToText(*each->mode));
  });
}

std::vector<std::string> RewrittenTables(const std::vector<RelationCost>& relations) {
  std::vector<std::string> tables;
  for (const RelationCost& each : relations) {
    if (each.is_rewritten && !each.is_index && !each.is_sequence) tables.push_back(each.relation);
  }
  return tables;
}

nlohmann::json RelationsToJson(const StepCertificate& certificate) {
  nlohmann::json list = nlohmann::json::array();
  for (const RelationCost& each : certificate.relations) {
    nlohmann::json entry = {{"relation", each.relation}, {"rows_read", each.rows_read}};
    if (each.mode.has_value()) entry["mode"] = std::string(ToText(*each.mode));
    if (each.is_index) entry["is_index"] = true;
    if (each.is_sequence) entry["is_sequence"] = true;
    if (each.is_rewritten) entry["is_rewritten"] = true;
    if (!each.within.empty()) entry["within"] = each.within;
    const auto rows = certificate.rows.find(each.relation);
    if (rows != certificate.rows.end()) entry["rows"] = rows->second;
    list.push_back(std::move(entry));
  }
  return list;
}

void RelationsFromJson(const nlohmann::json& json, StepCertificate& certificate) {
  for (const nlohmann::json& entry : json) {
    if (!entry.is_object()) continue;
    RelationCost& cost = certificate.relations.emplace_back();
    cost.relation = entry.value("relation", "");
    cost.is_index = entry.value("is_index", false);
    cost.is_sequence = entry.value("is_sequence", false);
    cost.is_rewritten = entry.value("is_rewritten", false);
    cost.rows_read = entry.value("rows_read", std::int64_t{0});
    cost.within = entry.value("within", std::vector<std::string>());
    const std::string mode = entry.value("mode", "");
    for (int value = 1; value <= 8; ++value) {
      if (ToText(static_cast<LockMode>(value)) == mode) cost.mode = static_cast<LockMode>(value);
    }
    if (entry.contains("rows")) {
      certificate.rows[cost.relation] = entry.value("rows", std::int64_t{0});
    }
  }
}

}  // namespace lockstep::migration
