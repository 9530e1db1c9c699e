// What the doctor asks the catalog and the ledger, one query for each check.
#pragma once

#include <string_view>
#include <vector>

#include "services/migration/engine/run/doctor/doctor.h"

namespace lockstep::migration {

struct DoctorCheck {
  std::string_view name;
  // One column, `object`: what is not as it should be. `owned` (oid, schema, service) are the
  // schemas of services.
  std::string_view sql;
  DiagnosisState state;  // when there is any
  std::string_view good;
  std::string_view found;  // begins with their number
  std::string_view remedy;
};

const std::vector<DoctorCheck>& DoctorChecks();

}  // namespace lockstep::migration
