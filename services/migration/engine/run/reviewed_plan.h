// Plans that somebody reviewed before they run: what was reviewed is what runs, or the run is
// refused with every difference.
//
// `Review` brings a plan into a form that can be kept, handed on and compared; `DifferencesOf`
// compares what was reviewed with what would run now. Pure.
#pragma once

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "services/migration/engine/graph.h"
#include "services/migration/engine/model.h"
#include "services/migration/engine/plan.h"

namespace lockstep::migration {

// One step with all that decides what it does.
struct ReviewedStep {
  std::string service;
  std::string revision;
  std::string revision_checksum;
  int ordinal = 1;
  std::string name;
  std::string kind;  // transactional, non-transactional, privileged
  std::string checksum;
  Direction direction = Direction::kUp;
  std::string undo_sha256;  // of the archived down script, which an undo runs; "" going up

  friend bool operator==(const ReviewedStep&, const ReviewedStep&) = default;
};

struct ReviewedPlan {
  std::string target;  // as the planner understood it (Target::name), never a relative one
  Direction direction = Direction::kUp;
  std::vector<std::string> from_heads;  // "service@id", sorted
  std::vector<std::string> to_heads;
  std::vector<ReviewedStep> steps;  // in the order in which they run

  friend bool operator==(const ReviewedPlan&, const ReviewedPlan&) = default;
};

// Archived scripts that an undo would run, by revision id and ordinal of the step.
using UndoScripts = std::map<std::pair<std::string, int>, Script>;

// `undos` counts going down only, and then has an entry for every step.
ReviewedPlan Review(const Graph& graph, const Plan& plan, const UndoScripts& undos);

// One line for each difference between what was reviewed and what would run (`now`, made from
// `state`); empty = the same. Steps from the beginning of `reviewed` that are done already count as
// done by an attempt before this one: only what remains has to be equal.
std::vector<std::string> DifferencesOf(const ReviewedPlan& reviewed, const ReviewedPlan& now,
                                       const AppliedState& state);

// OK without differences, else FAILED_PRECONDITION (PLAN_CHANGED) with them, one a line.
absl::Status PlanChanged(const ReviewedPlan& reviewed, const std::vector<std::string>& differences);

// JSON of the whole plan, keys sorted, without spaces: what the fingerprint is made of.
std::string CanonicalText(const ReviewedPlan& plan);
// Hexadecimal SHA-256 of CanonicalText.
std::string FingerprintOf(const ReviewedPlan& plan);

// "up" and "down".
std::string ToText(Direction direction);

}  // namespace lockstep::migration
