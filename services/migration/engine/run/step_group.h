// Small steps that only create, several in one transaction.
//
// A transaction of its own, with the check that it stayed in its schemas and its rows in the
// ledger, costs more than a small CREATE TABLE. Steps that touch nothing but what the same
// transaction creates may share one: nobody can have locked it, or wait for it, and each still
// commits together with its rows.
#pragma once

#include <cstddef>
#include <optional>
#include <vector>

#include "absl/status/status.h"
#include "services/migration/engine/run/engine_values.h"
#include "services/migration/engine/run/run_session.h"

namespace lockstep::migration {

class StepGroup {
 public:
  // `known`: the relations that there are. Both must outlive the group.
  StepGroup(RunSession& session, const RelationNames& known) : session_(session), known_(known) {}

  // Takes the steps of one revision, all or none. False when one of them does not belong into a
  // transaction with those that are there: it does more than create, touches what was there before,
  // hides what it does, has expectations, limits of its own or another owner, was begun, or failed
  // before; or when there are enough.
  bool Add(std::vector<StepTask> tasks);

  // Applies all of them, or nothing: not before a pause is over, not in a freeze window. A failure
  // of a step is neither recorded nor told as its own: run one by one, the others may be fine.
  absl::Status Run(RunReport& report);
  // Whether a failure is one of the steps, and not of the run: then they may be tried by
  // themselves.
  static bool IsOfSteps(const absl::Status& status);

  std::size_t size() const { return tasks_.size(); }
  // After Run(): the index of the step that failed, as far as one can tell.
  std::optional<std::size_t> failed() const { return failed_; }

 private:
  bool Belongs(const StepTask& task) const;
  bool OnlyCreates(const ScriptFacts& facts) const;
  void TellRolledBack(const absl::Status& status);

  RunSession& session_;
  const RelationNames& known_;
  std::vector<StepTask> tasks_;
  std::size_t statements_ = 0;
  std::optional<std::size_t> failed_;
};

}  // namespace lockstep::migration
