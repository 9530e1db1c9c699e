// The table of what DDL locks, writes anew and reads: ddl_forms/forms.txt, and how a measurement is
// written in its words.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "services/migration/engine/run/measure/meter.h"

namespace lockstep::migration {

// What a statement costs, in the words of the table.
struct FormCost {
  std::string locks;      // "parent SRE, t AEL, indexes AS"; "-" = none; "error 0A000" = refused
  std::string rewritten;  // "t, indexes"; "-" = nothing
  std::string scanned;    // tables that were read completely: "t"; "-" = none
  friend bool operator==(const FormCost&, const FormCost&) = default;
  std::string text() const { return locks + " | " + rewritten + " | " + scanned; }
};

struct DdlForm {
  int line = 0;
  std::string statement;
  // What must be let go before the statement goes on, one after the other; empty for forms that run
  // in a transaction.
  std::vector<std::string> held;
  bool is_alone = false;  // it cannot run in a transaction
  FormCost cost;
  std::map<int, FormCost> other_versions;  // by the major version that differs

  const FormCost& CostOn(int major) const {
    const auto other = other_versions.find(major);
    return other == other_versions.end() ? cost : other->second;
  }
};

// The forms of the file, in order. Throws std::runtime_error at a line that it cannot read.
std::vector<DdlForm> ReadForms(const std::string& path);

// `rows`: of each table of schema f, as the fixture made it. Relations of other schemas do not
// count.
FormCost CostOf(const std::vector<RelationCost>& relations, const std::map<std::string, int>& rows);

// "AEL".
std::string_view ShortName(LockMode mode);

}  // namespace lockstep::migration
