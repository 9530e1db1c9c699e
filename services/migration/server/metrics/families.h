// Renders figures as metric families. docs/monitoring.md lists them for people.
#pragma once

#include <vector>

#include "common/telemetry/metrics.h"
#include "services/migration/server/metrics/figures.h"

namespace lockstep::migration {

// Every family has HELP and TYPE even when it has no sample now. A series is there only when its
// value is known: no 0 stands for "cannot be read". Pure.
std::vector<telemetry::Family> FamiliesOf(const Figures& figures);

// lockstep_up, which every scrape has: 1 when the ledger could be read.
telemetry::Family UpFamily(bool is_up);

}  // namespace lockstep::migration
