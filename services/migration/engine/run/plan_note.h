// A remark on a plan. A plain value.
#pragma once

#include <cstdint>
#include <string>

namespace lockstep::migration {

// What a person should know before a plan runs, although it does not stand against it.
struct PlanNote {
  // forbidden_online, partitioned, standby, subscriber, restore_point, foreign_lock, repeatable,
  // unknown
  std::string kind;
  std::string revision;   // "" when it is about the whole plan
  int step = 0;           // ordinal; 0 when it is not about one step
  std::string step_name;  // "" likewise
  std::string what;       // for a person
  std::string table;      // forbidden_online, partitioned: "core.orders"
  std::int64_t rows = 0;  // forbidden_online: how many it has, about
};

}  // namespace lockstep::migration
