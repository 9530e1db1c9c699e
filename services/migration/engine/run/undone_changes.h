// What the undos of a plan change before those that follow: whether what is seen now says anything
// about a later moment of the run. Pure.
#pragma once

#include <set>
#include <string>

#include "services/migration/engine/model.h"

namespace lockstep::migration {

class UndoneChanges {
 public:
  void Add(const Revision& revision, const Script& down);
  // Every step of the revision.
  void Add(const Revision& revision);

  bool MayChange(const std::string& table) const;
  // Whether the guard may find something else then.
  bool MayChangeWhatIsRead(const Script& guard) const;

 private:
  std::set<std::string> tables_;
  std::set<std::string> hides_among_;  // services in whose schemas hidden code may change any
};

}  // namespace lockstep::migration
