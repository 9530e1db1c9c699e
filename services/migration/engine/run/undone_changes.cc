#include "services/migration/engine/run/undone_changes.h"

#include <algorithm>

#include "services/migration/engine/ownership.h"

namespace lockstep::migration {

void UndoneChanges::Add(const Revision& revision, const Script& down) {
  tables_.insert(down.facts.written.begin(), down.facts.written.end());
  tables_.insert(down.facts.rows_destroyed_in.begin(), down.facts.rows_destroyed_in.end());
  // The boundary of a step (boundary.h) holds for what it hides as well.
  if (down.facts.has_hidden_code || down.is_opaque) hides_among_.insert(revision.service);
}

void UndoneChanges::Add(const Revision& revision) {
  for (const Step& step : revision.steps) Add(revision, step.down);
}

bool UndoneChanges::MayChange(const std::string& table) const {
  return tables_.contains(table) ||
         hides_among_.contains(std::string(OwnerOf(table.substr(0, table.find('.')))));
}

bool UndoneChanges::MayChangeWhatIsRead(const Script& guard) const {
  if (guard.is_opaque) return !tables_.empty() || !hides_among_.empty();
  return std::any_of(guard.facts.read.begin(), guard.facts.read.end(),
                     [&](const std::string& table) { return MayChange(table); });
}

}  // namespace lockstep::migration
