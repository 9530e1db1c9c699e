// What is wrong with a database beside what its revisions say: a history that was edited, what
// interrupted runs left over, rights, owners, old transactions.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "common/pg/connection.h"

namespace lockstep::migration {

enum class DiagnosisState { kGood, kDoubtful, kBad };

// One thing that was looked at.
struct Diagnosis {
  std::string check;  // stable: history, leftovers, constraints, ...
  DiagnosisState state = DiagnosisState::kGood;
  std::string found;                 // for a person
  std::string remedy;                // "" when nothing has to be done
  std::vector<std::string> objects;  // in question, at most 20
};

struct DiagnosisReport {
  std::vector<Diagnosis> diagnoses;  // every check, in their order
  std::string chain_head;            // "ENTRIES:HASH"
};

// `expected_head`: as DiagnosisReport::chain_head was once; "" = not asked. Only reads.
// INVALID_ARGUMENT (CHAIN_HEAD_INVALID). REQUIRES: a connection to the ledger as lockstep_migrator.
absl::StatusOr<DiagnosisReport> Examine(pg::Connection& connection, std::string_view expected_head);

}  // namespace lockstep::migration
